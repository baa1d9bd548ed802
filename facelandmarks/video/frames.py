"""Pictures in time: frames of a file, of a camera, or of one's own."""

import os
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidOptionError, VideoError
from facelandmarks.images import ColorOrder, load_image

Source = str | os.PathLike[str] | int
FALLBACK_RATE = 30.0  # frames a second, where a camera or a file does not say
NO_CAMERA = "is there a camera of that number, free to be used? Cameras count from 0; /dev/videoN is number N on Linux"
# Of texts that FFmpeg takes for videos and that name other files, of which it would then show the frames.
PLAYLISTS = (b"#EXTM3U", b"ffconcat version")
PROBED = 1 << 20  # bytes: as far as FFmpeg looks for what a file is, whatever stands before
EARLIEST = -1.0  # seconds: a little before the start is a delay of the codec, more than that is damage
MISSED = 0.05  # share of the announced frames that may be missing: some containers only estimate their number


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes
    ----------
    index
        Counted from 0.
    time
        When it is shown, in seconds from the start.
    image
        uint8 RGB (H, W, 3), upright.
    """

    index: int
    time: float
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class VideoInfo:
    """What a source says of itself: frames a second (the mean), width and height in pixels, frames (None: no end)."""

    rate: float
    width: int
    height: int
    count: int | None


class Video:
    """An open file or camera; iterate over it once for its frames.

    Parameters
    ----------
    source
        Path of a file, or the number of a camera, from 0.

    Raises
    ------
    VideoError
        If it cannot be opened.
    """

    def __init__(self, source: Source) -> None:
        self.name = f"camera {source}" if isinstance(source, int) else os.fspath(source)
        self.live = isinstance(source, int)
        self._capture = _open(source, self.name)
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
            # Some streams carry no times, or times that stand still: then the rate says when.
            shown = shown if last < shown < np.inf else max(last, 0.0) + (1 / self.info.rate if index else 0.0)
            good, picture = self._capture.retrieve()
            if not good:
                break
            yield Frame(index, shown, _rgb(picture))
            last, index = shown, index + 1
        self._check_end(index)

    def _check_end(self, found: int) -> None:
        if not found:
            raise VideoError(f"{self.name} has no frame that can be read")
        announced = self.info.count
        if announced is not None and found < announced - max(1, MISSED * announced):
            message = f"{self.name} breaks off after {found} of {announced} frames: the file is cut or damaged"
            warnings.warn(message, TruncatedVideoWarning, stacklevel=3)

    def close(self) -> None:
        """Let go of the file or the camera."""
        self._capture.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class TruncatedVideoWarning(UserWarning):
    """A file that announces more frames than can be read."""


def read_video(source: Source) -> Iterator[Frame]:
    """The frames of a file or a camera, upright, with the times that the file gives them.

    Parameters
    ----------
    source
        Path of a file, or the number of a camera, from 0.

    Raises
    ------
    VideoError
        At once if it cannot be opened; at the end if it had no frame.

    Warns
    -----
    TruncatedVideoWarning
        If it ends before the announced number of frames.
    """
    video = Video(source)
    return iter(_closing(video))


def _closing(video: Video) -> Iterator[Frame]:
    with video:
        yield from video


def as_frames(images: Iterable[Any], rate: float, *, color: ColorOrder = "rgb") -> Iterator[Frame]:
    """Pictures in any form that `Model.predict` takes as frames, `rate` of them a second."""
    if not 0 < rate < np.inf:
        raise InvalidOptionError(f"rate must be a positive number of frames a second; got {rate!r}")
    return (Frame(index, index / rate, load_image(image, color=color)) for index, image in enumerate(images))


def _open(source: Source, name: str) -> cv2.VideoCapture:
    if not isinstance(source, int):
        path = Path(source)
        if not path.is_file():
            raise VideoError(f"no such file: {name}")
        if not path.stat().st_size:
            raise VideoError(f"{name} is empty")
        _refuse_playlist(path, name)
    with _opencv_silent():
        capture = cv2.VideoCapture(source if isinstance(source, int) else os.fspath(source))
    if not capture.isOpened():
        why = NO_CAMERA if isinstance(source, int) else "it is no video, or cut or damaged"
        raise VideoError(f"cannot open {name}: {why}")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


@contextmanager
def _opencv_silent() -> Iterator[None]:
    """Keep OpenCV, which tries all it has, from a page of warnings for each thing that cannot be opened."""
    levels: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved them
    before = levels.getLogLevel()
    levels.setLogLevel(0)
    try:
        yield
    finally:
        levels.setLogLevel(before)


def _refuse_playlist(path: Path, name: str) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(PROBED)
    except OSError as error:
        raise VideoError(f"cannot read {name}: {error.strerror or error}") from error
    if any(sign in head for sign in PLAYLISTS):
        raise VideoError(f"{name} is a list of other files, no video: open those by name")


def _rgb(picture: Any) -> NDArray[np.uint8]:
    code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(picture, code), np.uint8)
