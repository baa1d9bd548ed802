"""Measure the built-in detector: which faces it finds, what it takes for a face, and how long it needs.

    python evaluate_detector.py DATA [--weights FILE.npz | RUN/last.pt] [--sheets FOLDER] [--threads 2]

`DATA` is described in `detector_data.py`; read besides are `detection/wider/` (`yunet_06.csv`, faces found by YuNet)
and `detection/noface/hard/`. A face counts as found if a box from the threshold on has IoU >= 0.5 with its tight box.
`--sheets` writes contact sheets (PNG): green is found, red missed, blue a detection, yellow its score.
"""

import argparse
import re
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from detector_data import HELD_OUT_EVERY, iou, numbers, read_rgb, read_rows, tight_from_yunet
from packed_writer import save_packed

from facelandmarks.detection.compact import ASSET, THRESHOLD, CompactDetector
from facelandmarks.nn.compact_detector import CompactDetectorNet
from facelandmarks.weights.manifest import ASSETS

SWEEP = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
FOUND = 0.5  # IoU
WIDER_SHORT_SIDE = 30  # pixels
TILE = 320  # pixels of a contact sheet


@dataclass
class Seen:
    """One photo: its faces (F, 4), and the detections (N, 4) and (N,) down to the lowest threshold of the sweep."""

    path: Path
    faces: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray

    def best(self) -> np.ndarray:
        """(F,) the highest score of a box on each face, 0 where there is none."""
        return ((iou(self.faces, self.boxes) >= FOUND) * self.scores).max(1, initial=0)


def faces_of_scenes(data: Path) -> tuple[dict[str, np.ndarray], set[str]]:
    """Labelled boxes by photo, and the validation photos."""
    boxes, val = defaultdict(list), set()
    for row in read_rows(data / "scenes" / "scenes.csv"):
        boxes[row["photo"]].append(numbers(row, "x0", "y0", "x1", "y1"))
        if row["val"] == "1":
            val.add(row["photo"])
    return {name: np.array(faces) for name, faces in boxes.items()}, val


def faces_of_wider(data: Path) -> dict[str, np.ndarray]:
    """YuNet's boxes of at least 30 px (short side of YuNet's own box), as tight boxes, by photo."""
    boxes: dict[str, list[list[float]]] = {
        path.name: [] for path in (data / "detection" / "wider" / "images").iterdir()
    }
    for row in read_rows(data / "detection" / "wider" / "yunet_06.csv"):
        box = numbers(row, "x1", "y1", "x2", "y2")
        if min(box[2] - box[0], box[3] - box[1]) >= WIDER_SHORT_SIDE:
            boxes[row["file"]].append(box)
    return {name: tight_from_yunet(np.array(faces).reshape(-1, 4)) for name, faces in sorted(boxes.items())}


def look(detector: CompactDetector, folder: Path, faces: dict[str, np.ndarray]) -> list[Seen]:
    return [Seen(folder / name, known, *detector.detect(read_rgb(folder / name))) for name, known in faces.items()]


def recall(seen: list[Seen], threshold: float) -> str:
    best = np.concatenate([photo.best() for photo in seen])
    return f"{100 * (best >= threshold).mean():6.2f} % of {len(best)}"


def alarms(seen: list[Seen], threshold: float) -> str:
    count = sum(int((photo.scores >= threshold).sum()) for photo in seen)
    return f"{count:3d} on {len(seen)}"


def extras(seen: list[Seen], threshold: float) -> str:
    """Detections on no known face; most are faces nobody labelled."""
    count = sum(int(((iou(p.boxes, p.faces) < 0.3).all(1) & (p.scores >= threshold)).sum()) for p in seen)
    return f"{count:3d} beside"


