"""Any input as an RGB image: arrays, tensors, PIL images, files; and RGB images as files."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import WRITTEN_SUFFIXES, write_file
from facelandmarks._opencv import cv2
from facelandmarks.errors import InvalidImageError, InvalidOptionError
from facelandmarks.images.files import check_size, decode, pil_to_array, read_file

__all__ = ["MAX_PIXELS", "ColorOrder", "load_image"]

ColorOrder = Literal["rgb", "bgr"]

MAX_PIXELS = 178_956_970  # of an image by default: half a gigabyte as RGB; Pillow stops there too
MAX_PIXELS_VARIABLE = "FACELANDMARKS_MAX_PIXELS"  # sets another limit for everything that reads images

# (channels, order) -> conversion; RGB as RGB needs none.
_TO_RGB = {
    (1, "rgb"): cv2.COLOR_GRAY2RGB,
    (1, "bgr"): cv2.COLOR_GRAY2RGB,
    (3, "bgr"): cv2.COLOR_BGR2RGB,
    (4, "rgb"): cv2.COLOR_RGBA2RGB,
    (4, "bgr"): cv2.COLOR_BGRA2RGB,
}
_CHANNELS = (1, 3, 4)
_SLACK = 1e-3  # floats may miss 0..1 by a quarter of a grey level: float32 arithmetic does


def load_image(
    image: Any, *, color: ColorOrder = "rgb", max_pixels: int | None = None, allow_truncated: bool = False
) -> NDArray[np.uint8]:
    """Return any image as uint8 RGB (H, W, 3), C-contiguous; an array that is this already is returned itself.

    Parameters
    ----------
    image
        - Path or bytes of an encoded file: recognised by content, turned upright (EXIF), the first frame or page.
        - PIL image: its pixels as they are, since coordinates refer to them, without its EXIF orientation
          (``PIL.ImageOps.exif_transpose`` applies it). Mode I holds 0..65535, mode F 0..1.
        - ndarray (H, W) or (H, W, C), or torch tensor (H, W) or (C, H, W), with 1, 3 or 4 channels of uint8, uint16,
          bool, or floats in 0..1. Alpha is dropped, not blended, as in ``cv2.imread``.
    color
        Order of the channels in arrays and tensors; files and PIL images know their own.
    max_pixels
        Files and PIL images with more pixels are refused, files before they are decoded. None: the environment variable
        ``FACELANDMARKS_MAX_PIXELS``, else `MAX_PIXELS`. OpenCV's own limit of 2**30 stays, and Pillow's
        ``Image.MAX_IMAGE_PIXELS`` for all formats but JPEG and PNG.
    allow_truncated
        Take a JPEG that ends early; the missing part is grey, and nothing in the result says so.

    Raises
    ------
    InvalidImageError
        If this is not an image, or one that is cut, damaged, too large or without pixels.
    """
    if color not in ("rgb", "bgr"):
        raise InvalidOptionError(f"color must be 'rgb' or 'bgr', not {color!r}")
    text = os.environ.get(MAX_PIXELS_VARIABLE) or str(MAX_PIXELS)
    from_text = int(text) if text.isdecimal() and len(text) < 20 else text
    option, limit = (MAX_PIXELS_VARIABLE, from_text) if max_pixels is None else ("max_pixels", max_pixels)
    if not isinstance(limit, int | np.integer) or limit < 1:
        raise InvalidOptionError(f"{option} must be a whole number of at least 1, not {limit!r}")
    if isinstance(image, np.ndarray):
        name = f"an array of shape {image.shape} and dtype {image.dtype}"
        return _array_to_rgb(np.asarray(image), color, name)
    if isinstance(image, (str, os.PathLike)):
        name = os.fsdecode(image)
        return _array_to_rgb(decode(read_file(image), name, limit, allow_truncated), "rgb", name)
    if isinstance(image, (bytes, bytearray, memoryview)):
        data = bytes(image)
        name = f"the encoded image ({len(data)} bytes)"
        return _array_to_rgb(decode(data, name, limit, allow_truncated), "rgb", name)
    if _is_instance(image, "PIL.Image", "Image"):
        name = f"a PIL image of mode {image.mode}"
        check_size(image.size, name, limit)
        return _array_to_rgb(pil_to_array(image, name), "rgb", name)
    if _is_instance(image, "torch", "Tensor"):
        name = f"a tensor of shape {tuple(image.shape)} and dtype {image.dtype}"
        return _array_to_rgb(_tensor_to_array(image, name), color, name)
    raise InvalidImageError(
        f"cannot read an image from {type(image).__module__}.{type(image).__qualname__}: "
        "pass a path, the bytes of a file, a PIL image, a NumPy array (H, W, 3) or a torch tensor (3, H, W)"
    )


def check_several(images: Any) -> None:
    """Refuse one image, or its path, where several belong: its letters or rows would be taken for images."""
    single = isinstance(images, (str, bytes, bytearray, memoryview, os.PathLike))
    single = single or not (hasattr(images, "__iter__") or hasattr(images, "__getitem__"))
    if isinstance(images, (np.ndarray, np.generic)):  # paths may stand in an array, as those of a table do
        single = images.ndim == 0 or (images.ndim < 4 and images.dtype.kind not in "OU")
    if single or (_is_instance(images, "torch", "Tensor") and images.ndim < 4):
        path = isinstance(images, (str, os.PathLike))
        got, one = (f"{images!r}",) * 2 if path else (f"an object of type {type(images).__name__}", "image")
        raise InvalidOptionError(f"several images belong here; got {got}: give a list, [{one}] for a single one")


def _is_instance(value: Any, module: str, name: str) -> bool:
    """Recognise an instance of a class without importing it: if there is one, its module has been imported."""
    cls = getattr(sys.modules.get(module), name, None)
    return isinstance(cls, type) and isinstance(value, cls)


def _tensor_to_array(tensor: Any, name: str) -> NDArray[Any]:
    """Turn a tensor (H, W) or (C, H, W) into an array (H, W) or (H, W, C)."""
    if tensor.ndim == 3 and tensor.shape[0] not in _CHANNELS:
        hint = "; channels come first in tensors: tensor.permute(2, 0, 1)" if tensor.shape[-1] in _CHANNELS else ""
        raise InvalidImageError(f"{name} is not an image: expected (H, W) or (C, H, W) with 1, 3 or 4 channels{hint}")
    try:
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point() and tensor.element_size() < 4:
            tensor = tensor.float()  # NumPy has no bfloat16
        array: NDArray[Any] = tensor.numpy()
    except Exception as error:  # meta, sparse and quantized tensors, each with an error of its own
        raise InvalidImageError(f"{name} cannot become an array: {error}") from error
    return np.moveaxis(array, 0, -1) if array.ndim == 3 else array


def _array_to_rgb(array: NDArray[Any], color: str, name: str) -> NDArray[np.uint8]:
    if array.size == 0:
        raise InvalidImageError(f"{name} has no pixels")
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] not in _CHANNELS):
        hint = "; it looks like several images: pass them one by one" if array.ndim == 4 else ""
        if array.ndim == 3 and array.shape[0] in _CHANNELS:
            hint = "; it looks like channels first: np.moveaxis(image, 0, -1)"
        raise InvalidImageError(f"{name} is not an image: expected (H, W) or (H, W, C) with 1, 3 or 4 channels{hint}")
    array = np.ascontiguousarray(array)
    if array.dtype != np.uint8:
        array = _to_uint8(array, name)
    conversion = _TO_RGB.get((array.shape[2] if array.ndim == 3 else 1, color))
    return array if conversion is None else np.asarray(cv2.cvtColor(array, conversion), np.uint8)


def _to_uint8(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Scale a contiguous array of any other accepted type to 8 bits."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind == "u" and size == 2:
        return np.asarray(cv2.convertScaleAbs(array.astype(np.uint16, copy=False), alpha=1 / 257), np.uint8)
    if kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InvalidImageError(f"{name} has NaN or infinite values: np.nan_to_num(image) if they may become black")
        if low < -_SLACK or high > 1 + _SLACK:
            causes = {
                "they look normalised by a mean and a deviation: undo that first": low < -0.1,
                "they look like 0..65535: divide by 65535": high > 256,
                "they look like 0..255: image.astype(np.uint8)": high > 2,
                "clip them, np.clip(image, 0, 1), if they should not be there": True,
            }
            cause = next(cause for cause, holds in causes.items() if holds)
            raise InvalidImageError(f"{name} has values {low:g}..{high:g}, but floats must lie in 0..1; {cause}")
        return np.asarray(cv2.convertScaleAbs(array.astype(np.float32, copy=False), alpha=255), np.uint8)
    hint = f" ({array.min()}..{array.max()})" if kind in "iu" else ""
    cure = "; if they are 0..255: image.astype(np.uint8)" if kind in "iu" else ""
    raise InvalidImageError(f"{name}{hint} is not an image: values are uint8, uint16, bool, or floats in 0..1{cure}")


def write_image(path: Path, image: NDArray[np.uint8], options: Sequence[int] = ()) -> None:
    """Write an RGB image (H, W, 3), whole or not at all, with OpenCV's options for its format.

    `InvalidOptionError` for a suffix of no known format, `InvalidImageError` for an image that the format cannot hold.
    """
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        raise InvalidOptionError(f"{path}: images are written to files ending in {', '.join(WRITTEN_SUFFIXES)}")
    try:
        done, data = cv2.imencode(path.suffix.lower(), image[..., ::-1], options)
    except cv2.error as error:
        raise InvalidImageError(f"cannot write {path}: {error}") from error
    if not done:  # a side is longer than the format allows
        height, width = image.shape[:2]
        raise InvalidImageError(f"cannot write {path}: {width} x {height} pixels; try .png")
    write_file(path, data.tobytes())
