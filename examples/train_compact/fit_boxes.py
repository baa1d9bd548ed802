"""Fit how a detector's boxes lie about the tight boxes of the 68 points: the numbers of `facelandmarks.boxes`.

    python fit_boxes.py DATA [--detector compact | --found BOXES.csv]

Boxes of any other program come as a CSV file with the columns photo, x1, y1, x2, y2. Only photos
without validation faces are used. Each known face is matched with the detection that overlaps it most.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facelandmarks.boxes import overlaps
from facelandmarks.detection import load_detector
from facelandmarks.images import load_image

LEAST_OVERLAP = 0.4


def known_boxes(data: Path) -> dict[str, np.ndarray]:
    """Tight boxes by photo."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    with open(data / "scenes" / "scenes.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["val"] == "0":
                found[row["photo"]].append([float(row[name]) for name in ("x0", "y0", "x1", "y1")])
    return {photo: np.array(boxes) for photo, boxes in found.items()}


def boxes_of_file(path: Path) -> Callable[[Path], np.ndarray]:
    """Boxes (N, 4) by photo, from a CSV file."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            found[row["photo"]].append([float(row[name]) for name in ("x1", "y1", "x2", "y2")])
    return lambda photo: np.array(found.get(photo.name, [])).reshape(-1, 4)


def boxes_of_detector(name: str) -> Callable[[Path], np.ndarray]:
    """Boxes (N, 4) by photo, from a detector of the package."""
    detector = load_detector(name)
    return lambda photo: detector.detect(load_image(photo)).boxes


def edge_offsets(known: np.ndarray, found: np.ndarray) -> np.ndarray:
    """How far each edge of `found` lies beyond `known`: left, top, right, bottom as fractions of the side."""
    size = np.tile(known[:, 2:] - known[:, :2], 2)
    return (found - known) * [-1, -1, 1, 1] / size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", default="compact")
    parser.add_argument("--found", type=Path, metavar="BOXES.csv")
    args = parser.parse_args()
    find = boxes_of_file(args.found) if args.found else boxes_of_detector(args.detector)
    pairs = []
    for photo, boxes in known_boxes(args.data).items():
        found = find(args.data / "scenes" / photo)
        for box in boxes:
            shared = overlaps(found, box) if len(found) else np.zeros(1)
            if shared.max() >= LEAST_OVERLAP:
                pairs.append((box, found[shared.argmax()]))
    known, found = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    offsets = edge_offsets(known, found)
    fitted = np.median(offsets, 0)
    residual = np.abs(offsets - fitted).mean()
    names = ("left", "top", "right", "bottom")
    print(", ".join(f"{name}={value:.3f}" for name, value in zip(names, fitted, strict=True)))
    print(f"faces={len(known)}, residual={residual:.3f}; standard deviations {offsets.std(0).round(3)}")


if __name__ == "__main__":
    main()
