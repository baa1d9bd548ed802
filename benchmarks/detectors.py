"""The two detectors side by side: which labelled faces they find, and how long they need, in one run.

    python benchmarks/detectors.py DATA

`DATA` holds `scenes` (tight boxes of validation faces), `detection/wider` (the boxes that people drew) and
`detection/yunet`. A face counts as found if a box overlaps the labelled one with IoU 0.5 or more, both in the
label's convention. Each detector runs with its own threshold, on one thread.
"""

import csv
import sys
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch

from facelandmarks.boxes import convert_boxes, overlaps
from facelandmarks.detection import YUNET_FILE
from facelandmarks.detection.base import Detector
from facelandmarks.detection.compact import CompactDetector
from facelandmarks.detection.yunet import YuNetDetector

FOUND = 0.5  # IoU
SHORT_SIDES = (12, 30)  # pixels
ROUNDS = 15


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def labels(data: Path) -> dict[str, tuple[Path, str, dict[str, list[list[float]]]]]:
    """By name of the set: the folder of the photos, the boxes' convention, and boxes by photo."""
    scenes: dict[str, list[list[float]]] = defaultdict(list)
    for row in rows_of(data / "scenes" / "scenes.csv"):
        if row["val"] == "1":
            scenes[row["photo"]].append([float(row[key]) for key in ("x0", "y0", "x1", "y1")])
    sets = {"validation scenes, tight boxes": (data / "scenes", "tight", dict(scenes))}
    wider = data / "detection" / "wider"
    for least in SHORT_SIDES:
        drawn: dict[str, list[list[float]]] = defaultdict(list)
        for row in rows_of(wider / "human_boxes.csv"):
            if row["source"].startswith("WIDER") and float(row["short_side"]) >= least:
                drawn[row["file"]].append([float(row[key]) for key in ("x1", "y1", "x2", "y2")])
        sets[f"WIDER FACE, short side from {least} px"] = (wider / "images", "yunet", dict(drawn))
    return sets


def found(detector: Detector, folder: Path, convention: str, faces: dict[str, list[list[float]]]) -> tuple[int, int]:
    """How many faces a detector finds, and how many boxes it gives in those photos."""
    hits = boxes_given = 0
    for name, known in faces.items():
        boxes = detector.detect(np.ascontiguousarray(cv2.imread(str(folder / name))[..., ::-1])).boxes
        boxes_given += len(boxes)
        if len(boxes):
            own = convert_boxes(boxes.astype(np.float64), detector.convention, convention)
            hits += sum(overlaps(own, np.array(box)).max() >= FOUND for box in known)
    return hits, boxes_given


def main() -> None:
    data = Path(sys.argv[1])
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    yunet = YuNetDetector(data / "detection" / "yunet" / YUNET_FILE)
    detectors: list[Detector] = [CompactDetector(), yunet]
    print(f"OpenCV {cv2.__version__}, torch {torch.__version__}")
    sets = labels(data)
    for what, (folder, convention, faces) in sets.items():
        count = sum(map(len, faces.values()))
        print(f"{what}: {count} faces in {len(faces)} photos")
        for detector in detectors:
            hits, given = found(detector, folder, convention, faces)
            print(f"  {detector.name:8} {hits:4} found ({hits / count:.1%}), {given} boxes")
    folder, _, faces = sets["validation scenes, tight boxes"]
    photo = cv2.resize(cv2.imread(str(folder / next(iter(faces))))[..., ::-1], (640, 480))
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for detector in detectors:  # in turns, so that what else the machine does is shared
            start = time.perf_counter()
            detector.detect(photo)
            times[detector.name].append(time.perf_counter() - start)
    print(
        ", ".join(f"{name} {np.median(spent) * 1000:.1f} ms" for name, spent in times.items()), "at 640x480, 1 thread"
    )


if __name__ == "__main__":
    main()