def sheet(seen: list[Seen], threshold: float, columns: int = 6) -> np.ndarray:
    """A contact sheet (RGB)."""
    tiles = [tile_of(photo, threshold) for photo in seen]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def tile_of(photo: Seen, threshold: float) -> np.ndarray:
    image = read_rgb(photo.path)
    scale = TILE / max(image.shape[:2])
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:TILE, :TILE]
    tile[: small.shape[0], : small.shape[1]] = small
    shown, hits = photo.scores >= threshold, photo.best() >= threshold
    known = [(box, (0, 255, 0) if hit else (255, 0, 0)) for box, hit in zip(photo.faces, hits, strict=True)]
    for box, colour in known + [(box, (0, 160, 255)) for box in photo.boxes[shown]]:
        x0, y0, x1, y1 = ((box + 0.5) * scale - 0.5).round().astype(int).tolist()
        cv2.rectangle(tile, (x0, y0), (x1, y1), colour, 1)
    for box, score in zip(photo.boxes[shown], photo.scores[shown], strict=True):
        place = (box[:2] * scale).round().astype(int).tolist()
        cv2.putText(tile, f"{100 * score:.0f}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.33, (255, 255, 0), 1)
    return tile


def multiplications(height: int, width: int) -> int:
    """Multiply-accumulates of the convolutions for an input of this size."""
    total = 0

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    net = CompactDetectorNet()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    net(torch.zeros(2, 3, height, width))
    return total // 2


def milliseconds(detector: CompactDetector, image: np.ndarray, times: int = 15) -> float:
    """The median time of `detect`."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        detector.detect(image)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent)) * 1000


def packed_from(checkpoint: Path, folder: str) -> Path:
    path = Path(folder) / "weights.npz"
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["ema"]
    save_packed(path, {name: tensor.numpy() for name, tensor in state.items()})
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--weights", type=Path, default=ASSETS / ASSET, help="packed weights, or the checkpoint of a run"
    )
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        weights = packed_from(args.weights, folder) if args.weights.suffix == ".pt" else args.weights
        detector = CompactDetector(min(SWEEP), weights)
        size = weights.stat().st_size

    scenes, val = faces_of_scenes(args.data)
    empty = args.data / "detection" / "noface"
    nothing = np.zeros((0, 4))
    photos = {path.name: nothing for path in sorted((empty / "images").iterdir())}
    held = [name for i, name in enumerate(photos) if i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1]
    hard = {path.name: nothing for path in sorted((empty / "hard").iterdir())}
    seen = {
        "validation scenes": look(detector, args.data / "scenes", {n: f for n, f in scenes.items() if n in val}),
        "AFW scenes": look(detector, args.data / "scenes", {n: f for n, f in scenes.items() if n.startswith("afw_")}),
        "wider, YuNet's >= 30 px": look(
            detector, args.data / "detection" / "wider" / "images", faces_of_wider(args.data)
        ),
    }
    without = {
        "no face, held out": look(detector, empty / "images", dict.fromkeys(held, nothing)),
        "no face, trained on": look(detector, empty / "images", {n: f for n, f in photos.items() if n not in held}),
        "no face, hard": look(detector, empty / "hard", hard),
    }
    for threshold in sorted({*SWEEP, args.threshold}):
        print(f"threshold {threshold}{' (the one used)' if threshold == args.threshold else ''}")
        for name, group in seen.items():
            print(f"  {name:26}{recall(group, threshold)} found, {extras(group, threshold)}")
        for name, group in without.items():
            print(f"  {name:26}{alarms(group, threshold)}")
    for name, group in without.items():
        top = sorted(((float(p.scores.max(initial=0)), p.path.name) for p in group), reverse=True)[:6]
        print(f"{name}: highest", *(f"{score:.2f} {file}" for score, file in top))
    detector.threshold = args.threshold
    image = cv2.resize(read_rgb(seen["validation scenes"][0].path), (640, 480))
    parameters = sum(p.numel() for p in CompactDetectorNet().parameters())
    print(f"{parameters:,} parameters, {size:,} bytes, {multiplications(512, 640) / 1e6:.0f} M multiplications")
    print(f"{milliseconds(detector, image):.1f} ms a 640x480 picture (padded to 640x512), {args.threads} threads")
    if args.sheets:
        args.sheets.mkdir(parents=True, exist_ok=True)
        for name, group in {**seen, **without}.items():
            stem = re.sub(r"\W+", "_", name)
            for start in range(0, len(group), 24):
                file = args.sheets / f"{stem}_{start:03d}.png"
                cv2.imwrite(str(file), sheet(group[start : start + 24], args.threshold)[..., ::-1])


if __name__ == "__main__":
    main()
