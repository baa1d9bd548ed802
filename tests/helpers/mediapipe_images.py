"""Images for goldens of MediaPipe: those of scikit-image, changed by index arithmetic only, so the same anywhere."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
NAMES = ("whole", "half", "mirrored", "turned", "cut", "two", "small_in_large", "grey", "none")


def image(name: str) -> Image:
    """An image, uint8 RGB (H, W, 3), by its name."""
    from skimage import data

    whole = data.astronaut()
    made = {
        "whole": lambda: whole,
        "half": lambda: whole[::2, ::2],
        "mirrored": lambda: whole[:, ::-1],
        "turned": lambda: turned(whole[:300, 60:360], 25),
        "cut": lambda: whole[:300, 205:420],
        "two": lambda: np.concatenate([whole[:260, 120:330], turned(whole[:260, 120:330][:, ::-1], -15)], axis=1),
        "small_in_large": lambda: placed(whole[:256:2, 96:352:2], 400, 700),
        "grey": lambda: np.repeat(data.camera()[..., None], 3, axis=2),
        "none": data.coffee,
    }
    return np.ascontiguousarray(made[name]())


def turned(source: Image, degrees: float) -> Image:
    """The image turned about its middle by whole pixels, black around it."""
    height, width = source.shape[:2]
    y, x = np.indices((height, width)) - np.array([height // 2, width // 2])[:, None, None]
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    from_x = np.floor(cosine * x + sine * y + width // 2 + 0.5).astype(int)
    from_y = np.floor(-sine * x + cosine * y + height // 2 + 0.5).astype(int)
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    result = source[from_y.clip(0, height - 1), from_x.clip(0, width - 1)]
    return result * inside[..., None].astype(np.uint8)


def placed(source: Image, height: int, width: int) -> Image:
    """The image in a larger grey one."""
    result = np.full((height, width, 3), 120, np.uint8)
    result[40 : 40 + len(source), 500 : 500 + source.shape[1]] = source
    return result
