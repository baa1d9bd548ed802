"""Errors of landmarks, and what tables make of them.

The functions named here are the plain ones: float64, no special values, nothing dropped silently. The programs that
made the published tables have their own rules: `metrics.mmpose` and `metrics.hrnet_official`.
"""

from facelandmarks.evaluation.metrics.errors import (
    box_sides,
    distances,
    epe,
    nme,
    normalised,
    pck,
    point_pair,
)
from facelandmarks.evaluation.metrics.summaries import (
    auc,
    bootstrap_interval,
    ced,
    face_errors,
    failure_rate,
    mean_error,
    per_contour,
    per_landmark,
)

__all__ = [
    "auc",
    "bootstrap_interval",
    "box_sides",
    "ced",
    "distances",
    "epe",
    "face_errors",
    "failure_rate",
    "mean_error",
    "nme",
    "normalised",
    "pck",
    "per_contour",
    "per_landmark",
    "point_pair",
]
