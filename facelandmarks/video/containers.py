"""Whether a video file is whole, by what its container says of itself: sizes in bytes, and stored numbers of frames.

OpenCV's number of frames is a product of duration and rate where a container stores none (Matroska, WebM, transport
streams): longer sound, a variable rate or a late start make it wrong. What other containers do not say stays unknown.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # Matroska and WebM
INSIDE = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl")  # boxes that lead to what is needed
MOST_BYTES = 4096  # of a box that are read
MOST_BOXES = 100_000  # of one kind of parent: a hostile file may have any number
UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # of a RIFF file that was never finished


class Stored(NamedTuple):
    """What a container stores."""

    frames: float | None  # that are shown; None: it stores no number
    cut: bool  # the file ends before the container does


def read_container(path: Path) -> Stored:
    """Read what a file stores."""
    with path.open("rb") as file:
        end, head = file.seek(0, os.SEEK_END), _read(file, 0, 12)
        try:
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return _read_iso(file, end)
            if head[:4] == b"RIFF" and head[8:] == b"AVI ":
                start = 0
                while start + 8 <= end:
                    kind, size = struct.unpack("<4sI", _read(file, start, 8))
                    if kind != b"RIFF" or size in UNKNOWN_SIZES:
                        return Stored(None, cut=False)
                    start += 8 + size + size % 2
                # The last filling byte may be missing. The number of frames counts those that were dropped, too.
                return Stored(None, start > end + 1)
            if head[:4] == EBML:
                start, length = _ebml_size(file, 4)
                start += length or 0
                if _read(file, start, 4) == SEGMENT:
                    start, length = _ebml_size(file, start + 4)
                    return Stored(None, length is not None and start + length > end)
        except (struct.error, StopIteration):  # a header that ends early, or lies
            pass
    return Stored(None, cut=False)


def _read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


class _Box(NamedTuple):
    kind: bytes
    start: int  # of its content
    end: int


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    for _ in range(MOST_BOXES):
        if start + 8 > end:
            return
        (size, kind), head = struct.unpack(">I4s", _read(file, start, 8)), 8
        if size == 1:
            (size,) = struct.unpack(">Q", _read(file, start + 8, 8))
            head = 16
        size = end - start if size == 0 else size  # to the end of the file
        if size < head:
            return
        yield _Box(kind, start + head, start + size)
        start += size


def _read_iso(file: BinaryIO, end: int) -> Stored:
    """Read MP4, QuickTime and 3GP: the frames of the video track, as far as its edit list shows them."""
    tops = list(_boxes(file, 0, end))
    cut = any(box.end > end and box.kind in (b"mdat", b"moov", b"moof") for box in tops)  # not odd bytes at the end
    movie = next((box for box in tops if box.kind == b"moov"), None)
    if movie is None or any(box.kind == b"moof" for box in tops):  # fragments: the movie stores no number
        return Stored(None, cut)
    scale, _ = _times(next(_contents(file, movie, b"mvhd")))
    for track in (box for box in _boxes(file, movie.start, movie.end) if box.kind == b"trak"):
        if any(content[8:12] == b"vide" for content in _contents(file, track, b"hdlr")):
            (count,) = struct.unpack_from(">I", next(_contents(file, track, b"stsz", b"stz2")), 8)
            media_scale, media_length = _times(next(_contents(file, track, b"mdhd")))
            edits = next(_contents(file, track, b"elst"), None)
            if edits is None or not (scale and media_length):
                return Stored(count, cut)
            form = ">Qq4x" if edits[:1] == b"\1" else ">Ii4x"
            step = struct.calcsize(form)
            rows = struct.iter_unpack(form, edits[8 : 8 + (len(edits) - 8) // step * step])
            shown = sum(length for length, media_time in rows if media_time >= 0)  # a pause has the media time -1
            return Stored(count * min(1.0, shown / scale * media_scale / media_length), cut)
    return Stored(None, cut)


def _contents(file: BinaryIO, box: _Box, *kinds: bytes, depth: int = len(INSIDE)) -> Iterator[bytes]:
    """Yield the content of the boxes of these kinds inside of another."""
    for inner in _boxes(file, box.start, box.end):
        if inner.kind in kinds:
            yield _read(file, inner.start, min(MOST_BYTES, inner.end - inner.start))
        elif inner.kind in INSIDE and depth:
            yield from _contents(file, inner, *kinds, depth=depth - 1)


def _times(content: bytes) -> tuple[int, int]:
    """Return time scale and duration of `mvhd` or `mdhd`; version 1 has longer fields."""
    form, start = (">IQ", 20) if content[:1] == b"\1" else (">II", 12)
    scale, length = struct.unpack_from(form, content, start)
    return scale, length


def _ebml_size(file: BinaryIO, start: int) -> tuple[int, int | None]:
    """Return where the content of an element begins, and its bytes; None if it is open, as in live streams."""
    (first,) = struct.unpack("B", _read(file, start, 1))
    length = 9 - first.bit_length()  # the zeros before the first one say how many bytes follow
    if length > 8:
        raise struct.error("no size")
    value = int.from_bytes(_read(file, start, length), "big") - (1 << 7 * length)
    return start + length, None if value == (1 << 7 * length) - 1 else value
