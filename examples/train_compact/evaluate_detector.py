"""Compare face detectors on the validation images: what they find, what they take for a face, and their time.

    python evaluate_detector.py DATA CACHE [--weights FILE.onnx] [--threshold 0.35 0.4] [--every 4] [--sheets FOLDER]

`DATA` is described in `detector_data.py`, the sets in `detector_sets.py`. What YuNet finds is kept in `CACHE`, so that
only the built-in detector runs the next time. Several thresholds are columns of one table, from one run. `--every 4`
takes a quarter of the close-ups. `--sheets` writes contact sheets (PNG) of the images with a missed or a wrong face, at
the first threshold: green is found, red missed, blue a detection, with its score.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import detector_sets as sets
import numpy as np
from detector_data import make_yunet, run_yunet, tight_from_yunet
from detector_sets import Sample

from facelandmarks.boxes import convert_boxes
from facelandmarks.detection.compact import SEEN, THRESHOLD, CompactDetector, merge

Find = Callable[[np.ndarray], np.ndarray]  # an image to tight boxes with scores (N, 5)
SURE = 0.6  # YuNet's usual threshold
TILE = 320  # pixels of a contact sheet
COLUMNS = 6
ROWS = 5


class Table:
    """Hits of one detector by row of the table: name to a list of zeros and ones, or to a count of wrong boxes."""

    def __init__(self) -> None:
        self.hits: dict[str, list[bool]] = defaultdict(list)

    def add(self, row: str, hits: Iterable[bool]) -> None:
        self.hits[row] += [bool(hit) for hit in hits]

    def percent(self, row: str) -> float:
        return 100 * float(np.mean(self.hits[row])) if self.hits[row] else float("nan")


def every_set(data: Path, every: int, test: bool) -> dict[str, list[Sample]]:
    """Return the samples of every set; the sets' names begin with what they are."""
    faces = sets.test_faces(data) if test else sets.validation_faces(data)[::every]
    result = {} if test else validation_sets(data)
    for margin in sets.MARGINS:
        for side in sets.CLOSE_SIDES:
            result[f"close-up {100 * margin:.0f} % {side} px"] = list(sets.close_ups(faces, margin, side))
    return result


def validation_sets(data: Path) -> dict[str, list[Sample]]:
    return {
        "photos": list(sets.pack_samples(data)),
        "plain": list(sets.faceless_samples(data, "plain")),
        "hard": list(sets.faceless_samples(data, "hard")),
        "WIDER, human labels": list(sets.wider_samples(data)),
        "300-W and AFW": list(sets.labelled_scenes(data)),
    }


def yunet_finder(data: Path) -> Find:
    """Return YuNet at 0.6 on the image with a longer side of 640."""
    yunet = make_yunet(data)

    def find(image: np.ndarray) -> np.ndarray:
        scale = sets.LONG_SIDE / max(image.shape[:2])
        size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
        if min(size) < 32:  # OpenCV's limit
            return np.zeros((0, 5))
        flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        found = run_yunet(yunet, cv2.resize(image, size, interpolation=flags))
        found = found[found[:, 4] >= SURE]
        boxes = (found[:, :4] + 0.5) / np.tile(np.divide(size, image.shape[1::-1]), 2) - 0.5
        return np.column_stack([tight_from_yunet(boxes), found[:, 4]])

    return find


def compact_found(detector: CompactDetector, image: np.ndarray, thresholds: Sequence[float]) -> list[np.ndarray]:
    """Return what the built-in detector finds at each threshold: tight boxes with scores (N, 5)."""
    looks = detector.looks(image, min(*thresholds, SEEN))
    result = []
    for threshold in thresholds:
        found = merge(looks, threshold, image.shape[0] * image.shape[1])
        boxes = convert_boxes(found.boxes.astype(float), detector.convention, "tight")
        result.append(np.column_stack([boxes, found.scores]))
    return result


def kept(path: Path, find: Find, samples: dict[str, list[Sample]]) -> dict[str, np.ndarray]:
    """Return what a detector finds, by set and name; results in the file at `path` are not made again."""
    results = dict(np.load(path)) if path.exists() else {}
    missing = [(f"{name}/{s.name}", s) for name, group in samples.items() for s in group]
    missing = [(key, sample) for key, sample in missing if key not in results]
    results |= {key: find(sample.read()) for key, sample in missing}
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **results)
    return results


def judge(samples: dict[str, list[Sample]], found: dict[str, np.ndarray], yunet: dict[str, np.ndarray]) -> Table:
    """Fill the table of one detector. Rows `wrong ...` hold the number of wrong boxes of each image."""
    table = Table()
    for name, group in samples.items():
        for sample in group:
            boxes = found[f"{name}/{sample.name}"][:, :4]
            hits = sets.found(sample, boxes)
            wrong = sets.wrong(sample, boxes, yunet[f"{name}/{sample.name}"][:, :4])
            table.add(f"with a wrong face: {name}", [wrong.any()])
            if name in ("plain", "hard"):
                table.add(f"with a false face: {name}", [len(boxes) > 0])
            elif name == "photos":
                for label, (low, high) in sets.CLASSES.items():
                    table.add(f"{label} px", hits[(sample.sizes >= low) & (sample.sizes < high)])
                for kind, mask in sample.kinds.items():
                    table.add(kind, hits[mask & (sample.sizes >= 12)])
            else:
                table.add(name, hits)
    return table


