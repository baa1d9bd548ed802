"""Errors of landmarks, and what tables make of them.

The functions named here are the plain ones: float64, no surprise values, nothing dropped silently. Tables were made by
programs with rules of their own; `metrics.mmpose` and `metrics.hrnet_official` hold those, each under its name.
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
from facelandmarks.evaluation.metrics.intervals import bootstrap_interval
from facelandmarks.evaluation.metrics.summaries import (
    auc,
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
