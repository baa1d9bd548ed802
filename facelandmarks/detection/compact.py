"""The built-in detector: our own small network, shipped in the wheel.

Trained by `examples/train_compact/train_detector.py`. The picture is seen at one size; faces from about 12 pixels
*at that size* to the whole picture are found.
"""

import os
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.box_overlap import overlaps
from facelandmarks.errors import InvalidImageError
from facelandmarks.weights.builtin import load_builtin
from facelandmarks.weights.packed import load_packed

if TYPE_CHECKING:
    from facelandmarks.nn.compact_detector import CompactDetectorNet

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]

ASSET = "compact_detector.npz"
# The lowest hundredth without a detection on the 64 photos without a face, whose highest score is 0.5199. Of the 128
# labelled faces of the validation scenes 127 are found at it, 126 at 0.53.
THRESHOLD = 0.52
LONG_SIDE = 640  # pixels: longer pictures are made smaller
MOST_ENLARGED = 1.5  # finds smaller faces; more than that finds skin in the textures of small pictures
SAME_FACE = 0.35  # overlap (IoU) from which the weaker of two boxes is dropped; tight boxes of two faces hardly overlap
MOST_CELLS = 2000  # looked at in one picture


class CompactDetector:
    """The built-in face detector.

    Parameters
    ----------
    threshold
        Least score of a face, 0..1. The score estimates the overlap (IoU) of the box with the face.
    weights
        A file of packed weights in place of those of the package.
    device
        Torch device that the network runs on.
    """

    name = "compact"
    convention = "compact"

    def __init__(
        self, threshold: float = THRESHOLD, weights: str | os.PathLike[str] | None = None, device: str = "cpu"
    ) -> None:
        self.threshold = threshold
        self.device = device
        self._net = load_net(weights, device)

    def detect(self, image: NDArray[np.uint8], *, min_score: float | None = None) -> tuple[Boxes, Scores]:
        """Boxes and scores of the faces, best first; see `Detector`."""
        check(image)
        seen, scale = resized(image)
        boxes, scores = self._forward(
            padded(seen, self._net.strides[-1]), self.threshold if min_score is None else min_score
        )
        boxes = ((boxes + 0.5) / np.tile(scale, 2) - 0.5).astype(np.float32)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((middle > -0.5) & (middle < np.subtract(image.shape[1::-1], 0.5))).all(1)
        boxes, scores = boxes[inside], scores[inside]
        kept = suppress(boxes, scores, SAME_FACE)
        return boxes[kept], scores[kept]

    def _forward(self, pixels: NDArray[np.uint8], threshold: float) -> tuple[Boxes, Scores]:
        """All boxes from a score on, in pixels of the network's input, before suppression."""
        import torch

        from facelandmarks.nn.compact_detector import boxes_of, cells_of

        with torch.inference_mode():
            x = torch.from_numpy(pixels).to(self.device)[None].permute(0, 3, 1, 2).float() / 127.5 - 1.0
            outputs = self._net(x.contiguous(memory_format=torch.channels_last))[0].float().cpu()
            scores = outputs[:, 0].sigmoid()
            best = scores.topk(min(MOST_CELLS, len(scores)))
            cells = best.indices[best.values >= threshold]
            centres, strides = cells_of(pixels.shape[0], pixels.shape[1], self._net.strides)
            boxes = boxes_of(outputs[cells], centres[cells], strides[cells])
        return boxes.numpy(), scores[cells].numpy()


def load_net(weights: str | os.PathLike[str] | None, device: str) -> "CompactDetectorNet":
    """The network with packed weights, ready for inference."""
    import torch

    from facelandmarks.nn.compact_detector import CompactDetectorNet
    from facelandmarks.nn.fuse import fuse_batch_norms
    from facelandmarks.weights.checkpoint import load_state

    net = CompactDetectorNet()
    load_state(net, load_builtin(ASSET) if weights is None else load_packed(weights), "the compact detector")
    net.eval().requires_grad_(False)
    fuse_batch_norms(net)
    return net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


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
