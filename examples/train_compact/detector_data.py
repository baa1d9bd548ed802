"""Pictures with faces, as records, and random canvases made of them.

`DATA` holds `scenes/` (whole photos, `scenes.csv` with tight boxes and a column `val`), `300w/` and `ytf68/` as
`pack.py` reads them, and `detection/`: `scenes_yunet.csv` (YuNet's boxes of the scenes from 0.3 on), `yunet/*.onnx` and
`noface/images/`.

Labels are `tight` boxes: the smallest box around the 68 points, no forehead. Where only YuNet's box is known it is
converted; detections of which YuNet is unsure are neither faces nor background. A face is kept as an outline, so that
its box can be turned with the picture: the 68 points where they are known, else the ellipse inside its box.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from augment import Rng, add_noise, chance, recolour
from pack import listed_duplicates, read_pts

SURE = 0.6  # YuNet's score from which an unlabelled detection counts as a face
HELD_OUT_EVERY = 4  # of the photos without a face, by sorted name
OUTLINE = 68
LEAST_SIDE = 9.0  # pixels of the canvas: smaller faces are neither faces nor background
FILLED = 0.75  # a photo is not made smaller than this share of the tile's side; finer grids give the small faces
LEAST_VISIBLE = 0.55  # share of a face's box inside its tile, below which it is neither


@dataclass
class Photo:
    """A picture and everything that is known of its faces."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    faces: np.ndarray  # (F, 68, 2) float32 outlines in pixels
    unsure: np.ndarray  # (U, 68, 2) outlines of what may be a face


@dataclass
class Pool:
    """Photos by their kind; a kind is drawn with its weight."""

    photos: dict[str, list[Photo]]
    weights: dict[str, float]


def tight_from_yunet(boxes: np.ndarray) -> np.ndarray:
    """YuNet's boxes (N, 4) xyxy as tight ones; the coefficients are the data's README's."""
    w, h = (boxes[:, 2] - boxes[:, 0]) / 0.978, (boxes[:, 3] - boxes[:, 1]) / 1.298
    x, y = boxes[:, 0] - 0.013 * w, boxes[:, 1] + 0.305 * h
    return np.stack([x, y, x + w, y + h], 1)


