"""Images with and without faces for the detector's training, decoded once into a memory-mapped cache.

`DATA` holds

- `faces_pack/`: `photos/` (`photos_yunet.csv`: YuNet's boxes and five points; `use` = 1 marks faces, other rows are
  neither faces nor background; `human_boxes.csv`), `crops/` (`crops.csv`), `noface/` (`index.csv`, `kind` hard: YuNet
  saw something),
- `scenes/` (`scenes.csv`), `300w/` and `ytf68/` as `pack.py` reads them,
- `detection/`: `scenes_yunet.csv` (YuNet's boxes of the scenes from 0.3 on), `yunet/*.onnx`, `noface/images/`.

Nothing with `val` = 1 is read. Labels are `tight` boxes: the smallest box around the 68 points, no forehead. Boxes of
YuNet and of people are converted. A face is kept as an outline, so that its box can be turned with the image: the 68
points where they are known, else the ellipse inside its box.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from pack import listed_duplicates, read_pts

SURE = 0.6  # YuNet's score from which an unlabelled detection counts as a face
HELD_OUT_EVERY = 4  # of the images of `detection/noface`, by sorted name
OUTLINE = 68
HUMAN_WEIGHT = 2.0  # of a face that a person has labelled too
POINT_NAMES = tuple(f"{p}_{a}" for p in ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left") for a in "xy")
# How far the human boxes of `mask_*` lie beyond tight ones (left, top, right, bottom; fractions of the side): medians
# over the 989 of them that YuNet finds too.
HUMAN_MARGINS = np.array([-0.020, 0.073, 0.032, 0.093])


@dataclass
class Photo:
    """An image and everything known about its faces."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    faces: np.ndarray  # (F, 68, 2) float32 outlines in pixels
    unsure: np.ndarray  # (U, 68, 2) outlines of what may be a face
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 5, 2), np.float32))  # (F, 5, 2), NaN if unknown
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))  # (F,) how much a face counts
    share: float = 1.0  # how often it is drawn, among its kind
    levels: tuple[np.ndarray, ...] = ()  # the image, and the same ever smaller


def tight_from_yunet(boxes: np.ndarray) -> np.ndarray:
    """Convert YuNet's boxes (N, 4) xyxy to tight ones; the coefficients are those of the data's README."""
    w, h = (boxes[:, 2] - boxes[:, 0]) / 0.978, (boxes[:, 3] - boxes[:, 1]) / 1.298
    x, y = boxes[:, 0] - 0.013 * w, boxes[:, 1] + 0.305 * h
    return np.stack([x, y, x + w, y + h], 1)


def tight_from_human(boxes: np.ndarray) -> np.ndarray:
    """Convert the human boxes (N, 4) xyxy of the masked faces to tight ones."""
    size = (boxes[:, 2:] - boxes[:, :2]) / (1 + HUMAN_MARGINS[:2] + HUMAN_MARGINS[2:])
    return boxes + np.tile(size, 2) * HUMAN_MARGINS * [1, 1, -1, -1]


