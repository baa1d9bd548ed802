"""Image files -> upright arrays of the depth they are stored in; and PIL images, as Pillow gives those for files.

OpenCV decodes JPEG, PNG, WebP, BMP, PNM and 16-bit TIFF, Pillow the rest: among it JPEG 2000, where a damaged file
crashes the whole process in OpenCV 4. But OpenCV must not judge them: it reads a cut JPEG as a half-grey image without
a word, allocates what a header claims, and turns some formats upright in some of its versions only. So JPEG and PNG are
walked to their end. Orientation is always applied here, so that a file gives the same image under
every version, from a path as from bytes.
"""

import logging
import os
import re
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.errors import InvalidImageError, MissingImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

_LOG = logging.getLogger(__name__)
_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
# EXIF orientation -> whether rows and columns are swapped, and how the result is flipped (cv2.flip: 0 rows, 1 columns).
_UPRIGHT: dict[int, tuple[bool, int | None]] = {
    1: (False, None), 2: (False, 1), 3: (False, -1), 4: (False, 0),
    5: (True, None), 6: (True, 1), 7: (True, -1), 8: (True, 0),
}  # fmt: skip
_JPEG_START, _JPEG_STOP = b"\xff\xd8", b"\xff\xd9"
# Images only: other plugins of Pillow read documents, and the one for EPS starts an external program.
_PILLOW_FORMATS = (
    *("BMP", "DIB", "PPM", "GIF", "TIFF", "WEBP", "JPEG2000"),
    *("AVIF", "HEIF", "ICO", "ICNS", "TGA", "PSD", "SGI", "PCX", "QOI"),
)
_FASTER_WITH_OPENCV = frozenset({"WEBP", "BMP"})
_HEIC = rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)"
_UNREADABLE = {
    rb"....ftypavi[fs]": "an AVIF image: install Pillow 11.3 or newer, or convert it to PNG",
    _HEIC: 'a HEIC image: pip install "facelandmarks-zoo[heic]", or convert it to PNG',
    rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ": "a video: pass one of its frames",
    rb"version https://git-lfs": "a git-lfs pointer, not the image itself: run `git lfs pull`",
    rb"\s*(?i:<!doctype html|<html|<head|<body)": "HTML, perhaps an error page saved under the image's name",
}
_FILTERS = threading.Lock()
_CUT = "the file ends early, perhaps because a download broke off"

# The next JPEG marker: FF00 is a data byte, FFD0..FFD7 are restarts inside the data, FFFF is filling.
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, 0xD8})
_JPEG_EXIF, _JPEG_END = 0xE1, 0xD9
_EXIF_PREFIX = b"Exif\0\0"
_PNG_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_PNM = re.compile(rb"P[56]" + 2 * rb"(?:\s|#[^\n]*\n)+(\d{1,9})" + rb"(?:\s|#[^\n]*\n)+(?:255|65535)\s")
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_ORIENTATION, _TIFF_SAMPLES = 256, 257, 258, 274, 277


def read_file(path: str | os.PathLike[Any]) -> bytes:
    """Read a whole file; `InvalidImageError` if it is missing, may not be read, or is a pipe (not waited for)."""
    name = os.fsdecode(path)
    try:
        mode = Path(name).stat().st_mode
    except FileNotFoundError as error:
        hint = " (a URL: download it first)" if "://" in name else ""
        raise MissingImageError(f"no such file: {name:.200}{hint}") from error
    except (OSError, ValueError) as error:
        raise InvalidImageError(f"cannot read {name[:200]!r}: {error}") from error
    if stat.S_ISDIR(mode):
        raise InvalidImageError(f"{name} is a directory, not an image: pass the files in it one by one")
    if not stat.S_ISREG(mode):
        raise InvalidImageError(f"{name} is a pipe, socket or device, not a file: read it and pass the bytes")
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InvalidImageError(f"cannot read {name}: {error.strerror}") from error


def decode(data: bytes, name: str, max_pixels: int, allow_truncated: bool = False) -> NDArray[Any]:
    """Decode an image file; `name` stands for it in messages, and `max_pixels` is checked before its pixels are read.

    The result is RGB (H, W, 3) uint8 or uint16, or grey (H, W) uint16 or float32; upright, without alpha.
    """
    if not data:
        raise InvalidImageError(f"{name} is empty (0 bytes)")
    if allow_truncated and data.startswith(_JPEG_START):
        data += _JPEG_STOP
    try:
        header = read_header(data)
    except ValueError as error:
        raise InvalidImageError(f"{name} cannot be read: {error}") from error
    if header is None:
        return _decode_with_pillow(data, name, max_pixels)
    check_size((header.width, header.height), name, max_pixels)
    pixels = _decode_with_opencv(header.data)
    if pixels is None:
        raise InvalidImageError(f"{name} cannot be decoded: the {header.format} data is damaged")
    if header.several:
        _say_which(name)
    return _upright(pixels, exif_orientation(header.exif)) if header.exif else pixels


