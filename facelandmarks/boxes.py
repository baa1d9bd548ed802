"""Checks of boxes, their overlap, and the named conventions that say which part of a face a box holds.

Boxes are (x1, y1, x2, y2) in pixels of the upright image; (0, 0) is the centre of the top-left pixel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import FaceLandmarksError, InvalidBoxError, lookup

Boxes = NDArray[np.float64]

MOST_BOXES = 10_000  # of one image: their crops need 2 GB
LEAST_SIDE = 1.0  # pixels: there is no face in less, but there are boxes in fractions of an image
FURTHEST = 1e9  # pixels from the image's corner: a float32 counts in steps of 64 there


@dataclass(frozen=True)
class BoxConvention:
    """How far each edge of a box lies beyond the tight box of the 68 points, in sides of that, positive outwards."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    faces: int  # real ones, on which this was fitted
    residual: float  # mean error over faces and edges, in sides


_TABLE = (
    # The bounding box of the landmarks themselves: no forehead.
    BoxConvention("tight", 0.0, 0.0, 0.0, 0.0, faces=0, residual=0.0),
    # The detector in the wheel, trained on tight boxes; fitted on photos of AFW, HELEN and LFPW, without validation
    # photos (examples/train_compact/fit_boxes.py).
    BoxConvention("compact", 0.006, 0.006, -0.001, 0.004, faces=409, residual=0.033),
    # Without the jaw line but with the chin: the tight box of 19 and 29 points. 300-W train faces, medians.
    BoxConvention("tight_no_jaw", -0.081, 0.0, -0.090, 0.0, faces=1783, residual=0.036),
    # The rectangles of WFLW's test list, from a detector; no published model was trained on them.
    BoxConvention("wflw_rect", -0.008, 0.293, -0.004, -0.004, faces=2500, residual=0.054),
    # The boxes of COFW's test faces, with the 68 points of COFW68.
    BoxConvention("cofw", 0.003, 0.014, -0.005, 0.014, faces=507, residual=0.037),
    # AFLW's square boxes: two faces with 19 points, brought to 68 points by `tight_no_jaw`, symmetrised.
    BoxConvention("aflw", 0.217, 0.208, 0.217, 0.068, faces=2, residual=0.042),
    # The face boxes of COCO-WholeBody: two, compared by way of YuNet's, symmetrised.
    BoxConvention("coco_face", -0.018, 0.065, -0.018, 0.019, faces=2, residual=0.04),
    # OpenCV's YuNet at score 0.3 on photos of AFW, HELEN and LFPW; medians.
    BoxConvention("yunet", -0.013, 0.305, -0.009, -0.007, faces=537, residual=0.043),
    # Detectors of others with their own defaults, on the 409 faces of the photos of AFW, HELEN and LFPW without
    # validation faces; `faces` is how many they found (examples/train_compact/fit_boxes.py --found).
    # RetinaFace with MobileNet 0.25 (biubug6's weights) at score 0.5; its boxes follow the labels of WIDER FACE.
    BoxConvention("retinaface", -0.025, 0.312, -0.020, -0.009, faces=409, residual=0.043),
    # MediaPipe 0.10.21's face detection at score 0.5: the short-range model, and the full-range one.
    BoxConvention("mediapipe", 0.025, 0.102, 0.053, -0.003, faces=331, residual=0.059),
    BoxConvention("mediapipe_full_range", 0.049, 0.165, 0.064, -0.025, faces=387, residual=0.068),
    # The bounding box of the 468 points of MediaPipe's mesh, which reaches to the hair; on train faces of 300-W.
    BoxConvention("mesh", -0.002, 0.179, -0.003, -0.021, faces=604, residual=0.024),
    # dlib 20.0.1's frontal face detector, image enlarged once; left(), top(), right(), bottom(). Its boxes grow in
    # steps of 6/5, hence the residual.
    BoxConvention("dlib", 0.027, 0.140, 0.011, -0.073, faces=370, residual=0.079),
)
CONVENTIONS: Mapping[str, BoxConvention] = MappingProxyType({record.name: record for record in _TABLE})


def get_convention(name: str) -> BoxConvention:
    """Return the box convention of that name; `UnknownNameError` if there is none."""
    return lookup(CONVENTIONS, name, "box convention")


