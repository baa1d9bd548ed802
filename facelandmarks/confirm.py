"""Whether what a detector found is a face: a second opinion, from the landmarks that a model sees in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facelandmarks.results import Landmarks
from facelandmarks.schemes import convert
from facelandmarks.zoo.spec import ModelSpec

# Values outside count as the limit.
NEAREST, FARTHEST = 0.01, 1.5  # sides of the box, between points of the detector and of the model
LEAST_SCORE = 0.02  # of the detector; at most one less that
SIDES = (8.0, 200.0)  # pixels


@dataclass(frozen=True)
class Opinion:
    """Weights of the log odds that a detection shows a face; fitted by `examples/train_compact/fit_confirm.py`.

    Each field but `least` is the factor of one column of `evidence`; from the sum `least` on it is a face.
    """

    doubt: float
    apart: float
    detector: float
    side: float
    least: float


# By model, scheme and detector. A thing like a face gets its points where faces have them on average, from model and
# detector alike: at the same expected error, points that disagree speak for a face.
OPINIONS: Mapping[tuple[str, str, str], Opinion] = MappingProxyType(
    {
        ("compact_300w", "ibug68", "compact"): Opinion(
            doubt=-2.072, apart=0.543, detector=2.328, side=-0.573, least=2.1
        ),
        ("tiny_300w", "ibug68", "compact"): Opinion(doubt=-1.559, apart=0.502, detector=2.583, side=-0.626, least=1.7),
    }
)


def confirmed(faces: Landmarks, spec: ModelSpec) -> NDArray[np.bool_]:
    """Say which detected faces (N,) the landmarks of a model confirm; all, if it has neither opinion nor limit."""
    opinion = OPINIONS.get((spec.name, str(spec.scheme), str(faces.detector)))
    seen = evidence(faces) if opinion else None  # points of other schemes need not hold five to compare
    if opinion is None or seen is None:
        limit = -np.inf if spec.confirm_below is None else spec.confirm_below
        return np.asarray(faces.scores.mean(axis=1) >= limit)
    *weights, least = vars(opinion).values()
    return np.asarray(seen @ weights >= least)


def evidence(faces: Landmarks) -> NDArray[np.float64] | None:
    """Return what tells a face from a thing like a face, (N, 4), in the order of `Opinion`'s fields.

    Logarithms of the mean expected error and of the largest distance between the detector's five points and the
    model's, both in sides of the box; log odds of the detector's score; logarithm of the box's side in pixels. None
    without the detector's points or expected errors.
    """
    if faces.detector_points is None or faces.expected_error is None:
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