def check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    """Raise `InvalidImageError` for an image without pixels or with more than `max_pixels`."""
    width, height = size
    if width <= 0 or height <= 0:
        raise InvalidImageError(f"{name} has no pixels: its header says {width} x {height}")
    if width * height > max_pixels:
        raise InvalidImageError(
            f"{name} is too large: {width} x {height} pixels, more than max_pixels={max_pixels}; "
            "shrink it, or raise max_pixels if you trust the file"
        )


def pil_to_array(image: "PILImage", name: str) -> NDArray[Any]:
    """Return the pixels of a PIL image: RGB (H, W, 3) uint8, or (H, W) uint16 or float32 for its deep grey modes."""
    try:
        if image.mode == "F" or image.mode.startswith("I;16"):
            return np.array(image)
        if image.mode != "I":
            # Pillow warns if a transparent palette becomes RGB in one step.
            image = image.convert("RGBA") if "transparency" in image.info else image
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
        grey = np.array(image)  # Pillow's older name for 16-bit grey
    except Exception as error:  # pixels are read as late as here, and plugins raise errors of a dozen classes
        raise InvalidImageError(f"{name} cannot be decoded: {error} ({type(error).__name__})") from error
    if grey.size and (grey.min() < 0 or grey.max() > 65535):
        values = f"32-bit values {grey.min()}..{grey.max()}, and only 0..65535 have a known brightness"
        raise InvalidImageError(f"{name} has {values}: scale them to 8 or 16 bits")
    return grey.astype(np.uint16)


def _decode_with_pillow(data: bytes, name: str, max_pixels: int) -> NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    Image.init()
    if re.match(_HEIC, data, re.DOTALL):
        with suppress(ImportError):  # else the error below says what to install
            from pillow_heif import register_heif_opener

            register_heif_opener()
    formats = [known for known in _PILLOW_FORMATS if known in Image.OPEN]
    try:
        with _without_warnings():
            image = Image.open(BytesIO(data), formats=formats)
            image.getexif()  # kept by the image
            several = getattr(image, "is_animated", False)
    except UnidentifiedImageError as error:
        start = data[:4096].removeprefix(b"\xef\xbb\xbf")
        what = next((what for magic, what in _UNREADABLE.items() if re.match(magic, start, re.DOTALL)), None)
        what = what or f"not an image in a known format (first bytes {data[:8]!r})"
        raise InvalidImageError(f"{name} is {what}") from error
    except Image.DecompressionBombError as error:
        raise InvalidImageError(f"{name} is too large: {error} (the limit is PIL.Image.MAX_IMAGE_PIXELS)") from error
    except Exception as error:  # as in `pil_to_array`
        raise InvalidImageError(f"{name} cannot be decoded: {error} ({type(error).__name__})") from error
    check_size(image.size, name, max_pixels)
    warned = Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS
    with image, _without_warnings() if warned else nullcontext():
        quick = image.format in _FASTER_WITH_OPENCV and not several
        pixels = _decode_with_opencv(data) if quick else None
        if several:
            _say_which(name)
        pixels = pil_to_array(image, name) if pixels is None else pixels
        return _upright(pixels, image.getexif().get(_TIFF_ORIENTATION, 1))  # only now: Pillow turns TIFFs itself


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence Pillow's warnings of large images, for which there is `max_pixels`, and of damaged EXIF."""
    # Filters belong to all threads: the lock keeps two of ours from restoring each other's.
    with _FILTERS, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _decode_with_opencv(data: bytes) -> NDArray[Any] | None:
    """Return pixels as stored, RGB (H, W, 3); None if OpenCV cannot decode them."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error:
        return None
    return None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _upright(pixels: NDArray[Any], orientation: Any) -> NDArray[Any]:
    transposed, flip = _UPRIGHT.get(orientation, (False, None))  # other files than JPEG may say anything
    pixels = cv2.transpose(pixels) if transposed else pixels
    return pixels if flip is None else cv2.flip(pixels, flip)


def _say_which(name: str) -> None:
    _LOG.info("%s has several frames or pages: the first is read", name)


def path_of(image: Any) -> str | None:
    """Return the absolute path of an image that is a file, else None: pixels are not kept for a result's sake."""
    return os.path.abspath(os.fsdecode(image)) if isinstance(image, str | os.PathLike) else None  # noqa: PTH100


