"""Encoded pictures -> upright RGB arrays of the depth they are stored in.

OpenCV reads the formats that all its versions from 4.8 on read alike. Pillow reads the rest, among it JPEG 2000, where
a damaged file crashes the whole process in OpenCV 4. Orientation is always applied here, so that a file gives the same
picture under every version, from a path as from bytes.
"""

import logging
import os
import re
import stat
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidImageError, MissingDependencyError
from facelandmarks.images.headers import Header, read_header

__all__ = ["check_size", "decode", "pil_to_array", "read_file"]

_LOG = logging.getLogger(__name__)
_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
# EXIF orientation -> whether rows and columns are swapped, and how the result is flipped (cv2.flip: 0 rows, 1 columns).
_UPRIGHT: dict[int, tuple[bool, int | None]] = {
    1: (False, None),
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}

# Pillow has the same libraries here, and fills up with black what a damaged PNG lacks: OpenCV's word is final.
_OPENCV_ONLY = frozenset({"JPEG", "PNG", "WebP"})

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"

_INSTALL_PILLOW = 'pip install "facelandmarks-zoo[images]"'
# Pictures only: other plugins of Pillow read documents, and the one for EPS starts an external program.
_PILLOW_FORMATS = (
    *("PNG", "JPEG", "MPO", "BMP", "DIB", "PPM", "TIFF", "WEBP", "JPEG2000", "GIF"),
    *("AVIF", "HEIF", "ICO", "ICNS", "TGA", "PSD", "SGI", "PCX", "QOI"),
)
_CURES: dict[str | None, str] = {
    "AVIF": "install Pillow 11.3 or newer, or convert it to PNG",
    "HEIC": "install pillow-heif and call pillow_heif.register_heif_opener(), or convert it to PNG",
}
_PILLOW_MAGIC = {
    "GIF": rb"GIF8[79]a",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "AVIF": rb"....ftypavi[fs]",
    "HEIC": rb"....ftyp(?:hei[cxms]|hev[cx]|mif1|msf1)",
    "ICO": rb"\0\0\x01\0[^\0]\0",
    "Photoshop": rb"8BPS",
    "QOI": rb"qoif",
    "BigTIFF": rb"II\+\0|MM\0\+",
}
_OTHER_FILES = {
    rb"version https://git-lfs": "a git-lfs pointer, not the picture itself: run `git lfs pull`",
    rb"(?i)<!doctype html|<html|<head|<body": "HTML, perhaps an error page saved under the picture's name",
    rb"(?is)(?:<\?xml.*?)?(?:<!doctype svg.*?)?<svg": "an SVG drawing: convert it to PNG first",
    rb"%PDF": "a PDF document: convert the page to PNG first",
    rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!": "an archive: unpack it first",
    rb"(?s)....ftyp|\x1aE\xdf\xa3|RIFF....AVI ": "a video: pass one of its frames",
    rb'[\[{]\s*["\[\]{}\d]': "JSON",
    rb"\0+\Z": "nothing but zero bytes: a download that broke off?",
    rb"[\t\n\r -~]+\Z": "text",
}


