"""Measure the 68-point model of the package as a user would run it, and draw contact sheets.

    python evaluate_landmarks.py DATA [--split val|test|wflw68] [--sheets FOLDER] [--model compact_300w]

`DATA` is laid out as `pack.py` says. NME in percent: mean distance of the 68 points over the distance of the outer eye
corners (36, 45), mean over faces. The box is the tight box of the truth; then that box moved and resized at random;
then what the detector finds. `wflw68` are the faces of `DATA/wflw_test`, with other contours and brows.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from pack import list_300w, read_pts

import facelandmarks as fl
from facelandmarks.boxes import overlaps, tight_boxes
from facelandmarks.draw import Style, draw_landmarks
from facelandmarks.images import load_image

PARTS = {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "mouth": (48, 68)}
FAILED = 10.0  # percent of the interocular distance


def list_split(data: Path, split: str) -> list[tuple[Path, np.ndarray]]:
    return [(path, points) for name, path, points in list_300w(data) if name == split]


def list_wflw68(data: Path) -> list[tuple[Path, np.ndarray]]:
    return [(path, read_pts(path.with_suffix(".pts"))) for path in sorted((data / "wflw_test" / "test").glob("*.jpg"))]


def errors(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Error of each point (N, 68) in percent of the interocular distance."""
    between = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=-1)
    return 100 * np.linalg.norm(points - truth, axis=-1) / between[:, None]


def moved(boxes: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Boxes whose centres and sides are off by normal errors of this share of the longer side."""
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    middle = middle + rng.normal(0, amount, middle.shape) * size.max(1, keepdims=True)
    size = size * np.exp(rng.normal(0, amount, (len(size), 1)))
    return np.concatenate([middle - size / 2, middle + size / 2], 1)


def predict_in_boxes(model: fl.Model, pictures: Sequence[np.ndarray], boxes: np.ndarray) -> np.ndarray:
    """Points (N, 68, 2), one box a picture."""
    return np.concatenate([model.predict(p, b).points for p, b in zip(pictures, boxes, strict=True)])


def predict_detected(model: fl.Model, pictures: Sequence[np.ndarray], boxes: np.ndarray) -> tuple[np.ndarray, int]:
    """Points of the detected face that meets each box, from the true box where none does, and how many had none."""
    found, missed = [], 0
    for picture, box in zip(pictures, boxes, strict=True):
        faces = model.predict(picture)
        shares = overlaps(faces.boxes, box) if len(faces) else np.zeros(1)
        if shares.max() > 0.3:
            found.append(faces.points[shares.argmax()])
        else:
            missed += 1
            found.append(model.predict(picture, box).points[0])
    return np.stack(found), missed


def report(name: str, error: np.ndarray) -> None:
    faces = error.mean(1)
    parts = " ".join(f"{part} {error[:, start:stop].mean():.2f}" for part, (start, stop) in PARTS.items())
    failed = 100 * (faces > FAILED).mean()
    print(f"{name:32s} NME {faces.mean():.3f} median {np.median(faces):.2f} >10%: {failed:.1f}% | {parts}", flush=True)


def contact_sheets(
    folder: Path, pictures: Sequence[np.ndarray], faces: Sequence[fl.Landmarks], error: np.ndarray, columns: int = 6
) -> None:
    """Pages of 30 faces, worst first, each with its error."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.argsort(-error)
    tiles = []
    for index in order:
        x1, y1, x2, y2 = faces[index].boxes[0]
        side = 1.3 * max(x2 - x1, y2 - y1)
        zoom = 300 / side
        matrix = np.array([[zoom, 0, 150 - zoom * (x1 + x2) / 2], [0, zoom, 150 - zoom * (y1 + y2) / 2]])
        tile = cv2.warpAffine(pictures[index], matrix, (300, 300))
        points = faces[index].points @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
        box = tight_boxes(points).astype(np.float32)
        tile = draw_landmarks(tile, points, box, faces[index].scheme, Style(boxes=False))
        tiles.append(cv2.putText(tile, f"{error[index]:.1f}", (5, 22), 0, 0.7, (255, 255, 0), 2))
    for page in range(0, len(tiles), 5 * columns):
        part = tiles[page : page + 5 * columns]
        part += [np.zeros_like(tiles[0])] * (-len(part) % columns)
        rows = [np.hstack(part[start : start + columns]) for start in range(0, len(part), columns)]
        cv2.imwrite(str(folder / f"page_{page // (5 * columns):02d}.png"), np.vstack(rows)[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="val", choices=["val", "test", "wflw68"])
    parser.add_argument("--model", default="compact_300w")
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--quick", action="store_true", help="true boxes only")
    args = parser.parse_args()
    listed = list_wflw68(args.data) if args.split == "wflw68" else list_split(args.data, args.split)
    pictures, truth = [load_image(path) for path, _ in listed], np.stack([points for _, points in listed])
    boxes = tight_boxes(truth)
    model = fl.load_model(args.model)
    print(f"{model}, {args.split}: {len(pictures)} faces")
    plain = [model.predict(picture, box) for picture, box in zip(pictures, boxes, strict=True)]
    error = errors(np.concatenate([faces.points for faces in plain]), truth)
    report("true box", error)
    if args.sheets:
        contact_sheets(args.sheets, pictures, plain, error.mean(1))
    if args.quick:
        return
    flipping = fl.load_model(args.model, flip_test=True)
    report("true box, flip test", errors(predict_in_boxes(flipping, pictures, boxes), truth))
    rng = np.random.default_rng(0)
    for amount in (0.05, 0.10):
        off = moved(boxes, amount, rng)
        once = predict_in_boxes(model, pictures, off)
        report(f"box off by {amount:.2f}", errors(once, truth))
        again = predict_in_boxes(model, pictures, tight_boxes(once))
        report(f"box off by {amount:.2f}, second pass", errors(again, truth))
    detected, missed = predict_detected(model, pictures, boxes)
    report(f"detected ({missed} missed)", errors(detected, truth))
    again = predict_in_boxes(model, pictures, tight_boxes(detected))
    report("detected, second pass", errors(again, truth))


if __name__ == "__main__":
    main()