def outlines_of(boxes: np.ndarray) -> np.ndarray:
    """Return the ellipses (N, 68, 2) inside boxes (N, 4)."""
    angle = np.linspace(0, 2 * np.pi, OUTLINE, endpoint=False)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return (middle[:, None] + half[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32)


def boxes_around(outlines: np.ndarray) -> np.ndarray:
    """Return boxes (N, 4) around outlines (N, P, 2)."""
    if not len(outlines):
        return np.zeros((0, 4), np.float32)
    return np.concatenate([outlines.min(1), outlines.max(1)], 1).astype(np.float32)


def five_of(outlines: np.ndarray) -> np.ndarray:
    """Return YuNet's five points (N, 5, 2) from 68 points (N, 68, 2)."""
    eyes = [outlines[:, 36:42].mean(1), outlines[:, 42:48].mean(1)]
    return np.stack([*eyes, outlines[:, 30], outlines[:, 48], outlines[:, 54]], 1).astype(np.float32)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return intersection over union (N, M) of boxes (N, 4) and (M, 4)."""
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


def detections(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Return YuNet's rows (N, 15): x1, y1, x2, y2, score, five points."""
    return np.array(rows, np.float64).reshape(-1, 15)


def with_extras(image: np.ndarray, known: np.ndarray, found: np.ndarray) -> Photo:
    """Make a photo of known 68 points (F, 68, 2) and YuNet's detections (N, 15) of other faces."""
    boxes = tight_from_yunet(found[:, :4])
    extra = iou(boxes, boxes_around(known)).max(1, initial=0) < 0.3
    sure = extra & (found[:, 4] >= SURE)
    known = known.reshape(-1, OUTLINE, 2).astype(np.float32)
    points = np.concatenate([five_of(known), found[sure, 5:].reshape(-1, 5, 2)]).astype(np.float32)
    faces = np.concatenate([known, outlines_of(boxes[sure])])
    return Photo(image, faces, outlines_of(boxes[extra & ~sure]), points, np.ones(len(faces), np.float32))


def with_humans(image: np.ndarray, found: np.ndarray, use: np.ndarray, human: np.ndarray, share: float) -> Photo:
    """Make a photo of YuNet's detections (N, 15), which of them count (N,), and human boxes (M, 4)."""
    boxes, human = tight_from_yunet(found[:, :4]), tight_from_human(human)
    overlap = iou(boxes, human)
    alone = overlap.max(0, initial=0) < 0.4  # faces that YuNet missed, heavily masked ones most of all
    agreed = overlap.max(1, initial=0) >= 0.4
    use = use | agreed
    count = int(alone.sum())
    points = np.concatenate([found[use, 5:].reshape(-1, 5, 2), np.full((count, 5, 2), np.nan)]).astype(np.float32)
    weights = np.concatenate([np.where(agreed[use], HUMAN_WEIGHT, 1.0), np.full(count, HUMAN_WEIGHT)])
    faces = outlines_of(np.concatenate([boxes[use], human[alone]]))
    return Photo(image, faces, outlines_of(boxes[~use]), points, weights.astype(np.float32), share)


def load_pack(folder: Path, shares: dict[str, float]) -> Iterator[Photo]:
    """Yield the training photos of `faces_pack/photos`; `shares` says how often each group is drawn."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    use: dict[str, list[bool]] = defaultdict(list)
    human: dict[str, list[list[float]]] = defaultdict(list)
    for row in read_rows(folder / "photos_yunet.csv"):
        found[row["file"]].append(numbers(row, "x1", "y1", "x2", "y2", "score", *POINT_NAMES))
        use[row["file"]].append(row["use"] == "1")
    for row in read_rows(folder / "human_boxes.csv"):
        human[row["file"]].append(numbers(row, "x1", "y1", "x2", "y2"))
    for row in read_rows(folder / "index.csv"):
        name = row["file"]
        if row["val"] == "0":
            yield with_humans(
                read_rgb(folder / "images" / name),
                detections(found[name]),
                np.array(use[name], bool),
                np.array(human[name]).reshape(-1, 4),
                shares.get(row["group"], 1.0),
            )


def load_large(data: Path) -> Iterator[Photo]:
    """Yield the training crops of `faces_pack/crops`, with their neighbours by YuNet.

    Those of HELEN and LFPW are left out: which photo they come from is not told, so it may be a validation one.
    """
    folder, yunet = data / "faces_pack" / "crops", make_yunet(data)
    for row in read_rows(folder / "crops.csv"):
        if row["val"] == "1" or row["file"].startswith(("helen_", "lfpw_")):
            continue
        image = read_rgb(folder / "images" / row["file"])
        own = detections([[*numbers(row, "x1", "y1", "x2", "y2"), 1.0, *numbers(row, *POINT_NAMES)]])
        others = run_yunet(yunet, image)
        others = others[iou(others[:, :4], own[:, :4])[:, 0] < 0.3]
        found = np.concatenate([own, others])
        yield with_humans(image, found, found[:, 4] >= SURE, np.zeros((0, 4)), 1.0)


def load_scenes(data: Path) -> Iterator[Photo]:
    """Yield the whole photos without a validation face, their labelled faces first."""
    yunet: dict[str, list[list[float]]] = defaultdict(list)
    for row in read_rows(data / "detection" / "scenes_yunet.csv"):
        names = [name for name in row if name.endswith(("_x", "_y"))]
        yunet[row["file"]].append(numbers(row, "x1", "y1", "x2", "y2", "score", *names))
    crops = {row["file"].removesuffix(".jpg"): row for row in read_rows(data / "300w" / "index.csv")}
    points: dict[str, list[np.ndarray]] = defaultdict(list)
    rows = read_rows(data / "scenes" / "scenes.csv")
    held = {row["photo"] for row in rows if row["val"] == "1"}
    for row in rows:
        if row["photo"] not in held:
            points[row["photo"]].append(scene_points(data, row, crops[row["face"]]))
    for name, known in points.items():
        yield with_extras(read_rgb(data / "scenes" / name), np.stack(known), detections(yunet[name]))


def scene_points(data: Path, row: dict[str, str], crop: dict[str, str]) -> np.ndarray:
    """Return the 68 points of a labelled face in pixels of its scene, by way of the original photo."""
    original = (read_pts(data / "300w" / f"{row['face']}.pts") + 0.5) / numbers(crop, "scale_x", "scale_y") - 0.5
    original += numbers(crop, "crop_x", "crop_y")
    shrink = np.divide(numbers(row, "width", "height"), numbers(row, "orig_width", "orig_height"))
    return ((original + 0.5) * shrink - 0.5).astype(np.float32)


def load_crops(data: Path) -> Iterator[Photo]:
    """Yield the training faces of 300-W with their surroundings; none of a photo that holds a validation face."""
    rows = read_rows(data / "300w" / "index.csv")
    held_photos = {row["orig_md5"] for row in rows if row["val"] == "1"}
    held_faces = {row["file"].removesuffix(".jpg") for row in rows if row["val"] == "1" or "/train/" not in row["file"]}
    left_out = held_faces | listed_duplicates(data, held_faces)
    yunet = make_yunet(data)
    for row in rows:
        name = row["file"].removesuffix(".jpg")
        if name not in left_out and row["orig_md5"] not in held_photos:
            image = read_rgb(data / "300w" / row["file"])
            yield with_extras(image, read_pts(data / "300w" / f"{name}.pts")[None], run_yunet(yunet, image))


def load_frames(data: Path) -> Iterator[Photo]:
    """Yield the training frames of YouTube Faces, cropped close around one face."""
    for row in read_rows(data / "ytf68" / "ytf68.csv"):
        if row["split"] == "train":
            points = np.array([numbers(row, f"x{i}", f"y{i}") for i in range(68)], np.float32)
            yield with_extras(read_rgb(data / "ytf68" / row["file"]), points[None], detections([]))


def load_faceless(data: Path, kind: str) -> Iterator[Photo]:
    """Yield the training photos without a face, `plain` or `hard`."""
    none = np.zeros((0, OUTLINE, 2), np.float32)
    folder = data / "faces_pack" / "noface"
    paths = [folder / r["file"] for r in read_rows(folder / "index.csv") if r["kind"] == kind and r["val"] == "0"]
    if kind == "plain":
        older = sorted((data / "detection" / "noface" / "images").iterdir())
        paths += [path for i, path in enumerate(older) if i % HELD_OUT_EVERY != HELD_OUT_EVERY - 1]
    for path in paths:
        yield Photo(read_rgb(path), none, none)


def make_yunet(data: Path) -> cv2.FaceDetectorYN:
    model = next((data / "detection" / "yunet").glob("*.onnx"))
    return cv2.FaceDetectorYN.create(str(model), "", (320, 320), 0.3, 0.3, 5000)


def run_yunet(yunet: cv2.FaceDetectorYN, image: np.ndarray) -> np.ndarray:
    """Return detections (N, 15), x1, y1, x2, y2, score and five points, from 0.3 on of an RGB image."""
    yunet.setInputSize((image.shape[1], image.shape[0]))
    found = yunet.detect(np.ascontiguousarray(image[..., ::-1]))[1]
    if found is None:
        return detections([])
    return np.column_stack([found[:, :2], found[:, :2] + found[:, 2:4], found[:, 14], found[:, 4:14]]).astype(float)