@dataclass(frozen=True)
class Header:
    """What is known of a file before OpenCV decodes it."""

    format: str
    width: int  # pixels as stored, before the orientation is applied
    height: int
    data: bytes  # to decode: the file without what OpenCV's versions treat differently
    exif: bytes = b""  # its EXIF block, if it has one
    several: bool = False  # it holds more frames than this one


def read_header(data: bytes) -> Header | None:
    """Read the header of a file, or return None if Pillow has to; `ValueError` says how a file is cut or damaged."""
    try:
        if re.match(rb"\xff\xd8(?:\xff|\Z)", data):
            return _jpeg(data)
        if data.startswith(b"\x89PNG"):
            return _png(data)
    except (struct.error, IndexError) as error:
        raise ValueError(_CUT) from error
    if found := _PNM.match(data):  # Pillow reads 16 bits in a loop of Python; OpenCV does not scale other whites
        return Header("PNM", int(found[1]), int(found[2]), data)
    # A TIFF with 16-bit colours, which Pillow would cut to 8 bits.
    tags = _tiff_integers(data)
    if len(dict(tags)) < len(tags):
        return None  # OpenCV and Pillow follow different ones of two equal tags: one could hide a size over the limit
    width, height, bits, orientation, samples = (
        dict(tags).get(tag, 1) for tag in (_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_ORIENTATION, _TIFF_SAMPLES)
    )
    upright = (bits, orientation) == (16, 1) and samples in (3, 4)
    return Header("TIFF", width, height, data) if upright else None


def _jpeg(data: bytes) -> Header:
    size: tuple[int, int] | None = None
    exif = b""
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        marker, position = data[found.start() + 1], found.end()
        if marker == _JPEG_END and size is not None:
            return Header("JPEG", *size, data, exif)
        if marker in _JPEG_WITHOUT_LENGTH or marker == _JPEG_END:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if marker in _JPEG_SIZES and size is None:
            height, width = struct.unpack_from(">HH", data, position + 3)
            size = width, height
        if marker == _JPEG_EXIF and not exif and data.startswith(_EXIF_PREFIX, position + 2):
            exif = data[position + 2 : position + length]
        position += length
    raise ValueError(f"no end-of-image marker: {_CUT}")


def _png(data: bytes) -> Header:
    view = memoryview(data)
    chunks: list[tuple[bytes, int, int]] = []
    position = 8
    while not chunks or chunks[-1][0] != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise ValueError(_CUT)
        # A chunk that decoders may ignore (lower-case initial), such as a colour profile, may be damaged.
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if kind[:1].isupper() and zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise ValueError(f"wrong checksum in chunk {kind.decode('latin-1')}: the file is damaged")
        chunks.append((kind, position, end))
        position = end
    width, height = struct.unpack_from(">II", data, 16)
    exif = next((data[start + 8 : end - 4] for kind, start, end in chunks if kind == b"eXIf"), b"")
    kinds = {kind for kind, _, _ in chunks}
    if chunks[0][0] != b"IHDR" or b"IDAT" not in kinds:
        raise ValueError("it holds no image data: the file is damaged")
    animated = bool(kinds & _PNG_ANIMATION)
    if animated:
        # OpenCV 5 shows the animation's first frame; OpenCV 4 and Pillow show the image for other viewers.
        data = data[:8] + b"".join(view[start:end] for kind, start, end in chunks if kind not in _PNG_ANIMATION)
    return Header("PNG", width, height, data, exif, animated)


def exif_orientation(exif: bytes) -> int:
    """Return the orientation of an EXIF block; 1 if it is missing, damaged or undefined, as in every viewer."""
    tags = _tiff_integers(exif.removeprefix(_EXIF_PREFIX))
    orientation = next((value for tag, value in tags if tag == _TIFF_ORIENTATION), 1)
    return orientation if 1 <= orientation <= 8 else 1


def _tiff_integers(data: bytes) -> list[tuple[int, int]]:
    """Return tags and first values of the whole numbers in the first directory of a TIFF structure, as EXIF is one."""
    found: list[tuple[int, int]] = []
    try:
        order = _TIFF_ORDERS[data[:4]]
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
    except (struct.error, KeyError):
        return found
    for entry in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):  # as many as there are in a cut one
        tag, kind, length, offset = struct.unpack_from(order + "HHII", data, entry)
        code, inside = {3: ("H", 2), 4: ("I", 1)}.get(kind, ("", 0))
        where = entry + 8 if length <= inside else offset
        if code and where + struct.calcsize(code) <= len(data):
            found.append((tag, struct.unpack_from(order + code, data, where)[0]))
    return found
