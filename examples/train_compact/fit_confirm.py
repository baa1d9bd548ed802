"""Show what the landmark model's second opinion on detections costs and wins, to choose `ModelSpec.confirm_below` by.

    python fit_confirm.py DATA [--model compact_300w] [--thresholds 0.35 0.4 0.45 0.5]

A row holds one threshold of the detector and one limit of the mean point score: recall of the validation photos by
size, and the share of faceless validation photos with a face left. Nothing of the test sets is looked at.
"""

import argparse
from pathlib import Path

import detector_sets as sets
import numpy as np

import facelandmarks as fl
from facelandmarks.boxes import convert_boxes
from facelandmarks.detection.compact import CompactDetector
from facelandmarks.zoo import get_spec

LIMITS = np.arange(0, 0.5, 0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="compact_300w")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.35, 0.4, 0.45, 0.5])
    args = parser.parse_args()
    detector, model = CompactDetector(threads=1), fl.load_model(args.model, threads=1)
    groups = {
        "photos": list(sets.pack_samples(args.data)),
        **{kind: list(sets.faceless_samples(args.data, kind)) for kind in ("plain", "hard")},
        **{f"close {side}": list(sets.close_ups(args.data, 0.05, side, 2)) for side in sets.CLOSE_SIDES},
    }
    seen = {}
    for name, samples in groups.items():
        for sample in samples:
            image = sample.read()
            looks = {threshold: detector.detect(image, min_score=threshold) for threshold in args.thresholds}
            seen[name, sample.name] = {
                threshold: (boxes, model.predict(image, boxes).scores.mean(1) if len(boxes) else np.zeros(0))
                for threshold, found in looks.items()
                for boxes in [
                    convert_boxes(found.boxes.astype(float), detector.convention, get_spec(args.model).box_convention)
                ]
            }
    for threshold in args.thresholds:
        for limit in LIMITS:
            print(row(groups, seen, threshold, limit))


def row(groups: dict, seen: dict, threshold: float, limit: float) -> str:
    """Return one line of the table."""
    hits, false, close = {name: [] for name in sets.CLASSES}, {}, []
    for name, samples in groups.items():
        for sample in samples:
            boxes, scores = seen[name, sample.name][threshold]
            boxes = boxes[scores >= limit]
            if name == "photos":
                found = sets.found(sample, boxes)
                for label, (low, high) in sets.CLASSES.items():
                    hits[label] += found[(sample.sizes >= low) & (sample.sizes < high)].tolist()
            elif name in ("plain", "hard"):
                false.setdefault(name, []).append(len(boxes) > 0)
            else:
                close += sets.found(sample, boxes).tolist()
    recall = " ".join(f"{100 * np.mean(values):5.1f}" for values in hits.values())
    wrong = " ".join(f"{name} {100 * np.mean(values):4.1f}" for name, values in false.items())
    return f"{threshold:.2f} {limit:.2f}  recall {recall}  false {wrong}  close-ups {100 * np.mean(close):.1f}"


if __name__ == "__main__":
    main()
