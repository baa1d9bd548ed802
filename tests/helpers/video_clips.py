"""Clips made of faces that move on known paths over a noisy ground."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from facelandmarks.video import Frame

WIDTH, HEIGHT = 320, 240
PHOTO_CENTRE = (72.0, 112.0)  # of the face, in the photos of `clips/sources`
FACE = 82.0  # pixels, the side of a face's tight box there

Path_ = Callable[[float], tuple[float, float, float] | None]  # time to middle of the face and zoom; None: not there


def photos(shared: Path) -> list[np.ndarray]:
    folder = shared / "data" / "clips" / "sources"
    return [cv2.imread(str(folder / name))[..., ::-1] for name in ("id1.png", "id2.png")]


def make_clip(
    faces: Sequence[tuple[np.ndarray, Path_]], times: Sequence[float], size: tuple[int, int] = (WIDTH, HEIGHT)
) -> list[Frame]:
    """Frames with faces on their paths; the first of them in front."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.normal(128, 60, (*size[::-1], 3)), (0, 0), 3).clip(0, 255)
    noise = rng.normal(0, 2, (2 * size[1], size[0], 3))
    frames = []
    for index, time in enumerate(times):
        canvas = ground.copy()
        for photo, path in reversed(faces):
            if (where := path(time)) is not None:
                canvas = _paste(canvas, photo, *where)
        start = int(rng.integers(size[1]))
        noisy = canvas + noise[start : start + size[1]]
        frames.append(Frame(index, float(time), noisy.clip(0, 255).astype(np.uint8)))
    return frames


def _paste(canvas: np.ndarray, photo: np.ndarray, x: float, y: float, zoom: float) -> np.ndarray:
    matrix = np.array([[zoom, 0, x - zoom * PHOTO_CENTRE[0]], [0, zoom, y - zoom * PHOTO_CENTRE[1]]])
    size = canvas.shape[1::-1]
    cover = cv2.warpAffine(np.ones(photo.shape[:2]), matrix, size)[..., None]
    return canvas * (1 - cover) + cv2.warpAffine(photo.astype(float), matrix, size) * cover
