"""From points and truth to the numbers of a table, by the rules of each program."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facelandmarks.evaluation import metrics
from facelandmarks.evaluation.metrics import hrnet_official, mmpose
from facelandmarks.evaluation.protocols import Reference, Scoring

# Against a published number, against one of our own, not on the faces of the number, no number.
Verdict = Literal["PASS", "FAIL", "SAME", "DIFFERENT", "PARTIAL", "-"]
_AGREES: Mapping[Reference, tuple[Verdict, Verdict]] = {"published": ("PASS", "FAIL"), "own": ("SAME", "DIFFERENT")}
_ROUNDING = 1e-9  # of decimal numbers in binary


@dataclass(frozen=True)
class Unit:
    """How a metric is printed: `factor` times its value, then the sign."""

    factor: float
    sign: str
    mean: bool  # whether it is a mean of errors


_SHARE = Unit(100.0, "%", mean=False)
METRICS: Mapping[str, Unit] = {
    "NME": Unit(100.0, "%", mean=True),
    **dict.fromkeys(("FR@0.10", "AUC@0.10", "PCK@0.2", "AUC"), _SHARE),
    "EPE": Unit(1.0, "px", mean=True),
}


@dataclass(frozen=True, eq=False)
class Faces:
    """N faces to score."""

    names: tuple[str, ...]
    points: NDArray[np.float32]  # (N, K, 2), pixels; NaN for a face that was not found
    truth: NDArray[np.float32]  # (N, K, 2)
    visible: NDArray[np.bool_]  # (N, K): which points count
    sizes: NDArray[np.float32]  # (N,), pixels: what errors are divided by

    def missed(self) -> NDArray[np.bool_]:
        """Say which were not found, bool (N,)."""
        return np.asarray(np.isnan(self.points).reshape(len(self.points), -1).any(1))

    def found(self) -> "Faces":
        """Return those that were found."""
        kept = np.flatnonzero(~self.missed())
        names = tuple(self.names[face] for face in kept)
        return Faces(names, self.points[kept], self.truth[kept], self.visible[kept], self.sizes[kept])


def landmark_errors(faces: Faces) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return normalised distances (N, K), and which of them count: none of a face whose size is not positive."""
    positive = faces.sizes > 0
    sizes = np.where(positive, faces.sizes, 1)
    errors = metrics.normalised(metrics.distances(faces.points, faces.truth), sizes)
    return errors, faces.visible & positive[:, None]


def mean_errors(faces: Faces) -> NDArray[np.float64]:
    """Return the mean error (N,) of each face; NaN for one that was missed or has no point that counts."""
    errors, valid = landmark_errors(faces)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(valid, errors, 0).sum(1) / valid.sum(1))


def _plain_faces(faces: Faces) -> NDArray[np.float64]:
    """Return the errors of all faces that count; missed ones are NaN, which are failures."""
    return metrics.face_errors(*landmark_errors(faces))


def pck(errors: NDArray[np.float64], counted: NDArray[np.bool_]) -> float:
    """Return the share of points that count with an error of at most a fifth of the normaliser."""
    return metrics.mean_error(np.where(errors <= 0.2, 1.0, 0.0), counted)


# The rules of each program.
RULES: Mapping[Scoring, Mapping[str, Callable[[Faces], float]]] = {
    "mmpose": {
        "NME": lambda f: mmpose.nme(f.points, f.truth, f.sizes, f.visible),
        "PCK@0.2": lambda f: mmpose.pck(f.points, f.truth, f.sizes, f.visible),
        "AUC": lambda f: mmpose.auc(f.points, f.truth, f.visible),
        "EPE": lambda f: mmpose.epe(f.points, f.truth, f.visible),
    },
    "hrnet_official": {
        "NME": lambda f: hrnet_official.nme(f.points, f.truth, f.sizes),
        # As upstream's own, except that a missed face is a failure.
        "FR@0.10": lambda f: metrics.failure_rate(hrnet_official.face_errors(f.points, f.truth, f.sizes), 0.10),
    },
    "plain": {
        "NME": lambda f: metrics.mean_error(*landmark_errors(f), average="faces"),
        "FR@0.10": lambda f: metrics.failure_rate(_plain_faces(f), 0.10),
        "AUC@0.10": lambda f: metrics.auc(_plain_faces(f), 0.10),
        "PCK@0.2": lambda f: pck(*landmark_errors(f)),
        "EPE": lambda f: metrics.epe(f.points, f.truth, f.visible),
    },
}


def score(faces: Faces, metric: str, scoring: Scoring, skip_missed: bool = False) -> float:
    """Return the value of a metric by the rules of a program: a fraction, or pixels for EPE.

    Faces that were not found are failures and misses; they make means of errors NaN, unless they are skipped.
    """
    counted = faces.found() if skip_missed and METRICS[metric].mean else faces
    return RULES[scoring][metric](counted) if counted.names else float("nan")


def failures(faces: Faces) -> float:
    """Return the share of faces that were missed, or whose mean error is above a tenth of their size."""
    return score(faces, "FR@0.10", "plain")


def judge(reference: float | None, measured: float, digits: int, comparable: bool, kind: Reference) -> Verdict:
    """Compare a measured number with a reference, both in the unit of the table.

    The measured one is rounded to the digits that the table prints, and may then be off by one in the last. It is
    comparable if it was measured on the faces of the reference, in the same way. Only published numbers give PASS.
    """
    if reference is None:
        return "-"
    if not comparable:
        return "PARTIAL"
    # False for NaN.
    agrees = abs(round(measured, digits) - reference) <= 10.0**-digits + _ROUNDING
    return _AGREES[kind][0 if agrees else 1]


def interval(faces: Faces, scoring: Scoring) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the NME over the faces found, by its rules; None for fewer than two.

    MMPose averages over points: a face then counts as often as it has visible points.
    """
    errors, valid = landmark_errors(faces.found())
    sums, points = np.where(valid, errors, 0).sum(1), valid.sum(1)
    counted = points > 0
    sums, points = sums[counted], points[counted]
    if len(sums) < 2:
        return None
    if scoring != "mmpose":
        sums, points = sums / points, np.ones(len(points))
    low, high = metrics.bootstrap_interval(lambda drawn: sums[drawn].sum() / points[drawn].sum(), len(sums))
    return float(low), float(high)