def outlines_of(boxes: np.ndarray) -> np.ndarray:
    """The ellipses (N, 68, 2) inside boxes (N, 4)."""
    angle = np.linspace(0, 2 * np.pi, OUTLINE, endpoint=False)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return (middle[:, None] + half[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32)


def boxes_around(outlines: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) around outlines (N, P, 2)."""
    if not len(outlines):
        return np.zeros((0, 4), np.float32)
    return np.concatenate([outlines.min(1), outlines.max(1)], 1).astype(np.float32)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = (high - low).clip(0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (a, b)]
    return common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-9)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_rgb(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def numbers(row: dict[str, str], *names: str) -> list[float]:
    return [float(row[name]) for name in names]


def with_extras(image: np.ndarray, known: np.ndarray, found: np.ndarray) -> Photo:
    """A photo of known outlines (F, 68, 2) and YuNet's detections (N, 5): x1, y1, x2, y2, score."""
    boxes = tight_from_yunet(found[:, :4])
    extra = iou(boxes, boxes_around(known)).max(1, initial=0) < 0.3
    sure = found[:, 4] >= SURE
    faces = np.concatenate([known.reshape(-1, OUTLINE, 2), outlines_of(boxes[extra & sure])]).astype(np.float32)
    return Photo(image, faces, outlines_of(boxes[extra & ~sure]))


def load_scenes(data: Path, val: bool) -> dict[str, Photo]:
    """Whole photos by name; with the labelled faces first in `faces`."""
    yunet: dict[str, list[list[float]]] = defaultdict(list)
    for row in read_rows(data / "detection" / "scenes_yunet.csv"):
        yunet[row["file"]].append(numbers(row, "x1", "y1", "x2", "y2", "score"))
    crops = {row["file"].removesuffix(".jpg"): row for row in read_rows(data / "300w" / "index.csv")}
    points: dict[str, list[np.ndarray]] = defaultdict(list)
    rows = read_rows(data / "scenes" / "scenes.csv")
    held = {row["photo"] for row in rows if row["val"] == "1"}
    for row in rows:
        if (row["photo"] in held) == val:
            points[row["photo"]].append(scene_points(data, row, crops[row["face"]]))
    return {
        name: with_extras(read_rgb(data / "scenes" / name), np.stack(known), np.array(yunet[name]).reshape(-1, 5))
        for name, known in points.items()
    }


def scene_points(data: Path, row: dict[str, str], crop: dict[str, str]) -> np.ndarray:
    """The 68 points of a labelled face in pixels of its scene, by way of the original photo."""
    original = (read_pts(data / "300w" / f"{row['face']}.pts") + 0.5) / numbers(crop, "scale_x", "scale_y") - 0.5
    original += numbers(crop, "crop_x", "crop_y")
    shrink = np.divide(numbers(row, "width", "height"), numbers(row, "orig_width", "orig_height"))
    return ((original + 0.5) * shrink - 0.5).astype(np.float32)


def load_crops(data: Path) -> list[Photo]:
    """The training faces of 300-W with their surroundings; none of a photo that holds a validation face."""
    rows = read_rows(data / "300w" / "index.csv")
    held_photos = {row["orig_md5"] for row in rows if row["val"] == "1"}
    held_faces = {row["file"].removesuffix(".jpg") for row in rows if row["val"] == "1" or "/train/" not in row["file"]}
    left_out = held_faces | listed_duplicates(data, held_faces)
    yunet = make_yunet(data)
    photos = []
    for row in rows:
        name = row["file"].removesuffix(".jpg")
        if name in left_out or row["orig_md5"] in held_photos:
            continue
        image = read_rgb(data / "300w" / row["file"])
        known = read_pts(data / "300w" / f"{name}.pts")[None]
        photos.append(with_extras(image, known, run_yunet(yunet, image)))
    return photos


def load_frames(data: Path) -> list[Photo]:
    """The training frames of YouTube Faces, cropped close around one face."""
    photos = []
    for row in read_rows(data / "ytf68" / "ytf68.csv"):
        if row["split"] == "train":
            points = np.array([numbers(row, f"x{i}", f"y{i}") for i in range(68)], np.float32)
            photos.append(Photo(read_rgb(data / "ytf68" / row["file"]), points[None], points[:0].reshape(0, 68, 2)))
    return photos


def load_empty(data: Path, held_out: bool, everything: bool = False) -> list[Photo]:
    """Photos without a face: those held out, the others, or all."""
    none = np.zeros((0, OUTLINE, 2), np.float32)
    paths = sorted((data / "detection" / "noface" / "images").iterdir())
    held = [i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 for i in range(len(paths))]
    chosen = [path for path, is_held in zip(paths, held, strict=True) if everything or is_held == held_out]
    return [Photo(read_rgb(path), none, none) for path in chosen]


def make_yunet(data: Path) -> cv2.FaceDetectorYN:
    return cv2.FaceDetectorYN.create(
        str(next((data / "detection" / "yunet").glob("*.onnx"))), "", (320, 320), 0.3, 0.3, 5000
    )


def run_yunet(yunet: cv2.FaceDetectorYN, image: np.ndarray) -> np.ndarray:
    """Detections (N, 5) x1, y1, x2, y2, score from 0.3 on of an RGB picture."""
    yunet.setInputSize((image.shape[1], image.shape[0]))
    found = yunet.detect(np.ascontiguousarray(image[..., ::-1]))[1]
    if found is None:
        return np.zeros((0, 5))
    return np.column_stack([found[:, :2], found[:, :2] + found[:, 2:4], found[:, 14]])


def load_training(data: Path, all_empty: bool) -> Pool:
    photos = {
        "scene": list(load_scenes(data, val=False).values()),
        "crop": load_crops(data),
        "frame": load_frames(data),
        "empty": load_empty(data, held_out=False, everything=all_empty),
    }
    return Pool(photos, {"scene": 0.42, "crop": 0.34, "frame": 0.06, "empty": 0.18})


def view_matrix(rng: Rng, photo: Photo, width: int, height: int, turned: bool) -> np.ndarray:
    """The 2x3 matrix from photo to tile: a random face at a random size and place, or any part of the photo."""
    high, wide = photo.image.shape[:2]
    angle = np.deg2rad(rng.uniform(-32, 32) if turned else rng.normal(0, 4))
    if len(photo.faces) and not chance(rng, 0.06):
        box = boxes_around(photo.faces[rng.integers(len(photo.faces))][None])[0]
        anchor, side = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max()
        largest = 0.95 * min(width, height)
        target = np.exp(rng.uniform(np.log(min(11, largest / 2)), np.log(largest)))
        scale = np.clip(target / side, FILLED * min(width / wide, height / high), 3.0)
    else:
        anchor = rng.uniform(0, 1, 2) * (wide, high)
        scale = max(width / wide, height / high) * np.exp(rng.uniform(-0.4, 1.1))
    stretch = np.exp(rng.uniform(-0.1, 0.1))
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    mirror = -1.0 if chance(rng, 0.5) else 1.0
    linear = np.array([[cos * stretch * mirror, -sin], [sin * mirror, cos / stretch]])
    place = rng.uniform(0.12, 0.88, 2) * (width, height)
    return np.column_stack([linear, place - linear @ anchor])


def shrunk(image: np.ndarray, scale: float) -> tuple[np.ndarray, float]:
    """The picture made smaller by area where bilinear sampling alone would skip pixels, and the factor."""
    if scale > 0.6:
        return image, 1.0
    factor = max(scale * 1.2, 0.03)
    size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), factor


