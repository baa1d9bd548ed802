"""RGB images -> files in the format that their names say."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import WRITTEN_SUFFIXES, write_file
from facelandmarks._opencv import cv2
from facelandmarks.errors import InvalidImageError, InvalidOptionError


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Raise `InvalidOptionError` if a name does not end in one of `WRITTEN_SUFFIXES`."""
    if Path(path).suffix.lower() not in WRITTEN_SUFFIXES:
        raise InvalidOptionError(
            f"{os.fspath(path)}: images are written to files ending in {', '.join(WRITTEN_SUFFIXES)}"
        )


def write_image(path: Path, image: NDArray[np.uint8], options: Sequence[int] = ()) -> None:
    """Write an RGB image (H, W, 3), whole or not at all, with OpenCV's options for its format.

    `InvalidOptionError` for a suffix of no known format, `InvalidImageError` for an image that the format cannot hold.
    """
    check_suffix(path)
    try:
        done, data = cv2.imencode(path.suffix.lower(), image[..., ::-1], options)
    except cv2.error as error:
        raise InvalidImageError(f"cannot write {path}: {error}") from error
    if not done:  # a side is longer than the format allows
        height, width = image.shape[:2]
        raise InvalidImageError(f"cannot write {path}: {width} x {height} pixels; try .png")
    write_file(path, data.tobytes())