def read_file(path: str | os.PathLike[Any]) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    path : str or os.PathLike
        A regular file; a link is followed.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidImageError
        If there is no such file, it is a directory or a pipe (which is not waited for), or it may not be read.
    """
    name = os.fsdecode(path)
    try:
        mode = Path(name).stat().st_mode
    except FileNotFoundError as error:
        hint = " (a URL: download it first)" if "://" in name else ""
        raise InvalidImageError(f"no such file: {name:.200}{hint}") from error
    except (OSError, ValueError) as error:
        raise InvalidImageError(f"cannot read {name[:200]!r}: {error}") from error
    if stat.S_ISDIR(mode):
        raise InvalidImageError(f"{name} is a directory, not a picture: pass the files in it one by one")
    if not stat.S_ISREG(mode):
        raise InvalidImageError(f"{name} is a pipe, socket or device, not a file: read it and pass the bytes")
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InvalidImageError(f"cannot read {name}: {error.strerror}") from error


def decode(data: bytes, name: str, max_pixels: int, allow_truncated: bool = False) -> NDArray[Any]:
    """Decode a picture file.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        What to call it in messages.
    max_pixels : int
        Largest width x height; checked before anything of that size is allocated.
    allow_truncated : bool
        Whether to take a JPEG that ends early.

    Returns
    -------
    ndarray
        RGB (H, W, 3) uint8 or uint16, or grey (H, W) uint16 or float32; upright, without alpha, first frame or page.

    Raises
    ------
    InvalidImageError
        If it is no picture, cut, damaged, or too large.
    MissingDependencyError
        If it is a picture that needs Pillow, and Pillow is not installed.
    """
    if not data:
        raise InvalidImageError(f"{name} is empty (0 bytes)")
    if allow_truncated and data.startswith(_JPEG_START):
        data += _JPEG_END
    try:
        header = read_header(data)
    except ValueError as error:
        raise InvalidImageError(f"{name} cannot be read: {error}") from error
    if header is None:
        _refuse_other_files(data, name)
        return _decode_with_pillow(data, name, None, max_pixels)
    check_size((header.width, header.height), name, max_pixels)
    picture = _decode_with_opencv(header) if header.opencv else None
    if picture is not None:
        if header.several:
            _say_which(name)
        return picture
    if header.opencv and header.format in _OPENCV_ONLY:
        raise InvalidImageError(f"{name} cannot be decoded: the {header.format} data is damaged")
    return _decode_with_pillow(data, name, header, max_pixels)


def check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    """Raise InvalidImageError for a picture without pixels or with more than `max_pixels`."""
    width, height = size
    if width <= 0 or height <= 0:
        raise InvalidImageError(f"{name} has no pixels: its header says {width} x {height}")
    if width * height > max_pixels:
        raise InvalidImageError(
            f"{name} is too large: {width} x {height} pixels, more than max_pixels={max_pixels}; "
            "shrink it, or raise max_pixels if you trust the file"
        )


def pil_to_array(image: Any, name: str) -> NDArray[Any]:
    """Pixels of a PIL image: RGB (H, W, 3) uint8, or for its deep grey modes (H, W) uint16 or float32."""
    if image.mode == "F" or image.mode.startswith("I;16"):
        return np.array(image)
    if image.mode == "I":  # Pillow's older name for 16-bit grey
        grey = np.array(image)
        if grey.size and (grey.min() < 0 or grey.max() > 65535):
            raise InvalidImageError(
                f"{name} has 32-bit values {grey.min()}..{grey.max()}, and only 0..65535 have a known brightness: "
                "scale them to 8 or 16 bits"
            )
        return grey.astype(np.uint16)
    if "transparency" in image.info:  # straight to RGB, Pillow would warn
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def _decode_with_opencv(header: Header) -> NDArray[Any] | None:
    try:
        picture = cv2.imdecode(np.frombuffer(header.data, np.uint8), _FLAGS)
    except cv2.error:
        return None
    if picture is None:
        return None
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    transposed, flip = _UPRIGHT[header.orientation]
    picture = cv2.transpose(picture) if transposed else picture
    return picture if flip is None else cv2.flip(picture, flip)


def _decode_with_pillow(data: bytes, name: str, header: Header | None, max_pixels: int) -> NDArray[Any]:
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise _without_pillow(data, name, header) from error
    Image.init()
    formats = [known for known in _PILLOW_FORMATS if known in Image.OPEN]
    try:
        with Image.open(BytesIO(data), formats=formats) as image:
            check_size(image.size, name, max_pixels)
            if getattr(image, "is_animated", False):
                _say_which(name)
            return pil_to_array(ImageOps.exif_transpose(image), name)
    except UnidentifiedImageError as error:
        kind = header.format if header else _pillow_format(data)
        cure = _CURES.get(kind, "convert it to PNG")
        known = f"a {kind} picture that neither OpenCV nor Pillow can read" if kind else "no picture in a known format"
        raise InvalidImageError(f"{name} is {known} (first bytes {data[:8]!r}): {cure}") from error
    except InvalidImageError:
        raise
    except Exception as error:  # Pillow's plugins raise what their parsers stumble over, of a dozen classes
        raise InvalidImageError(f"{name} cannot be decoded: {error} ({type(error).__name__})") from error


def _say_which(name: str) -> None:
    _LOG.info("%s has several frames or pages: the first is read", name)


def _without_pillow(data: bytes, name: str, header: Header | None) -> Exception:
    """The error for a file that OpenCV does not read where Pillow is not installed."""
    kind = header.format if header else _pillow_format(data)
    if kind is not None and not (header and header.opencv):
        return MissingDependencyError(f"{name} is a {kind} picture that only Pillow reads: {_INSTALL_PILLOW}")
    what = f"a damaged or unusual {kind} picture" if kind else f"in no known format (first bytes {data[:8]!r})"
    return InvalidImageError(f"{name} is {what}; more kinds can be read with Pillow: {_INSTALL_PILLOW}")


def _pillow_format(data: bytes) -> str | None:
    return next((name for name, magic in _PILLOW_MAGIC.items() if re.match(magic, data, re.DOTALL)), None)


def _refuse_other_files(data: bytes, name: str) -> None:
    """Say what a file is that is plainly no picture; anything in doubt passes."""
    if _pillow_format(data):
        return
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    what = next((what for magic, what in _OTHER_FILES.items() if re.match(magic, start)), None)
    if what is not None:
        raise InvalidImageError(f"{name} is not a picture: it looks like {what}")