def backdrop(rng: Rng, pool: Pool, width: int, height: int) -> np.ndarray:
    """What shows beside a photo that does not fill its tile (height, width, 3): another photo, a colour, or black."""
    kind = rng.choice(3, p=[0.5, 0.25, 0.25])
    if kind == 0:
        photos = pool.photos["empty"]
        image = photos[rng.integers(len(photos))].image
        top, left = rng.integers(image.shape[0] // 2), rng.integers(image.shape[1] // 2)
        return cv2.resize(image[top:, left:], (width, height), interpolation=cv2.INTER_AREA)
    colour = rng.integers(0, 256, 3) if kind == 1 else np.zeros(3)
    return np.broadcast_to(colour.astype(np.uint8), (height, width, 3)).copy()


def view(rng: Rng, pool: Pool, photo: Photo, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tile (height, width, 3), its faces (N, 4) and the boxes (M, 4) that are neither face nor background."""
    matrix = view_matrix(rng, photo, width, height, chance(rng, 0.35))
    small, factor = shrunk(photo.image, float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    real = np.array(small.shape[1::-1]) / photo.image.shape[1::-1] if factor != 1.0 else np.ones(2)
    from_small = np.column_stack([matrix[:, :2] / real, matrix[:, 2] + matrix[:, :2] @ (0.5 / real - 0.5)])
    if len(photo.faces):
        border, tile = cv2.BORDER_TRANSPARENT, backdrop(rng, pool, width, height)
    else:
        border, tile = cv2.BORDER_REFLECT_101, None
    tile = cv2.warpAffine(small, from_small, (width, height), tile, flags=cv2.INTER_LINEAR, borderMode=border)
    move = [boxes_around(o @ matrix[:, :2].T + matrix[:, 2]) for o in (photo.faces, photo.unsure)]
    faces, unsure = (boxes[visible(boxes, width, height) > 0.02] for boxes in move)
    clear = (visible(faces, width, height) >= LEAST_VISIBLE) & ((faces[:, 2:] - faces[:, :2]).max(1) >= LEAST_SIDE)
    doubtful = np.concatenate([faces[~clear], unsure])
    for box in faces[clear]:
        if chance(rng, 0.15):
            hide(rng, pool, tile, box)
    return tile, faces[clear], np.clip(doubtful, 0, np.float32([width, height, width, height]))


def hide(rng: Rng, pool: Pool, tile: np.ndarray, box: np.ndarray) -> None:
    """Put something in front of a part of a face, in place: strands of one colour, or a patch of another photo."""
    high, wide = tile.shape[:2]
    x1, y1, x2, y2 = box
    side = max(x2 - x1, y2 - y1)
    if chance(rng, 0.4):
        colour = rng.integers(0, 90, 3).tolist()
        for _ in range(int(rng.integers(2, 9))):
            top, bottom = rng.uniform(x1, x2, 2) + rng.normal(0, 0.08 * side)
            ends = np.round([(top, y1 - 0.4 * side), (bottom, y2 + 0.2 * side)]).astype(int).tolist()
            cv2.line(tile, *ends, colour, max(1, round(side * rng.uniform(0.01, 0.06))), cv2.LINE_AA)
        return
    kind = "empty" if chance(rng, 0.6) else "crop"
    other = pool.photos[kind][rng.integers(len(pool.photos[kind]))].image
    size = np.maximum(2, rng.uniform(0.15, 0.55, 2) * side).astype(int)
    left, top = (rng.uniform((x1, y1), (x2, y2)) - size / 2).astype(int)
    area = tile[max(0, top) : min(high, top + size[1]), max(0, left) : min(wide, left + size[0])]
    if area.size:
        start = [rng.integers(n - n // 3) for n in other.shape[:2]]
        part = other[
            start[0] : start[0] + max(2, other.shape[0] // 3), start[1] : start[1] + max(2, other.shape[1] // 3)
        ]
        area[:] = cv2.resize(part, area.shape[1::-1])


def visible(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Share (N,) of each box that lies in the tile."""
    inside = np.minimum(boxes[:, 2:], (width, height)) - np.maximum(boxes[:, :2], 0)
    return inside.clip(0).prod(1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-6)


def cuts(rng: Rng, size: int, tiles: int) -> list[int]:
    """Borders of `tiles` tiles along a side, away from equal by at most a quarter tile."""
    even = np.arange(1, tiles) * size / tiles
    return [0, *(even + rng.uniform(-0.25, 0.25, tiles - 1) * size / tiles).astype(int).tolist(), size]


def degrade(rng: Rng, canvas: np.ndarray) -> np.ndarray:
    """Out of focus, small, or compressed."""
    kind = rng.choice(4, p=[0.6, 0.12, 0.13, 0.15])
    size = canvas.shape[1::-1]
    if kind == 1:
        return cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.6))
    if kind == 2:
        small = [int(side * rng.uniform(0.4, 0.9)) for side in size]
        return cv2.resize(cv2.resize(canvas, small, interpolation=cv2.INTER_AREA), size)
    if kind == 3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))]
        return cv2.imdecode(cv2.imencode(".jpg", canvas, quality)[1], cv2.IMREAD_COLOR)
    return canvas


def canvas_of(rng: Rng, pool: Pool, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A canvas (size, size, 3), its faces (N, 4) and its boxes without a verdict (M, 4): a grid of random views."""
    canvas = np.empty((size, size, 3), np.uint8)
    tiles = int(rng.choice([1, 2, 3, 5], p=[0.36, 0.32, 0.2, 0.12]))
    columns, rows = cuts(rng, size, tiles), cuts(rng, size, tiles)
    kinds, weights = zip(*pool.weights.items(), strict=True)
    faces, unsure = [], []
    for x, right in pairwise(columns):
        for y, bottom in pairwise(rows):
            photos = pool.photos[kinds[rng.choice(len(kinds), p=weights)]]
            tile, found, doubtful = view(rng, pool, photos[rng.integers(len(photos))], right - x, bottom - y)
            canvas[y:bottom, x:right] = tile
            faces.append(found + np.float32([x, y, x, y]))
            unsure.append(doubtful + np.float32([x, y, x, y]))
    canvas = recolour(rng, degrade(rng, canvas))
    canvas = add_noise(rng, canvas) if chance(rng, 0.12) else canvas
    return canvas, np.concatenate(faces), np.concatenate(unsure)
