"""Whether what a detector found is a face: a second opinion, from the landmarks that a model sees in it."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facelandmarks.results import Landmarks
from facelandmarks.schemes import convert
from facelandmarks.zoo.spec import ModelSpec

FARTHEST = 1.5  # sides of the box: points of detector and model that are farther apart count as that far
SIDES = (8.0, 200.0)  # pixels: boxes outside count as that small, that large
LEAST_SHARE = 0.02  # of a score: keeps its log odds finite


@dataclass(frozen=True)
class Opinion:
    """Weights of the log odds that a detection shows a face; fitted by `examples/train_compact/fit_confirm.py`.

    Each field but `least` is the factor of one row of `evidence`; `least` is the sum from which it is a face.
    """

    score: float
    doubt: float
    apart: float
    farthest: float
    detector: float
    side: float
    least: float


OPINIONS: Mapping[tuple[str, str], Opinion] = MappingProxyType({})  # by model and detector


def confirmed(faces: Landmarks, spec: ModelSpec) -> NDArray[np.bool_]:
    """Say which detected faces (N,) the landmarks of a model confirm; all, if it has neither opinion nor limit."""
    opinion, seen = OPINIONS.get((spec.name, str(faces.detector))), evidence(faces)
    if opinion is None or seen is None:
        limit = -np.inf if spec.confirm_below is None else spec.confirm_below
        return np.asarray(faces.scores.mean(axis=1) >= limit)
    *weights, least = astuple(opinion)
    return np.asarray(seen @ weights >= least)


def evidence(faces: Landmarks) -> NDArray[np.float64] | None:
    """Return what tells a face from a thing like a face, (N, 6), in the order of `Opinion`'s fields.

    Mean point score; logarithm of the mean expected error; that of the distance between the detector's five points and
    the model's, median and largest (all three in sides of the box); log odds of the detector's score; logarithm of the
    box's side in pixels. None without the detector's points or expected errors.
    """
    if faces.detector_points is None or faces.expected_error is None:
        return None
    side = np.sqrt((faces.boxes[:, 2:] - faces.boxes[:, :2]).astype(np.float64).prod(axis=1))
    apart = np.linalg.norm(convert(faces.points, faces.scheme, "points5") - faces.detector_points, axis=2)
    apart = np.log(np.minimum(apart / side[:, None], FARTHEST) + 0.01)
    share = np.clip(faces.box_scores.astype(np.float64), LEAST_SHARE, 1 - LEAST_SHARE)
    parts = [
        faces.scores.mean(axis=1),
        np.log(faces.expected_error.mean(axis=1) / side),
        np.median(apart, axis=1),
        apart.max(axis=1),
        np.log(share / (1 - share)),
        np.log2(np.clip(side, *SIDES)),
    ]
    return np.stack(parts, axis=1)
