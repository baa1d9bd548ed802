"""The validation images on which face detectors are measured, and how a face counts as found.

Boxes are compared in the convention `tight`. A face is found if a box overlaps it with IoU 0.4 or more; a box is wrong
if it overlaps neither a face nor a row that does not count nor a box that YuNet gives at 0.6.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from detector_data import POINT_NAMES, iou, numbers, read_rgb, read_rows, tight_from_yunet
from pack import read_pts

FOUND = 0.4  # IoU
LONG_SIDE = 640  # pixels: of the image at which the sizes of faces are told
CLASSES = {"12-20": (12, 20), "20-30": (20, 30), "30-60": (30, 60), "over 60": (60, 1e9)}
MARGINS = (0.05, 0.15, 0.30, 0.50)
CLOSE_SIDES = (112, 256, 512, 1280)
CROWD = 8  # faces
DARK = 60  # mean grey level of a face's box
PROFILE = 0.28  # distance of the eyes in sides of the box, below which a face is in profile


@dataclass
class Sample:
    """An image, its faces, and what does not count.

    Attributes
    ----------
    name
        Unique within its set.
    read
        Reads the image (RGB).
    faces
        (F, 4) tight boxes.
    ignored
        (I, 4) tight boxes that count neither way.
    sizes
        (F,) short sides of the labels at a longer side of 640.
    kinds
        Names of kinds (`crowd`, `dark`, ...) to masks (F,).
    """

    name: str
    read: Callable[[], np.ndarray]
    faces: np.ndarray
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0))
    kinds: dict[str, np.ndarray] = field(default_factory=dict)


def pack_samples(data: Path, val: str = "1") -> Iterator[Sample]:
    """Yield the validation photos of `faces_pack`, or with `val="0"` the others, labelled by YuNet's merged boxes."""
    folder = data / "faces_pack" / "photos"
    rows = defaultdict(list)
    for row in read_rows(folder / "photos_yunet.csv"):
        rows[row["file"]].append((row["use"] == "1", numbers(row, "x1", "y1", "x2", "y2"), numbers(row, *POINT_NAMES)))
    for record in read_rows(folder / "index.csv"):
        if record["val"] != val:
            continue
        found = rows[record["file"]]
        use = np.array([used for used, _, _ in found], bool)
        boxes = np.array([box for _, box, _ in found]).reshape(-1, 4)
        points = np.array([five for _, _, five in found]).reshape(-1, 5, 2)
        path = folder / "images" / record["file"]
        scale = LONG_SIDE / max(int(record["width"]), int(record["height"]))
        sizes = (boxes[use, 2:] - boxes[use, :2]).min(1) * scale
        kinds = kinds_of(boxes[use], points[use], read_rgb(path), record["group"])
        tight = tight_from_yunet(boxes)
        yield Sample(record["file"], reader(path), tight[use], tight[~use], sizes, kinds)


