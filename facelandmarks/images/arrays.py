"""Any picture a user may hold -> an RGB array."""

import os
import sys
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidImageError, InvalidOptionError
from facelandmarks.images.files import check_size, decode, pil_to_array, read_file

__all__ = ["MAX_PIXELS", "MAX_PIXELS_VARIABLE", "ColorOrder", "load_image"]

ColorOrder = Literal["rgb", "bgr"]

MAX_PIXELS = 178_956_970
"""Pixels a picture may have unless the caller says otherwise: half a gigabyte as RGB, and where Pillow stops too."""
MAX_PIXELS_VARIABLE = "FACELANDMARKS_MAX_PIXELS"
"""Environment variable that says otherwise for everything that reads pictures."""

# (channels, order) -> conversion; RGB as RGB needs none.
_TO_RGB = {
    (1, "rgb"): cv2.COLOR_GRAY2RGB,
    (1, "bgr"): cv2.COLOR_GRAY2RGB,
    (3, "bgr"): cv2.COLOR_BGR2RGB,
    (4, "rgb"): cv2.COLOR_RGBA2RGB,
    (4, "bgr"): cv2.COLOR_BGRA2RGB,
}
_CHANNELS = (1, 3, 4)
# Floats may miss 0..1 by a quarter of a grey level: float32 arithmetic does.
_SLACK = 1e-3


def load_image(
    image: Any, *, color: ColorOrder = "rgb", max_pixels: int | None = None, allow_truncated: bool = False
) -> NDArray[np.uint8]:
    """Bring any picture to 8-bit RGB.

    Parameters
    ----------
    image : path, bytes, PIL image, ndarray or torch tensor
        - Path (str or os.PathLike), or bytes, bytearray or memoryview of an encoded file: judged by content, not by
          name; turned upright (EXIF); the first frame or page. OpenCV reads JPEG, PNG, WebP, BMP, TIFF and PNM;
          Pillow (extra ``images``) GIF, AVIF, JPEG 2000, animated WebP and others.
        - PIL image: its pixels as they are, since coordinates refer to them; its EXIF orientation is not applied
          (``PIL.ImageOps.exif_transpose`` does that). Mode I holds 0..65535, mode F 0..1.
        - ndarray (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
        - torch tensor (H, W), (1, H, W), (3, H, W) or (4, H, W), on any device.

        Arrays and tensors are uint8, uint16 (0..65535), bool, or floats in 0..1. 16-bit values are scaled to 8 bits and
        rounded. Alpha is dropped, not blended: the colours below it show, as in ``cv2.imread``.
    color : {"rgb", "bgr"}
        Order of the channels in arrays and tensors. Files and PIL images know their own; it does not concern them.
    max_pixels : int, optional
        Files and PIL images with more pixels are refused, files before they are decoded. None: what the environment
        variable ``FACELANDMARKS_MAX_PIXELS`` says, else `MAX_PIXELS`. OpenCV's own limit is 2**30; for what Pillow
        reads, its ``Image.MAX_IMAGE_PIXELS`` stays in force.
    allow_truncated : bool
        Whether to take a JPEG that ends early; what it lacks is grey, and nothing in the result says so.

    Returns
    -------
    ndarray
        uint8 (H, W, 3), RGB, C-contiguous. An ndarray that is all this already is returned itself, not copied; the
        input is never modified.

    Raises
    ------
    InvalidImageError
        If this is no picture, or one that is cut, damaged, too large or without pixels.
    MissingDependencyError
        If the file needs Pillow, and Pillow is not installed.
    InvalidOptionError
        If `color` is neither "rgb" nor "bgr", or the limit is no whole number of at least 1.
    """
    if color not in ("rgb", "bgr"):
        raise InvalidOptionError(f"color must be 'rgb' or 'bgr', not {color!r}")
    limit = _limit(max_pixels)
    if isinstance(image, np.ndarray):
        return _array_to_rgb(np.asarray(image), color, _describe("an array", image))
    if isinstance(image, (str, os.PathLike)):
        name = os.fsdecode(image)
        return _array_to_rgb(decode(read_file(image), name, limit, allow_truncated), "rgb", name)
    if isinstance(image, (bytes, bytearray, memoryview)):
        data = bytes(image)
        name = f"the encoded picture ({len(data)} bytes)"
        return _array_to_rgb(decode(data, name, limit, allow_truncated), "rgb", name)
    if _is_instance(image, "PIL.Image", "Image"):
        return _pil_to_rgb(image, limit)
    if _is_instance(image, "torch", "Tensor"):
        name = _describe("a tensor", image)
        return _array_to_rgb(_tensor_to_array(image, name), color, name)
    raise InvalidImageError(
        f"cannot read a picture from {type(image).__module__}.{type(image).__qualname__}: "
        "pass a path, the bytes of a file, a PIL image, a NumPy array (H, W, 3) or a torch tensor (3, H, W)"
    )


