"""Fit the landmark models' second opinion on detections (`facelandmarks.finding`), and show what it costs and wins.

    python fit_confirm.py DATA [--model compact_300w] [--thresholds 0.35 0.4] [--photos 1000] [--least 4.1]

The weights are fitted on training photos: faces that the detector finds there, against what it takes for a face in
photos without one. The least sum is to be chosen from the table, which holds validation photos only: for each threshold
of the detector and each least sum, recall by size, the share of faceless photos with a face left, that of close-ups
found, and the boxes without a label in a hundred photos with faces; some of them are faces that nobody labelled. Given
a least sum, the table shows how much less may be enough beside a confirmed face. Nothing of the test sets is looked at.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import detector_sets as sets
import numpy as np
from detector_sets import Sample

import facelandmarks as fl
from facelandmarks.detection.compact import CompactDetector
from facelandmarks.finding import evidence, sure

LEAST_SCORE = 0.3  # of the detector: weaker detections are not fitted
RIDGE = 1e-3
STEPS = 40
FACELESS = ("plain", "hard")
Seen = tuple[np.ndarray, np.ndarray, np.ndarray]  # boxes (N, 4), scores (N,) and evidence (N, 4) of an image


class Eye:
    """Detector and landmark model together."""

    def __init__(self, model: str) -> None:
        self.detector, self.model = CompactDetector(threads=1), fl.load_model(model, threads=1)

    def look(self, sample: Sample, least: float) -> Seen:
        faces = self.model.predict(sample.read(), detector=self.detector, min_score=least, confirm=False)
        seen = evidence(faces)
        return faces.boxes, faces.box_scores, np.zeros((0, 4)) if seen is None else seen


def fit(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return weights (5,), the constant last, of a logistic regression in which both classes count the same."""
    rows = np.concatenate([faces, others])
    mean, spread = rows.mean(0), rows.std(0)
    rows = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
    truth = np.repeat([1.0, 0.0], [len(faces), len(others)])
    counts = np.repeat([0.5 / len(faces), 0.5 / len(others)], [len(faces), len(others)])
    weights, ridge = np.zeros(rows.shape[1]), RIDGE * np.eye(rows.shape[1])
    for _ in range(STEPS):
        share = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (counts * (share - truth)) + ridge @ weights
        weights -= np.linalg.solve((rows * (counts * share * (1 - share))[:, None]).T @ rows + ridge, slope)
    scaled = weights[:-1] / spread
    return np.append(scaled, weights[-1] - scaled @ mean)


def training_rows(data: Path, eye: Eye, photos: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the evidence (N, 4) of faces in `photos` training photos, and of detections in faceless ones."""
    chosen = list(sets.pack_samples(data, val="0"))
    chosen = [chosen[index] for index in np.random.default_rng(0).permutation(len(chosen))[:photos]]
    faces, others = [], []
    for sample in chosen:
        boxes, _, seen = eye.look(sample, LEAST_SCORE)
        faces.append(seen[sets.iou(sample.faces, boxes).max(0, initial=0) >= sets.FOUND])
    for kind in FACELESS:
        others += [eye.look(sample, LEAST_SCORE)[2] for sample in sets.faceless_samples(data, kind, val="0")]
    return np.concatenate(faces), np.concatenate(others)


def validation(data: Path) -> Iterator[tuple[str, Iterable[Sample]]]:
    """Yield the sets of the table."""
    yield "photos", sets.pack_samples(data)
    for kind in FACELESS:
        yield kind, sets.faceless_samples(data, kind)
    for side in sets.CLOSE_SIDES:
        yield "close-ups", sets.close_ups(sets.validation_faces(data)[::2], 0.05, side)


def row(
    table: list[tuple[str, Sample, Seen]], threshold: float, weights: np.ndarray, least: float, beside: float = 0.0
) -> str:
    """Return one line of the table."""
    hits: dict[str, list[float]] = {name: [] for name in (*sets.CLASSES, *FACELESS, "close-ups", "no label")}
    for name, sample, (boxes, scores, seen) in table:
        sums = np.where(scores >= threshold, seen @ weights, -np.inf)
        left = boxes[sure(sums, least, beside)]
        if name in FACELESS:
            hits[name].append(len(left) > 0)
            continue
        found = sets.found(sample, left)
        if name == "close-ups":
            hits[name] += found.tolist()
            continue
        hits["no label"].append(sets.wrong(sample, left, np.zeros((0, 4))).sum())
        for label, (low, high) in sets.CLASSES.items():
            hits[label] += found[(sample.sizes >= low) & (sample.sizes < high)].tolist()
    shares = "  ".join(f"{name} {100 * np.mean(values):5.1f}" for name, values in hits.items())
    return f"{threshold:.2f} {least:6.2f} {beside:5.2f}  {shares}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="compact_300w")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.3, 0.35, 0.4, 0.45])
    parser.add_argument("--photos", type=int, default=1000, help="with faces, from which the weights are fitted")
    parser.add_argument("--least", type=float, help="sum of a face, for which the table shows what `beside` does")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    eye = Eye(args.model)
    faces, others = training_rows(args.data, eye, args.photos)
    *weights, constant = fit(faces, others)
    print(f"{len(faces)} faces, {len(others)} others; weights {np.round(weights, 3).tolist()}, even at {-constant:.3f}")
    table = [
        (name, sample, eye.look(sample, min(args.thresholds)))
        for name, samples in validation(args.data)
        for sample in samples
    ]
    for threshold in args.thresholds:
        if args.least is None:
            rows = [(least, 0.0) for least in [-np.inf, *np.arange(-1.5, 1.51, 0.1) - constant]]
        else:
            rows = [(args.least, beside) for beside in np.arange(0, 3.1, 0.25)]
        for least, beside in rows:
            print(row(table, threshold, np.array(weights), least, beside))


if __name__ == "__main__":
    main()