def report(tables: dict[str, Table]) -> str:
    names = list(tables)
    lines = [f"{'percent':34}" + "".join(f"{name:>10}" for name in names) + f"{'of':>8}"]
    for row in next(iter(tables.values())).hits:
        values = "".join(f"{tables[name].percent(row):10.1f}" for name in names)
        lines.append(f"{row:34}{values}{len(tables[names[0]].hits[row]):8d}")
    return "\n".join(lines)


def milliseconds(call: Callable[[], object], times: int = 40) -> float:
    """Return the time of a call that a fifth of the calls stay below."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return float(np.percentile(spent, 20)) * 1000


def time_report(data: Path, detector: CompactDetector, image: np.ndarray) -> str:
    """Return the times on one thread: ours on 480x480 pixels, YuNet's on 640x480."""
    square, usual = cv2.resize(image, (480, 480)), np.ascontiguousarray(cv2.resize(image, (640, 480))[..., ::-1])
    yunet = make_yunet(data)
    yunet.setInputSize((640, 480))
    calls: dict[str, Callable[[], object]] = {
        "yunet": lambda: yunet.detect(usual),
        "compact": lambda: detector.detect(square),
        "compact, min_face=0.2": lambda: detector.detect(square, min_face=0.2),
    }
    spent = {name: milliseconds(call) for name, call in calls.items()}
    return "\n".join(f"{name:34}{ms:10.1f} ms, {ms / spent['yunet']:.2f} of YuNet's" for name, ms in spent.items())


def tile_of(sample: Sample, found: np.ndarray) -> np.ndarray:
    """Return a small view (RGB) with labels and detections."""
    image = sample.read()
    scale = TILE / max(image.shape[:2])
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:TILE, :TILE]
    tile[: small.shape[0], : small.shape[1]] = small
    hits = sets.found(sample, found[:, :4])
    known = [(box, (0, 255, 0) if hit else (255, 0, 0)) for box, hit in zip(sample.faces, hits, strict=True)]
    for box, colour in known + [(box, (0, 160, 255)) for box in found[:, :4]]:
        x0, y0, x1, y1 = ((box + 0.5) * scale - 0.5).round().astype(int).tolist()
        cv2.rectangle(tile, (x0, y0), (x1, y1), colour, 1)
    for box, score in zip(found[:, :4], found[:, 4], strict=True):
        place = (box[:2] * scale).round().astype(int).tolist()
        cv2.putText(tile, f"{100 * score:.0f}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 255, 0), 1)
    return tile


def write_sheets(
    folder: Path, samples: dict[str, list[Sample]], found: dict[str, np.ndarray], yunet: dict[str, np.ndarray]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, group in samples.items():
        tiles = []
        for sample in group:
            boxes = found[f"{name}/{sample.name}"]
            missed = ~sets.found(sample, boxes[:, :4])
            if len(sample.sizes):
                missed &= sample.sizes >= 12
            if missed.any() or sets.wrong(sample, boxes[:, :4], yunet[f"{name}/{sample.name}"][:, :4]).any():
                tiles.append(tile_of(sample, boxes))
        tiles += [np.zeros((TILE, TILE, 3), np.uint8)] * (-len(tiles) % COLUMNS)
        rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
        for start in range(0, len(rows), ROWS):
            stem = "".join(letter if letter.isalnum() else "_" for letter in name)
            cv2.imwrite(str(folder / f"{stem}_{start:03d}.png"), np.vstack(rows[start : start + ROWS])[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path, help="folder for the results of YuNet")
    parser.add_argument("--weights", type=Path, help="a model file in place of that of the package")
    parser.add_argument("--threshold", type=float, nargs="+", default=[THRESHOLD])
    parser.add_argument("--every", type=int, default=1, help="take every n-th close-up")
    parser.add_argument("--test", action="store_true", help="the close-ups of the test faces alone; once, at the end")
    parser.add_argument("--sheets", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    detector = CompactDetector(weights=args.weights, threads=1)
    samples = every_set(args.data, args.every, args.test)
    yunet = kept(args.cache / ("yunet_test.npz" if args.test else "yunet.npz"), yunet_finder(args.data), samples)
    found: list[dict[str, np.ndarray]] = [{} for _ in args.threshold]
    for name, group in samples.items():
        for sample in group:
            for results, boxes in zip(found, compact_found(detector, sample.read(), args.threshold), strict=True):
                results[f"{name}/{sample.name}"] = boxes
    pairs = zip(args.threshold, found, strict=True)
    columns = {f"at {threshold:g}": judge(samples, results, yunet) for threshold, results in pairs}
    print(f"compact at each threshold; YuNet at {SURE}")
    print(report({**columns, "yunet": judge(samples, yunet, yunet)}))
    print(time_report(args.data, detector, next(sets.labelled_scenes(args.data)).read()))
    if args.sheets:
        write_sheets(args.sheets, samples, found[0], yunet)


if __name__ == "__main__":
    main()