def _limit(given: int | None) -> int:
    """Pixels a picture may have: as given, else as the environment says, else `MAX_PIXELS`."""
    name, value = ("max_pixels", given) if given is not None else _limit_of_environment()
    if not isinstance(value, int) or value < 1:
        raise InvalidOptionError(f"{name} must be a whole number of at least 1, not {value!r}")
    return value


def _limit_of_environment() -> tuple[str, int | str]:
    text = os.environ.get(MAX_PIXELS_VARIABLE, "") or str(MAX_PIXELS)
    return MAX_PIXELS_VARIABLE, int(text) if text.isdecimal() and len(text) < 20 else text


def _is_instance(value: Any, module: str, name: str) -> bool:
    """Tell an instance of a class without importing it: whoever holds such an object has imported its module."""
    cls = getattr(sys.modules.get(module), name, None)
    return isinstance(cls, type) and isinstance(value, cls)


def _describe(kind: str, array: Any) -> str:
    return f"{kind} of shape {tuple(array.shape)} and dtype {array.dtype}"


def _pil_to_rgb(image: Any, max_pixels: int) -> NDArray[np.uint8]:
    name = f"a PIL image of mode {image.mode}"
    check_size(image.size, name, max_pixels)
    try:
        array = pil_to_array(image, name)
    except InvalidImageError:
        raise
    except Exception as error:  # files are read as late as here, and plugins raise errors of a dozen classes
        raise InvalidImageError(f"{name} cannot be read: {error} ({type(error).__name__})") from error
    return _array_to_rgb(array, "rgb", name)


def _tensor_to_array(tensor: Any, name: str) -> NDArray[Any]:
    """Tensor (H, W) or (C, H, W) -> array (H, W) or (H, W, C)."""
    if tensor.ndim == 3 and tensor.shape[0] not in _CHANNELS:
        hint = "; channels come first in tensors: tensor.permute(2, 0, 1)" if tensor.shape[-1] in _CHANNELS else ""
        raise InvalidImageError(f"{name} is no picture: expected (H, W) or (C, H, W) with 1, 3 or 4 channels{hint}")
    try:
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point() and tensor.element_size() < 4:
            tensor = tensor.float()  # NumPy has no bfloat16
        array: NDArray[Any] = tensor.numpy()
    except Exception as error:  # meta, sparse and quantized tensors, each with an error of its own
        raise InvalidImageError(f"{name} cannot become an array: {error}") from error
    return np.moveaxis(array, 0, -1) if array.ndim == 3 else array


def _array_to_rgb(array: NDArray[Any], color: str, name: str) -> NDArray[np.uint8]:
    _check_shape(array, name)
    array = _to_uint8(np.ascontiguousarray(array), name)
    conversion = _TO_RGB.get((array.shape[2] if array.ndim == 3 else 1, color))
    return array if conversion is None else np.asarray(cv2.cvtColor(array, conversion), np.uint8)


def _check_shape(array: NDArray[Any], name: str) -> None:
    if array.size == 0:
        raise InvalidImageError(f"{name} has no pixels")
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _CHANNELS):
        return
    hint = ""
    if array.ndim == 3 and array.shape[0] in _CHANNELS:
        hint = "; it looks like channels first: np.moveaxis(image, 0, -1)"
    if array.ndim == 4:
        hint = "; it looks like several pictures: pass them one by one"
    raise InvalidImageError(f"{name} is no picture: expected (H, W) or (H, W, C) with 1, 3 or 4 channels{hint}")


def _to_uint8(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """8 bits from a contiguous array of any accepted type."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if array.dtype == np.uint8:
        return array
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind == "u" and size == 2:
        return np.asarray(cv2.convertScaleAbs(array.astype(np.uint16, copy=False), alpha=1 / 257), np.uint8)
    if kind == "f":
        _check_floats(array, name)
        return np.asarray(cv2.convertScaleAbs(array.astype(np.float32, copy=False), alpha=255), np.uint8)
    hint = f" ({array.min()}..{array.max()})" if kind in "iu" else ""
    cure = "; if they are 0..255: image.astype(np.uint8)" if kind in "iu" else ""
    raise InvalidImageError(f"{name}{hint} is no picture: values are uint8, uint16, bool, or floats in 0..1{cure}")


def _check_floats(array: NDArray[Any], name: str) -> None:
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InvalidImageError(f"{name} has NaN or infinite values: np.nan_to_num(image) if they may become black")
    if low >= -_SLACK and high <= 1 + _SLACK:
        return
    cause = "clip them, np.clip(image, 0, 1), if they should not be there"
    if low < -0.1:
        cause = "they look normalised by a mean and a deviation: undo that first"
    elif high > 2:
        cause = (
            "they look like 0..65535: divide by 65535"
            if high > 256
            else "they look like 0..255: image.astype(np.uint8)"
        )
    raise InvalidImageError(f"{name} has values {low:g}..{high:g}, but floats are pictures in 0..1; {cause}")
