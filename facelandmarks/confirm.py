"""Whether what a detector found is a face: a second opinion, from the landmarks that a model sees in it."""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.results import Landmarks
from facelandmarks.schemes import CONVERSIONS, convert
from facelandmarks.zoo.spec import OPINION, ModelSpec

# Values outside count as the limit.
NEAREST, FARTHEST = 0.01, 1.5  # sides of the box, between points of the detector and of the model
LEAST_SCORE = 0.02  # of the detector; at most one less that
SIDES = (8.0, 200.0)  # pixels


def confirmed(faces: Landmarks, spec: ModelSpec, beside: bool = False) -> NDArray[np.bool_]:
    """Say which detected faces (N,) the landmarks of a model confirm; all, if it has neither opinion nor limit.

    Where people are, what looks like a face more often is one: less is enough beside a face that is confirmed, or, with
    `beside`, known already.
    """
    opinion = spec.opinions.get(str(faces.detector))
    seen = evidence(faces) if opinion else None
    if opinion is None or seen is None:
        limit = -np.inf if spec.confirm_below is None else spec.confirm_below
        return np.asarray(faces.scores.mean(axis=1) >= limit)
    *weights, least, less = (opinion[name] for name in OPINION)
    return sure(seen @ weights, least, less, beside)


def sure(sums: NDArray[np.floating], least: float, less: float, beside: bool = False) -> NDArray[np.bool_]:
    """Say which sums (N,) of one image are enough: `least`, or beside a face so much less."""
    return np.asarray(sums >= (least - less if beside or (sums >= least).any() else least))


def evidence(faces: Landmarks) -> NDArray[np.float64] | None:
    """Return what tells a face from a thing like a face, (N, 4), in the order of `OPINION`.

    Logarithms of the mean expected error and of the largest distance between the detector's five points and the
    model's, both in sides of the box; log odds of the detector's score; logarithm of the box's side in pixels. None
    without the detector's points, expected errors, or a conversion of the model's points to those five.

    A thing like a face gets its points where faces have them on average, from model and detector alike: at the same
    expected error, points that disagree speak for a face.
    """
    known = (faces.scheme.name, "points5") in CONVERSIONS
    if faces.detector_points is None or faces.expected_error is None or not known:
        return None
    side = np.sqrt((faces.boxes[:, 2:] - faces.boxes[:, :2]).astype(np.float64).prod(axis=1))
    five = convert(faces.points, faces.scheme, "points5")
    apart = np.linalg.norm(five - faces.detector_points, axis=2).max(axis=1) / side
    score = np.clip(faces.box_scores.astype(np.float64), LEAST_SCORE, 1 - LEAST_SCORE)
    parts = [
        np.log(faces.expected_error.mean(axis=1) / side),
        np.log(np.clip(apart, NEAREST, FARTHEST)),
        np.log(score / (1 - score)),
        np.log2(np.clip(side, *SIDES)),
    ]
    return np.stack(parts, axis=1)
