"""The built-in detector: our own small network, shipped in the wheel.

Trained by `examples/train_compact/train_detector.py`. The picture is seen at one size; faces from about 12 pixels
*at that size* to the whole picture are found.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.boxes import overlaps
from facelandmarks.detection.base import Detections
from facelandmarks.engines.choose import EngineSettings, choose_engine, make_engine
from facelandmarks.engines.graph import Source
from facelandmarks.errors import InvalidImageError
from facelandmarks.weights.cache import Folder
from facelandmarks.weights.load import find_weights

if TYPE_CHECKING:
    from torch import nn

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]

ASSET = "compact.onnx"
# The lowest hundredth without a detection on the 64 photos without a face, whose highest score is 0.5199. Of the 128
# labelled faces of the validation scenes 127 are found at it, 126 at 0.53.
THRESHOLD = 0.52
LONG_SIDE = 640  # pixels: longer pictures are made smaller
MOST_ENLARGED = 1.5  # finds smaller faces; more than that finds skin in the textures of small pictures
SAME_FACE = 0.35  # overlap (IoU) from which the weaker of two boxes is dropped; tight boxes of two faces hardly overlap
MOST_CELLS = 2000  # looked at in one picture
MIDDLE = (127.5, 127.5, 127.5)  # the network sees pixels of -1..1
# Of the network (`facelandmarks.nn.compact_detector`, which needs torch):
STRIDES = (8, 16, 32, 64)
USUAL_SIDE = 3.0
LARGEST_LOG_SIDE = 4.0


class CompactDetector:
    """The built-in face detector.

    Parameters
    ----------
    threshold
        Least score of a face, 0..1. The score estimates the overlap (IoU) of the box with the face.
    weights
        Another file of the same kind, in place of the one in the package.
    engine, device, threads
        What runs the network, as in `facelandmarks.load_model`.
    """

    name = "compact"
    convention = "compact"

    def __init__(
        self,
        threshold: float = THRESHOLD,
        weights: Folder = None,
        *,
        engine: str = "auto",
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.threshold = threshold
        settings = EngineSettings(device=device, threads=threads)
        self.engine = make_engine(network_source(weights), choose_engine(engine, settings), settings)

    def detect(self, image: NDArray[np.uint8], *, min_score: float | None = None) -> Detections:
        """Find the faces, best first; see `Detector`."""
        check(image)
        seen, scale = resized(image)
        boxes, scores = self._forward(padded(seen, STRIDES[-1]), self.threshold if min_score is None else min_score)
        boxes = ((boxes + 0.5) / np.tile(scale, 2) - 0.5).astype(np.float32)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((middle > -0.5) & (middle < np.subtract(image.shape[1::-1], 0.5))).all(1)
        boxes, scores = boxes[inside], scores[inside]
        kept = suppress(boxes, scores, SAME_FACE)
        return Detections(boxes[kept], scores[kept])

    def _forward(self, pixels: NDArray[np.uint8], threshold: float) -> tuple[Boxes, Scores]:
        """All boxes from a score on, in pixels of the network's input, before suppression."""
        outputs = self.engine.run(pixels[None])[0]
        scores = (1 / (1 + np.exp(-outputs[:, 0]))).astype(np.float32)
        best = np.argsort(-scores, kind="stable")[:MOST_CELLS]
        cells = best[scores[best] >= threshold]
        centres, strides = cells_of(pixels.shape[0], pixels.shape[1])
        return boxes_of(outputs[cells], centres[cells], strides[cells]), scores[cells]


def network_source(weights: Folder) -> Source:
    """Return the network with its weights: those of the package, or of a file of that kind."""
    found = find_weights(ASSET, weights)

    def fill(network: "nn.Module") -> None:
        from facelandmarks.weights.checkpoint import load_state

        load_state(network, found.state(), "the compact detector")

    return Source(
        stem=Path(ASSET).stem,
        network="compact_detector",
        options={},
        mean=MIDDLE,
        std=MIDDLE,
        size=None,
        fill=fill,
        digest=found.sha256,
        folder=found.folder,
        graph=found.graph,
    )


def cells_of(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centres (L, 2) and strides (L,) of an input's cells, as in `facelandmarks.nn.compact_detector`."""
    centres, sizes = [], []
    for stride in STRIDES:
        rows, columns = np.indices((height // stride, width // stride), dtype=np.float32)
        centres.append((np.stack([columns, rows], -1).reshape(-1, 2) + 0.5) * stride - 0.5)
        sizes.append(np.full(rows.size, stride, np.float32))
    return np.concatenate(centres), np.concatenate(sizes)


def boxes_of(
    outputs: NDArray[np.float32], centres: NDArray[np.float32], strides: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Boxes (L, 4), xyxy in pixels, of network outputs (L, 5), as in `facelandmarks.nn.compact_detector`."""
    middle = centres + outputs[:, 1:3] * strides[:, None]
    half = np.exp(np.minimum(outputs[:, 3:5], LARGEST_LOG_SIDE)) * (strides[:, None] * USUAL_SIDE / 2)
    return np.concatenate([middle - half, middle + half], axis=1)


def check(image: NDArray[Any]) -> None:
    """Refuse what is not uint8 RGB (H, W, 3)."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InvalidImageError(f"expected uint8 RGB (H, W, 3), found {image.dtype} {image.shape}")


def resized(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The picture at the network's size, and the exact factors (x, y): new = (old + 0.5) * factor - 0.5."""
    size = np.array(image.shape[1::-1])
    factor = min(LONG_SIDE / size.max(), MOST_ENLARGED)
    wanted = np.maximum(1, np.rint(size * factor)).astype(int)
    if (wanted == size).all():
        return image, np.ones(2)
    flags = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    result: NDArray[Any] = cv2.resize(image, wanted.tolist(), interpolation=flags)
    return result, wanted / size


def padded(image: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """A copy with black below and to the right, so that both sides are multiples."""
    height, width = image.shape[:2]
    result = np.zeros((-(-height // multiple) * multiple, -(-width // multiple) * multiple, 3), np.uint8)
    result[:height, :width] = image
    return result


def suppress(boxes: Boxes, scores: Scores, same: float) -> NDArray[np.intp]:
    """Indices of the boxes that no better box overlaps by more than `same`, best first."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[overlaps(boxes[order], boxes[best]) <= same]
    return np.array(kept, dtype=np.intp)
