"""The built-in detector: our own small network, shipped in the wheel.

Trained by `examples/train_compact/train_detector.py`. An image is looked at in two sizes, the second at half the first,
so that faces are found from about 12 pixels at a longer side of 640 up to those that overfill it. What one look takes
for a face and the other does not is seldom one: a face's score is the mean of what the looks say that show it well.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.boxes import overlaps, shared_area
from facelandmarks.detection.base import Detections
from facelandmarks.engines.choose import EngineSettings, choose_engine, make_engine
from facelandmarks.engines.graph import Source
from facelandmarks.errors import InvalidImageError, InvalidOptionError
from facelandmarks.weights.cache import Folder
from facelandmarks.weights.load import find_weights

Floats = NDArray[np.float32]

ASSET = "compact.onnx"
THRESHOLD = 0.31  # least score of a face, which estimates the overlap (IoU) of the box with it
ALONE_MORE = 0.2  # what a small look sees must score this much more where `min_face` leaves no other look
SEEN = 0.2  # least score at which a look sees a face at all; below it says 0
SAME_SEEN = 0.4  # overlap (IoU) from which two looks speak of the same face
SHOWN = (12, 48, 256, 512)  # pixels: a look shows faces well from the second to the third, and none beyond the others
OWN = 2.0  # times as much counts what the look says that found the face,
LEAST_OWN = 0.01  # and a little even where it does not show one
# The score that the network learns is the overlap (IoU) of its box, which is seldom high for a face of 12 pixels. So
# much is added for each halving of a box's side below 64 pixels as the network sees it, and taken off above.
SIZE_BONUS = 0.05
LEAST_SIDE = 8  # pixels: below, nothing more is added
MULTIPLE = 64  # of the network's input; the largest stride
LONG_SIDE = 640  # pixels: larger images are made smaller
LARGEST_AREA = 576 * 512  # pixels, with what pads the image to whole multiples: so much work is done at most
FINER = SIZE_BONUS  # the larger look knows better where a face is, but its scores lack the bonus for smaller boxes
ALONE = 320  # pixels: up to this longer side the first look sees a face that fills it, and there is no other
MOST_ENLARGED = 2.0  # finds smaller faces; more than that finds skin in the textures of small images
LEAST_ENLARGED = 1.1  # less takes time and shows nothing new
SAME_FACE = 0.25  # overlap (IoU) from which the weaker of two boxes is dropped; tight boxes of two faces hardly overlap
PART_INSIDE = 0.7  # share of a box within a better one that is `PART_LARGER` times as large: a part of that face
PART_LARGER = 2.5
# How far head and hat go beyond a face's box, in sides of it: there ears and badges look like faces.
HEAD = (-0.4, -0.9, 0.4, 0.2)
EAR_SMALLER = 8  # times as large a better face is of which a box on its head may be a part
# Beside a face that fills so much of the picture, letters, buttons and hands look like faces: boxes that are so many
# times smaller must score so much more.
FILLED = 0.1
BESIDE_SMALLER = 6
BESIDE_MORE = 0.15
MOST_CELLS = 1000  # looked at in one image
SURE_SIDE = 24  # pixels: a face of this size is found wherever it is seen at all


class CompactDetector:
    """The built-in face detector.

    Parameters
    ----------
    weights
        Another file of the same kind, in place of the one in the package.
    engine, threads
        What runs the network, as in `facelandmarks.load_model`, always on the CPU.
    """

    name = "compact"
    convention = "compact"

    def __init__(
        self,
        weights: Folder = None,
        *,
        engine: str = "auto",
        threads: int | None = None,
    ) -> None:
        settings = EngineSettings("cpu", threads=threads)
        source = Source(
            stem=Path(ASSET).stem,
            network="compact_detector",
            options={},
            mean=(0.0, 0.0, 0.0),  # the weights take pixels as they are
            std=(1.0, 1.0, 1.0),
            size=None,
            weights=find_weights(ASSET, weights),
            model="the compact detector",
        )
        self.engine = make_engine(source, choose_engine(engine, settings), settings)

    def detect(
        self, image: NDArray[np.uint8], *, min_score: float | None = None, min_face: float | None = None
    ) -> Detections:
        """Find the faces, best first; see `Detector`."""
        check(image)
        threshold = THRESHOLD if min_score is None else min_score
        height, width = image.shape[:2]
        if max(size_of_look(width, height, min_face)) <= ALONE < max(size_of_look(width, height)):
            threshold += ALONE_MORE
        return merge(self.looks(image, min(threshold, SEEN), min_face), threshold, height * width)

    def looks(self, image: NDArray[np.uint8], threshold: float, min_face: float | None = None) -> list[Floats]:
        """Return the cells of each look, the largest first, from a score on.

        They are float32 (M, 15): score, box, the points' x, the points' y, in pixels of the image. The score is what
        both looks say together. Cells of faces whose middle is outside are left out.
        """
        height, width = image.shape[:2]
        size = size_of_look(width, height, min_face)
        flags = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
        seen: NDArray[Any] = image if size == (width, height) else cv2.resize(image, size, interpolation=flags)
        zoom = np.divide(size, (width, height))
        large = self._cells(seen, zoom, (width, height), threshold)
        if max(size) <= ALONE or min(size) == 1:
            return [large]
        wide, high = size[0] // 2, size[1] // 2
        half: NDArray[Any] = cv2.resize(seen[: 2 * high, : 2 * wide], (wide, high), interpolation=cv2.INTER_AREA)
        small = self._cells(half, zoom / 2, (width, height), threshold)
        return [scored_together(large, small, zoom.min(), 0.5), scored_together(small, large, zoom.min() / 2, 2)]

    def _cells(
        self, seen: NDArray[np.uint8], zoom: NDArray[np.float64], size: tuple[int, int], threshold: float
    ) -> Floats:
        """Return the cells of one look, `zoom` (x, y) times as large as the image of that size."""
        height, width = seen.shape[:2]
        below, right = whole(height) - height, whole(width) - width
        # Black; and a copy in any case: PyTorch takes no array that is read-only.
        pixels: NDArray[Any] = cv2.copyMakeBorder(seen, 0, below, 0, right, cv2.BORDER_CONSTANT)
        outputs = self.engine.run(pixels[None])[0]
        sides = np.sqrt((outputs[3] - outputs[1]) * (outputs[4] - outputs[2]))
        scores = (outputs[0] - SIZE_BONUS * np.log2(np.maximum(sides, LEAST_SIDE) / 64)).clip(0, 1)
        sure = scores >= threshold
        cells: Floats = outputs[:, sure].T
        cells[:, 0] = scores[sure]
        along = np.array([0, 1, 0, 1] + 5 * [0] + 5 * [1])
        cells[:, 1:] = (cells[:, 1:] + 0.5) / zoom[along] - 0.5
        middle = (cells[:, 1:3] + cells[:, 3:5]) / 2
        cells = cells[((middle > -0.5) & (middle < np.subtract(size, 0.5))).all(1)]
        return cells[np.argsort(-cells[:, 0], kind="stable")[:MOST_CELLS]]


def enough(long_side: int, min_face: float | None, sure_side: int) -> int:
    """Return the longer side, in pixels, at which faces of `min_face` have `sure_side`; at most `LONG_SIDE`.

    Raises
    ------
    InvalidOptionError
        If `min_face` is not positive.
    """
    if min_face is None:
        return LONG_SIDE
    if not min_face > 0:
        raise InvalidOptionError(f"min_face must be positive, got {min_face}")
    share = min(min_face if min_face < 1 else min_face / long_side, 1.0)
    return round(min(LONG_SIDE, sure_side / share))


def size_of_look(width: int, height: int, min_face: float | None = None) -> tuple[int, int]:
    """Choose the size (width, height) at which an image is looked at."""
    long_side = max(width, height)
    for wanted in range(whole(enough(long_side, min_face, SURE_SIDE)), 0, -MULTIPLE):
        scale = min(wanted / long_side, MOST_ENLARGED)
        scale = 1.0 if 1 < scale < LEAST_ENLARGED else scale
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if whole(size[0]) * whole(size[1]) <= LARGEST_AREA:
            break
    return size


def whole(side: int) -> int:
    """Return the next multiple that the network takes."""
    return -(-side // MULTIPLE) * MULTIPLE


def scored_together(look: Floats, other: Floats, zoom: float, ratio: float) -> Floats:
    """Return the cells (M, 15) of a look at `zoom` with the mean of its score and what another says, at `ratio` of it.

    A look counts as far as it shows a face of that size, and the one that found it `OWN` times as much.
    """
    cells = look.copy()
    sides = zoom * np.sqrt((cells[:, 3] - cells[:, 1]) * (cells[:, 4] - cells[:, 2]))
    own, there = (np.interp(np.log2(np.maximum(s, 1)), np.log2(SHOWN), (0, 1, 1, 0)) for s in (sides, ratio * sides))
    own = OWN * np.maximum(own, LEAST_OWN)
    same = overlaps(cells[:, None, 1:5], other[:, 1:5]) > SAME_SEEN
    says = (same * other[:, 0]).max(1, initial=0)
    says[says < SEEN] = 0  # a lower `min_score` reads more cells, and must not change what a face scores
    cells[:, 0] = (own * cells[:, 0] + there * says) / (own + there)
    return cells


def merge(looks: list[Floats], threshold: float, pixels: int) -> Detections:
    """Choose the faces among the cells (M, 15) of each look, the largest look first, in an image of so many pixels."""
    cells = np.concatenate(looks)
    ranks = np.concatenate([look[:, 0] - FINER * halved for halved, look in enumerate(looks)])
    sure = cells[:, 0] >= threshold
    cells, ranks = cells[sure], ranks[sure]
    cells = cells[suppress(cells[:, 1:5], ranks)]
    cells = cells[np.argsort(-cells[:, 0], kind="stable")]
    areas = (cells[:, 3:5] - cells[:, 1:3]).prod(1)
    beside = areas * BESIDE_SMALLER < areas[areas >= FILLED * pixels].max(initial=0)
    cells = cells[cells[:, 0] >= threshold + BESIDE_MORE * beside]
    return Detections(cells[:, 1:5], cells[:, 0], np.stack([cells[:, 5:10], cells[:, 10:]], 2))


def suppress(boxes: Floats, scores: Floats) -> NDArray[np.intp]:
    """Return the indices, best first, of the boxes that show neither the same face as a better one nor a part of it."""
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    same = overlaps(boxes[:, None], boxes) > SAME_FACE
    part = (shared_area(boxes[:, None], boxes) > PART_INSIDE * areas) & (areas[:, None] > PART_LARGER * areas)
    heads = boxes + (boxes[:, 2:] - boxes[:, :2])[:, [0, 1, 0, 1]] * np.array(HEAD, np.float32)
    part |= (shared_area(heads[:, None], boxes) > PART_INSIDE * areas) & (areas[:, None] > EAR_SMALLER * areas)
    dropped, kept = np.zeros(len(order), bool), []
    for index, goes in enumerate(same | part):  # row by row: what the box drops
        if not dropped[index]:
            kept.append(index)
            dropped |= goes
    return order[kept]


def check(image: NDArray[Any]) -> None:
    """Refuse what is not uint8 RGB (H, W, 3)."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InvalidImageError(f"expected uint8 RGB (H, W, 3), found {image.dtype} {image.shape}")