def kinds_of(boxes: np.ndarray, points: np.ndarray, image: np.ndarray, group: str) -> dict[str, np.ndarray]:
    """Return which faces (F,) are of which kind."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    corners = boxes.round().astype(int).clip(0)
    levels = [grey[y1 : y2 + 1, x1 : x2 + 1].mean() if x2 >= x1 and y2 >= y1 else 255 for x1, y1, x2, y2 in corners]
    apart = np.linalg.norm(points[:, 0] - points[:, 1], axis=1) / (boxes[:, 2:] - boxes[:, :2]).max(1)
    count = int(((boxes[:, 2:] - boxes[:, :2]).min(1) > 0).sum())
    same = np.ones(len(boxes), bool)
    return {
        "group": same & (2 <= count < CROWD),
        "crowd": same & (count >= CROWD),
        "mask": same & (group == "mask"),
        "historic": same & (group == "historic"),
        "profile": apart < PROFILE,
        "dark": np.array(levels) < DARK,
    }


def faceless_samples(data: Path, kind: str, val: str = "1") -> Iterator[Sample]:
    """Yield the photos without a face, `plain` or `hard`, of validation or with `val="0"` of training."""
    folder = data / "faces_pack" / "noface"
    for row in read_rows(folder / "index.csv"):
        if row["val"] == val and row["kind"] == kind:
            yield Sample(row["file"], reader(folder / row["file"]), np.zeros((0, 4)))


def validation_faces(data: Path) -> list[Path]:
    """Return the pictures of the validation faces of 300-W."""
    rows = [row for row in read_rows(data / "300w" / "index.csv") if row["val"] == "1" and "/train/" in row["file"]]
    return [data / "300w" / row["file"] for row in rows]


def test_faces(data: Path) -> list[Path]:
    """Return the pictures of the test faces of 300-W: to report once, at the end."""
    return [data / "300w_test" / row["file"] for row in read_rows(data / "300w_test" / "index.csv")]


def close_ups(faces: list[Path], margin: float, side: int) -> Iterator[Sample]:
    """Yield faces of 300-W, cut `margin` beyond the tight box and scaled to a longer side of `side`.

    Other faces in a cut do not count: those that YuNet sees on the whole crop are passed over.
    """
    for path in faces:
        points = read_pts(path.with_suffix(".pts"))
        low, high = points.min(0), points.max(0)
        beyond = margin * (high - low)
        start = np.floor(low - beyond + 0.5).clip(0).astype(int)
        stop = np.ceil(high + beyond + 0.5).astype(int)
        scale = side / (stop - start).max()
        box = (np.concatenate([low, high]) - np.tile(start, 2) + 0.5) * scale - 0.5
        yield Sample("/".join(path.parts[-3:]), cutter(path, start, stop, side), box[None])


def cutter(path: Path, start: np.ndarray, stop: np.ndarray, side: int) -> Callable[[], np.ndarray]:
    def cut() -> np.ndarray:
        part = read_rgb(path)[start[1] : stop[1], start[0] : stop[0]]
        scale = side / max(part.shape[:2])
        size = [max(1, round(length * scale)) for length in part.shape[1::-1]]
        return cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)

    return cut


def wider_samples(data: Path) -> Iterator[Sample]:
    """Yield the true WIDER photos with the dataset's human boxes; those under 12 px do not count."""
    folder = data / "detection" / "wider"
    human = defaultdict(list)
    for row in read_rows(folder / "human_boxes.csv"):
        human[row["file"]].append(numbers(row, "x1", "y1", "x2", "y2"))
    groups = {row["file"]: row["group"] for row in read_rows(folder / "index.csv")}
    for name, boxes in human.items():
        if groups[name] == "wider":
            labels = np.array(boxes)
            short = (labels[:, 2:] - labels[:, :2]).min(1)
            faces = tight_from_yunet(labels)  # WIDER's boxes hold the forehead too, nearly as YuNet's
            yield Sample(name, reader(folder / "images" / name), faces[short >= 12], faces[short < 12])


def labelled_scenes(data: Path) -> Iterator[Sample]:
    """Yield the photos of 300-W with validation faces, and all of AFW, with the faces that have 68 points."""
    rows = defaultdict(list)
    for row in read_rows(data / "scenes" / "scenes.csv"):
        rows[row["photo"]].append(row)
    for name, faces in rows.items():
        if name.startswith("afw_") or any(row["val"] == "1" for row in faces):
            boxes = np.array([numbers(row, "x0", "y0", "x1", "y1") for row in faces])
            yield Sample(name, reader(data / "scenes" / name), boxes)


def reader(path: Path) -> Callable[[], np.ndarray]:
    return lambda: read_rgb(path)


def found(sample: Sample, boxes: np.ndarray) -> np.ndarray:
    """Return which faces (F,) the boxes (N, 4) find."""
    return iou(sample.faces, boxes).max(1, initial=0) >= FOUND


def wrong(sample: Sample, boxes: np.ndarray, yunet: np.ndarray) -> np.ndarray:
    """Return which boxes (N,) show no face."""
    known = np.concatenate([sample.faces, sample.ignored, yunet])
    return iou(boxes, known).max(1, initial=0) < FOUND