def check_boxes(boxes: ArrayLike, width: int, height: int) -> Boxes:
    """Return one box (4,) or several (N, 4) as float64 (N, 4), after checking that each of them can hold a face.

    `boxes` may be a tensor, or tensors in lists: with a gradient, on a device, of any number type. `width` and `height`
    are those of the image in pixels. `InvalidBoxError` for a wrong shape, values that are not finite numbers, boxes
    under a pixel (as boxes in fractions of the image are), and boxes wholly outside the image.
    """
    if hasattr(boxes, "boxes"):
        kind = type(boxes).__name__
        raise InvalidBoxError(f"give .boxes of these {kind}, and box_convention= if they are not the model's own kind")
    array = to_float64(boxes, "boxes must be numbers (x1, y1, x2, y2)")
    if array.shape in ((0,), (0, 4), (1, 0)):
        return array.reshape(0, 4)
    if array.ndim not in (1, 2) or array.shape[-1] != 4:
        raise InvalidBoxError(f"boxes must have shape (4,) or (N, 4) as x1, y1, x2, y2; got shape {array.shape}")
    array = array.reshape(-1, 4)
    check_count(len(array))
    with np.errstate(invalid="ignore"):  # infinities
        sides = array[:, 2:] - array[:, :2]
    factors = (width, height, width, height)
    hint = f"if it is in fractions of the image, multiply by its width and height, {factors}"
    problems: dict[str, NDArray[np.bool_]] = {
        "has values that are not finite": ~np.isfinite(array),
        f"reaches further than {FURTHEST:g} px": np.abs(array) > FURTHEST,
        f"lies within one pixel; {hint}": np.all(np.abs(array - 0.5) <= 0.5, axis=1)[:, None],
        "has no area: x2 > x1 and y2 > y1 must hold (is it x, y, width, height?)": sides <= 0,
        f"has a side under {LEAST_SIDE:g} px; {hint}": sides < LEAST_SIDE,
        # The image reaches half a pixel beyond the centres of its outermost pixels.
        f"lies wholly outside the image of {width} x {height} px": np.concatenate(
            [array[:, 2:] < -0.5, array[:, :2] > (width - 0.5, height - 0.5)], axis=1
        ),
    }
    for problem, found in problems.items():
        if found.any():
            index = int(np.flatnonzero(found.any(1))[0])
            values = ", ".join(f"{value:g}" for value in array[index])
            raise InvalidBoxError(f"box {index} of {len(array)} ({values}) {problem}")
    return array


def check_regions(center: Any, scale: Any, aspect: tuple[int, int] | None = None) -> tuple[Boxes, Boxes]:
    """Return middles and sizes of regions as float64 (N, 2) each, in pixels; `InvalidBoxError` if they cannot be.

    `aspect`, width to height, is that of all regions; None: any.
    """
    centers, scales = (np.atleast_2d(to_float64(each, "center and scale must be numbers")) for each in (center, scale))
    if centers.shape != scales.shape or centers.ndim != 2 or centers.shape[1] != 2:
        raise InvalidBoxError(f"center and scale must both be (N, 2); got {centers.shape} and {scales.shape}")
    check_count(len(centers))
    if not ((np.abs([centers, scales]) <= FURTHEST).all() and (scales >= LEAST_SIDE).all()):  # not for NaN either
        raise InvalidBoxError(
            f"center and scale must be finite, at most {FURTHEST:g} px, and scale at least {LEAST_SIDE:g} px; if they "
            "are fractions of the image, multiply them by its width and height"
        )
    if aspect is not None and not np.allclose(scales[:, 0] * aspect[1], scales[:, 1] * aspect[0], rtol=1e-4):
        raise InvalidBoxError(
            f"this model has crops of one zoom: the sides in scale must be as {aspect[0]} to {aspect[1]}"
        )
    return centers, scales


def to_float64(values: Any, expected: str, refusal: type[FaceLandmarksError] = InvalidBoxError) -> NDArray[np.float64]:
    """Return numbers as a new array, also from tensors; the `refusal` of others says what was expected."""
    try:
        if isinstance(values, (list, tuple)):
            return np.array([to_float64(each, expected, refusal) for each in values], np.float64)
        if hasattr(values, "detach"):
            values = values.detach().cpu().double().numpy()  # NumPy has no bfloat16, and knows no gradients
        return np.array(values, np.float64)
    except Exception as error:  # tensors raise errors of a dozen kinds: meta, sparse, quantized
        raise refusal(f"{expected}, got {values!r:.200}") from error


def check_count(count: int) -> None:
    """Refuse more than `MOST_BOXES`."""
    if count > MOST_BOXES:
        raise InvalidBoxError(f"{count} boxes for one image, more than {MOST_BOXES} at once: pass them in parts")


def convert_boxes(boxes: Boxes, source: str, target: str) -> Boxes:
    """Convert boxes (N, 4) from one convention to another; exact for the average face only.

    `UnknownNameError` for a convention that is not in `CONVENTIONS`.
    """
    if source == target:
        return boxes
    boxes, given, wanted = np.asarray(boxes, np.float64), get_convention(source), get_convention(target)
    width = (boxes[:, 2] - boxes[:, 0]) / (1 + given.left + given.right)
    height = (boxes[:, 3] - boxes[:, 1]) / (1 + given.top + given.bottom)
    moves = (
        (given.left - wanted.left) * width,
        (given.top - wanted.top) * height,
        (wanted.right - given.right) * width,
        (wanted.bottom - given.bottom) * height,
    )
    return boxes + np.stack(moves, axis=1)


def tight_boxes(points: NDArray[np.floating]) -> Boxes:
    """Return the bounding boxes (N, 4) of points (N, K, 2): the convention `tight`."""
    return np.concatenate([points.min(1), points.max(1)], axis=1).astype(np.float64)


def shared_area(boxes: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Return the area that boxes (..., 4) have in common with others; the shapes broadcast."""
    # Side by side: a last axis of two numbers is five times as slow.
    wide = np.minimum(boxes[..., 2], others[..., 2]) - np.maximum(boxes[..., 0], others[..., 0])
    high = np.minimum(boxes[..., 3], others[..., 3]) - np.maximum(boxes[..., 1], others[..., 1])
    return np.asarray(wide.clip(0) * high.clip(0))


def overlaps(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the intersection over union, 0..1, of boxes (..., 4) with others; shapes broadcast, the dtype stays.

    Two boxes without area overlap by 0, even if they are equal.
    """
    common = shared_area(boxes, others)
    areas = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (boxes, others)]
    union = areas[0] + areas[1] - common
    shares: NDArray[np.floating] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares
