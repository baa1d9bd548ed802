"""RGB images -> files in the format that a name says."""

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidOptionError

WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Return the suffix of an image that is to be written; `InvalidOptionError` if it names no format of `WRITTEN`."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN:
        raise InvalidOptionError(f"{os.fspath(path)}: images are written to files ending in {', '.join(WRITTEN)}")
    return suffix


def encode_image(image: NDArray[np.uint8], suffix: str) -> bytes:
    """Return an RGB image (H, W, 3) as a file with that suffix."""
    encoded: bytes = cv2.imencode(suffix, image[..., ::-1])[1].tobytes()
    return encoded
