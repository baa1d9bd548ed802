"""Aligned crops: each face turned, scaled and moved to where a recogniser or a generator expects it.

A similarity maps the image to the crop: no shear, no mirror image.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks._opencv import cv2
from facelandmarks._rules import is_whole
from facelandmarks.errors import InvalidOptionError, lookup
from facelandmarks.geometry.warp import warp_crops
from facelandmarks.images import ColorOrder, load_image
from facelandmarks.schemes import Scheme, check_points, convert

# ArcFace's five points in a crop of 112 x 112 pixels (insightface, `arcface_dst` of utils/face_align.py): middles of
# the eyes, tip of the nose, corners of the mouth.
ARCFACE_SIZE = 112
ARCFACE_POINTS = (
    (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041),
)  # fmt: skip
# Five points that are farther (root mean square, in pixels of ArcFace's crop) from where they should be are not a face:
# labels of 2,014 faces of 300-W are up to 10.3 off, those of 16 faces of AFLW2000 in all poses up to 13.5, mirrored
# ones 21 and more.
LARGEST_RESIDUAL = 15.0
LARGEST_SIZE = 4096


@dataclass(frozen=True)
class Alignment:
    """A published alignment."""

    size: int  # side of the crop in pixels
    # Takes five points (N, 5, 2) and a side, and returns similarities (N, 2, 3) from image to crop.
    matrices: Callable[[NDArray[np.float64], int], NDArray[np.float64]]
    smooth: bool  # faces larger than the crop are averaged down; else single pixels are picked, as published


@dataclass(frozen=True, eq=False)
class Aligned:
    """Aligned crops of N faces."""

    pixels: NDArray[np.uint8]  # (N, S, S, 3), RGB; black outside the image, and where `valid` is not set
    matrices: NDArray[np.float64]  # (N, 2, 3), pixels of the image to those of the crop, from the centres of the first
    valid: NDArray[np.bool_]  # (N,): none of the five points is missing, and they look like a face, not mirrored


def align(
    image: Any,
    points: ArrayLike,
    scheme: str | Scheme,
    kind: str = "arcface112",
    *,
    size: int | None = None,
    color: ColorOrder = "rgb",
) -> Aligned:
    """Cut aligned crops of the faces of an image.

    Parameters
    ----------
    image, color
        As in `Model.predict`.
    points
        (N, K, 2) in pixels of the upright image.
    scheme
        Name or record of a scheme that converts to `points5` (`aflw19`, `cofw29`, `ibug68`, `wflw98`, `lapa106`, the
        meshes), or `points5`.
    kind
        `"arcface112"` or `"ffhq"`.
    size
        Side of the crops in pixels, up to 4096; None as published, 112 and 1024.

    Notes
    -----
    ArcFace: least squares over five points, as in insightface (`norm_crop`), with the bytes of OpenCV 4's `warpAffine`.
    FFHQ: the square of its recipe (NVlabs/ffhq-dataset, `recreate_aligned_images`) at the same place. Outside the image
    it is black, not blurred, and pixels are averaged in another way, so bytes differ.
    """
    array, known = check_points(points, scheme)
    recipe = lookup(ALIGNMENTS, kind, "alignment")
    side: Any = recipe.size if size is None else size
    if not (is_whole(side, 1) and side <= LARGEST_SIZE):
        raise InvalidOptionError(f"size must be from 1 to {LARGEST_SIZE} pixels, a whole number; got {size!r}")
    side = int(side)
    rgb = load_image(image, color=color)
    five = convert(array, known, "points5").astype(np.float64)
    valid = _looks_like_a_face(five)
    matrices = np.zeros((len(five), 2, 3))
    matrices[valid] = recipe.matrices(five[valid], side)
    pixels = np.zeros((len(five), side, side, 3), np.uint8)
    cut = _cut_smooth if recipe.smooth else warp_crops
    pixels[valid] = cut(rgb, matrices[valid], (side, side))
    return Aligned(pixels, matrices, valid)


def _arcface(points: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return similarities(points, np.array(ARCFACE_POINTS) * (size / ARCFACE_SIZE))


def _ffhq(points: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Map the square of FFHQ: its axis is the mean of the line of the eyes and the one across eyes to mouth."""
    eyes, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
    across, down = points[:, 1] - points[:, 0], mouth - eyes
    axis = across + np.stack([down[:, 1], -down[:, 0]], axis=-1)
    reach = np.maximum(np.linalg.norm(across, axis=-1) * 2.0, np.linalg.norm(down, axis=-1) * 1.8)
    x = axis / np.linalg.norm(axis, axis=-1, keepdims=True) * reach[:, None]
    y = np.stack([-x[:, 1], x[:, 0]], axis=-1)
    centre = eyes + 0.1 * down
    corners = np.stack([centre - x - y, centre + x - y, centre + x + y, centre - x + y], axis=1)
    # The square's edges are the crop's, half a pixel beyond the centres of its outermost pixels.
    edges = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size - 0.5
    return similarities(corners, edges)


