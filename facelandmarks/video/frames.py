"""Frames of a video file, of a camera, or of your own images; and whether a file is whole, by what it says of itself.

A container says sizes in bytes and, some of them, numbers of frames. OpenCV's number of frames is a product of duration
and rate where a container stores none (Matroska, WebM, transport streams): longer sound, a variable rate or a late
start make it wrong. What other containers do not say stays unknown.
"""

import os
import struct
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2, silent_opencv
from facelandmarks._rules import is_number, is_whole
from facelandmarks.errors import InvalidOptionError, MissingVideoError, VideoError
from facelandmarks.images import ColorOrder, check_several, load_image

Source = str | os.PathLike[str] | int
FALLBACK_RATE = 30.0  # frames per second, where a camera or a file does not say
NO_CAMERA = "is there a camera of that number, free to be used? Cameras count from 0; /dev/videoN is number N on Linux"
# Signatures of playlist files, which would make FFmpeg open other local files.
PLAYLISTS = (b"#EXTM3U", b"ffconcat version")
PROBED = 1 << 20  # bytes: FFmpeg looks this far for a signature, whatever comes before
EARLIEST = -1.0  # seconds: codecs may start a little before 0; more than that is damage
MISSED = 0.05  # share of the stored frames that may be missing: decoders drop some at the ends


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a video: its index from 0, its time in seconds from the start, RGB pixels (H, W, 3), upright."""

    index: int
    time: float
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class VideoInfo:
    """What a source says of itself: mean frames per second, size in pixels, number of frames.

    Some containers store no number of frames: then it is an estimate, or None.
    """

    rate: float
    width: int
    height: int
    count: int | None


class TruncatedVideoWarning(UserWarning):
    """A file is cut or damaged: not all of its frames can be read."""


class Video:
    """An open file (a path) or camera (a number, from 0); iterate over it once for its frames.

    `VideoError` if it cannot be opened, or has no frame; `TruncatedVideoWarning` if it ends before its container does,
    or before the number of frames that is stored there.
    """

    def __init__(self, source: Source) -> None:
        opened: str | int
        if isinstance(source, str | os.PathLike):
            opened = self.name = os.fspath(source)
            _check_file(Path(source), self.name)
        elif is_whole(source, 0):  # OpenCV ends the process for -1
            opened, self.name = int(source), f"camera {source}"
        else:
            raise VideoError(f"a video is the path of a file, or the number of a camera from 0; got {source!r}")
        with silent_opencv():  # each backend that it tries would warn
            self._capture = cv2.VideoCapture(opened)
        self.live = isinstance(opened, int)
        if not self._capture.isOpened():
            why = NO_CAMERA if self.live else "it is not a video, or cut or damaged"
            raise VideoError(f"cannot open {self.name}: {why}")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        announced = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.info = VideoInfo(
            rate=rate if 0 < rate < 1000 else FALLBACK_RATE,
            width=int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            count=announced if announced > 0 and not self.live else None,
        )

    def __iter__(self) -> Iterator[Frame]:
        start, last, index = time.monotonic(), EARLIEST, 0
        while self._capture.grab():
            shown = time.monotonic() - start if self.live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Some streams have no times, or times that stand still: then the rate gives them.
            shown = shown if last < shown < np.inf else max(last, 0.0) + (1 / self.info.rate if index else 0.0)
            good, image = self._capture.retrieve()
            if not good:
                break
            code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
            yield Frame(index, shown, np.asarray(cv2.cvtColor(image, code), np.uint8))
            last, index = shown, index + 1
        else:
            good = True
        if not index:
            raise VideoError(f"{self.name} has no frame that can be read")
        if self.live:
            return
        # What its container says, or the decoder does.
        stored, why = read_container(Path(self.name)), ""
        if stored.frames and index < stored.frames - max(1, MISSED * stored.frames):
            why = f"breaks off after {index} of {stored.frames:.0f} frames"
        elif stored.cut or not good:
            why = f"breaks off after {index} frames"
        if why:
            warnings.warn(f"{self.name} {why}: the file is cut or damaged", TruncatedVideoWarning, stacklevel=2)

    def close(self) -> None:
        """Release the file or the camera."""
        self._capture.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_file(path: Path, name: str) -> None:
    """Raise `VideoError` for a file that OpenCV must not, or cannot, open."""
    if not os.path.exists(path):  # noqa: PTH110 (for names that are too long, too)
        hint = " (an address: download it first; streams of a network are not read)" if "://" in name else ""
        raise MissingVideoError(f"no such file: {name}{hint}")
    if not path.is_file():
        raise VideoError(f"{path} is a folder, pipe or device, not a video file")
    check_name(name)
    try:
        with path.open("rb") as file:
            head = file.read(PROBED)
    except OSError as error:
        raise VideoError(f"cannot read {path}: {error.strerror or error}") from error
    if not head:
        raise VideoError(f"{path} is empty")
    if any(signature in head for signature in PLAYLISTS):
        raise VideoError(f"{path} is a list of other files, not a video: open those by name")


def check_name(name: str) -> None:
    """Raise `VideoError` for a path that is not UTF-8: OpenCV would end the process."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise VideoError(f"{name!r} is not UTF-8, which OpenCV needs: rename the file or its folder") from error


def read_video(source: Source) -> Iterator[Frame]:
    """Read the frames of a `Video`, opened at once: upright, with the times of the file."""
    video = Video(source)

    def frames() -> Iterator[Frame]:
        with video:
            yield from video

    return frames()


def as_frames(images: Iterable[Any], rate: float, *, color: ColorOrder = "rgb") -> Iterator[Frame]:
    """Turn images, in any form that `Model.predict` takes, into frames, `rate` of them per second."""
    check_several(images)
    if not (is_number(rate) and 0 < rate < np.inf):
        raise InvalidOptionError(f"rate must be a positive number of frames per second; got {rate!r}")
    rate = float(rate)  # a fraction, or a float32, would give times like it
    return (Frame(index, index / rate, load_image(image, color=color)) for index, image in enumerate(images))


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
