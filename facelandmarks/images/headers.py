"""What an encoded picture says about itself before it is decoded: format, size, orientation, whether it is complete.

Read here and not by a decoder, because OpenCV reads a cut JPEG as a half-grey picture without a word, allocates what a
header claims, and turns pictures upright in some formats of some versions only.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Header", "read_header"]

_CUT = "the file ends early: a download that broke off?"

# The next JPEG marker: FF00 is a data byte, FFD0..FFD7 are restarts inside the data, FFFF is filling.
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, 0xD8})
_JPEG_EXIF, _JPEG_END = 0xE1, 0xD9
_EXIF_PREFIX = b"Exif\0\0"

_PNG_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})

_PNM_NUMBER = rb"(?:\s|#[^\n]*\n)+(\d{1,9})"
_PNM_BITMAP = re.compile(rb"P[14]" + 2 * _PNM_NUMBER + rb"()\s")
_PNM_GREY_OR_COLOUR = re.compile(rb"P[2356]" + 3 * _PNM_NUMBER + rb"\s")
_PNM_WHITES = frozenset({b"", b"255", b"65535"})

_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_ORIENTATION, _TIFF_EXTRA_SAMPLES = 256, 257, 258, 274, 338
_TIFF_USED = frozenset({_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_ORIENTATION, _TIFF_EXTRA_SAMPLES})
# Kind of value -> its code in struct, and how many fit into the directory itself.
_TIFF_INTEGERS = {3: ("H", 2), 4: ("I", 1)}


@dataclass(frozen=True)
class Header:
    """What the header of an encoded picture says.

    Attributes
    ----------
    format : str
        Name of the format, for messages.
    width, height : int
        Size as stored, in pixels, before the orientation is applied.
    data : bytes
        What to decode: the file, without what OpenCV's versions treat differently.
    orientation : int
        EXIF orientation, 1 to 8.
    opencv : bool
        Whether every OpenCV from 4.8 on reads such a file, and all alike.
    several : bool
        Whether there are more frames or pages than the one that is decoded.
    """

    format: str
    width: int
    height: int
    data: bytes
    orientation: int = 1
    opencv: bool = True
    several: bool = False


def read_header(data: bytes) -> Header | None:
    """Read the header of an encoded picture and check that the file is complete.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    Header or None
        None for anything that OpenCV is not trusted with.

    Raises
    ------
    ValueError
        If the file is cut or damaged; the message says how.
    """
    parser = next((parse for magic, parse in _PARSERS if re.match(magic, data, re.DOTALL)), None)
    if parser is None:
        return None
    try:
        return parser(data)
    except (struct.error, IndexError) as error:
        raise ValueError(_CUT) from error


def _tiff_tags(data: bytes) -> Iterator[tuple[int, tuple[int, int]]]:
    """First directory of a TIFF structure (TIFF files, EXIF blocks): tag, (first value, where it stands)."""
    order = _TIFF_ORDERS[data[:4]]
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, length, offset = struct.unpack_from(order + "HHII", data, entry)
        code, inside = _TIFF_INTEGERS.get(kind, ("", 0))
        where = entry + 8 if length <= inside else offset
        if code and where + struct.calcsize(code) <= len(data):
            yield tag, (struct.unpack_from(order + code, data, where)[0], where)


def _exif_orientation(exif: bytes) -> int:
    """Orientation of an EXIF block; a missing, damaged or undefined one means upright, as in every viewer."""
    tags = _tiff_tags(exif.removeprefix(_EXIF_PREFIX))
    try:  # a block that is cut after the orientation still has it
        orientation = next((value for tag, (value, _) in tags if tag == _TIFF_ORIENTATION), 1)
    except (struct.error, KeyError):
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _jpeg(data: bytes) -> Header:
    size: tuple[int, int] | None = None
    exif = b""
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        marker, position = data[found.start() + 1], found.end()
        if marker == _JPEG_END and size is not None:
            return Header("JPEG", *size, data, _exif_orientation(exif))
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
        # A chunk that decoders may ignore (lower-case initial), as a colour profile, may be damaged.
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if kind[:1].isupper() and zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise ValueError(f"wrong checksum in chunk {kind.decode('latin-1')}: the file is damaged")
        chunks.append((kind, position, end))
        position = end
    width, height = struct.unpack_from(">II", data, 16)
    exif = next((data[start + 8 : end - 4] for kind, start, end in chunks if kind == b"eXIf"), b"")
    kinds = {kind for kind, _, _ in chunks}
    if chunks[0][0] != b"IHDR" or b"IDAT" not in kinds:
        raise ValueError("it holds no picture data: the file is damaged")
    if kinds & _PNG_ANIMATION:
        # OpenCV 5 shows the animation's first frame, OpenCV 4 and Pillow the picture for viewers without animation.
        data = data[:8] + b"".join(view[start:end] for kind, start, end in chunks if kind not in _PNG_ANIMATION)
    return Header("PNG", width, height, data, _exif_orientation(exif), several=bool(kinds & _PNG_ANIMATION))


def _webp(data: bytes) -> Header:
    end = 8 + int(struct.unpack_from("<I", data, 4)[0])
    if end > len(data):
        raise ValueError(_CUT)
    size: tuple[int, int] | None = None
    exif, animated = b"", False
    position = 12
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, position)
        body = position + 8
        animated = animated or kind == b"ANIM"
        if kind in _WEBP_SIZES and size is None:
            size = _WEBP_SIZES[kind](data, body)
        if kind == b"EXIF":
            exif = data[body : body + length]
        position = body + length + length % 2
    if size is None:
        raise ValueError("it holds no picture data: the file is damaged")
    return Header("WebP", *size, data, _exif_orientation(exif), opencv=not animated, several=animated)


def _webp_canvas(data: bytes, body: int) -> tuple[int, int]:
    width, height = (int.from_bytes(data[start : start + 3], "little") for start in (body + 4, body + 7))
    return width + 1, height + 1


def _webp_lossy(data: bytes, body: int) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, body + 6)
    return width & 0x3FFF, height & 0x3FFF  # the upper two bits are a scale for display


def _webp_lossless(data: bytes, body: int) -> tuple[int, int]:
    (bits,) = struct.unpack_from("<I", data, body + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _bmp(data: bytes) -> Header:
    (kind,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if kind == 12 else "<ii", data, 18)
    return Header("BMP", width, abs(height), data)  # a negative height: stored from the top


def _tiff(data: bytes) -> Header:
    entries = [(tag, value) for tag, value in _tiff_tags(data) if tag in _TIFF_USED]
    tags = dict(entries)
    if len(tags) < len(entries):  # decoders differ in which they follow, and one could hide a size beyond the limit
        raise ValueError("a field of the header is there twice: the file is damaged")
    width, height = (tags.get(tag, (0, 0))[0] for tag in (_TIFF_WIDTH, _TIFF_HEIGHT))
    orientation, where = tags.get(_TIFF_ORIENTATION, (1, 0))
    if where and orientation != 1:
        # OpenCV turns TIFFs whatever the flags say, and 5.0.0 fails at it: it gets the file as if it were upright.
        data = data[:where] + struct.pack(_TIFF_ORDERS[data[:4]] + "H", 1) + data[where + 2 :]
    # OpenCV multiplies 8-bit colours by their alpha; elsewhere the alpha is dropped.
    alpha = _TIFF_EXTRA_SAMPLES in tags and tags.get(_TIFF_BITS, (1, 0))[0] == 8
    orientation = orientation if 1 <= orientation <= 8 else 1
    return Header("TIFF", width, height, data, orientation, opencv=not alpha, several=_tiff_goes_on(data))


def _tiff_goes_on(data: bytes) -> bool:
    """Whether a second directory, that is a second page, follows the first."""
    order = _TIFF_ORDERS[data[:4]]
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    after = start + 2 + 12 * count
    # Some writers leave the link out at the end of the file.
    return after + 4 <= len(data) and data[after : after + 4] != bytes(4)


def _pnm(data: bytes) -> Header:
    found = _PNM_BITMAP.match(data) or _PNM_GREY_OR_COLOUR.match(data)
    if found is None:
        raise ValueError("no width and height after the magic number")
    # OpenCV does not scale other whites than these.
    return Header("PNM", int(found[1]), int(found[2]), data, opencv=found[3] in _PNM_WHITES)


_WEBP_SIZES: dict[bytes, Callable[[bytes, int], tuple[int, int]]] = {
    b"VP8X": _webp_canvas,
    b"VP8 ": _webp_lossy,
    b"VP8L": _webp_lossless,
}

_PARSERS: tuple[tuple[bytes, Callable[[bytes], Header]], ...] = (
    (rb"\xff\xd8(?:\xff|\Z)", _jpeg),
    (rb"\x89PNG", _png),
    (rb"RIFF....WEBP", _webp),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", _bmp),
    (rb"II\*\0|MM\0\*", _tiff),
    (rb"P[1-6][\s#]", _pnm),
)