ALIGNMENTS: Mapping[str, Alignment] = MappingProxyType(
    {"arcface112": Alignment(ARCFACE_SIZE, _arcface, smooth=False), "ffhq": Alignment(1024, _ffhq, smooth=True)}
)


def similarities(points: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the similarities (N, 2, 3) that bring points (N, M, 2) nearest to a target (M, 2), by least squares.

    A similarity of the plane is one complex factor and a shift, so the best is a quotient of sums; Umeyama's solution
    (IEEE TPAMI 1991) is the same where a mirror image would not be nearer. Points all at one place give NaN.
    """
    given, wanted = points[..., 0] + 1j * points[..., 1], target[:, 0] + 1j * target[:, 1]
    from_middle, to_middle = given - given.mean(1, keepdims=True), wanted - wanted.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = (from_middle.conj() * to_middle).sum(1) / (np.abs(from_middle) ** 2).sum(1)
    shift = wanted.mean() - factor * given.mean(1)
    rows = [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    return np.moveaxis(np.array(rows), -1, 0)


def moved(points: NDArray[np.float64], matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points (N, M, 2) by affine maps (N, 2, 3)."""
    return points @ matrices[..., :2].transpose(0, 2, 1) + matrices[:, None, :, 2]


def _looks_like_a_face(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which five points (N,) fit those of a face, and are not all at one place."""
    off = moved(points, _arcface(points, ARCFACE_SIZE)) - ARCFACE_POINTS
    residual = np.sqrt((off**2).sum(-1).mean(-1))
    apart: NDArray[np.bool_] = np.ptp(points, axis=1).max(-1) > 1.0  # pixels
    across, down = points[:, 1] - points[:, 0], points[:, 3:].mean(1) - points[:, :2].mean(1)
    unmirrored: NDArray[np.bool_] = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0] > 0
    with np.errstate(invalid="ignore"):
        fitting: NDArray[np.bool_] = residual <= LARGEST_RESIDUAL
    return fitting & apart & unmirrored


def _cut_smooth(image: NDArray[np.uint8], matrices: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut crops as `warp_crops` does, but finer and averaged where a pixel of the crop holds several of the image."""
    crops = np.empty((len(matrices), size[1], size[0], 3), np.uint8)
    zooms = np.sqrt(np.linalg.det(matrices[:, :, :2]))
    for crop, matrix, zoom in zip(crops, matrices, zooms, strict=True):
        finer = max(1, min(round(1 / zoom), LARGEST_SIZE // max(size)))
        # A pixel of the crop becomes finer x finer ones around the same middle.
        fine = matrix * finer + np.array([[0, 0, 1], [0, 0, 1]]) * (finer - 1) / 2
        large = warp_crops(image, fine[None], (size[0] * finer, size[1] * finer))[0]
        crop[:] = cv2.resize(large, size, interpolation=cv2.INTER_AREA) if finer > 1 else large
    return crops
