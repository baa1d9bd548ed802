"""What JPEG, PNG, PNM and 16-bit TIFF files say about themselves: size, orientation, whether they are complete.

OpenCV decodes these, but must not judge them: it reads a cut JPEG as a half-grey image without a word, allocates what
a header claims, and turns some formats upright in some of its versions only. So JPEG and PNG are walked to their end.
"""

import re
import struct
import zlib
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Header:
    """What is known of a file before OpenCV decodes it."""

    format: str
    width: int  # pixels as stored, before the orientation is applied
    height: int
    data: bytes  # to decode: the file without what OpenCV's versions treat differently
    orientation: int = 1  # of EXIF, 1 to 8
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
            return Header("JPEG", *size, data, exif_orientation(exif))
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
    return Header("PNG", width, height, data, exif_orientation(exif), animated)


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
