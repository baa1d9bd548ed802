"""Frames of a video file, of a camera, or of your own images."""

import os
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2, silent_opencv
from facelandmarks.errors import InvalidOptionError, MissingVideoError, VideoError
from facelandmarks.images import ColorOrder, load_image
from facelandmarks.video.containers import read_container

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
        self.live = isinstance(source, int)
        self.name = f"camera {source}" if isinstance(source, int) else os.fspath(source)
        if not isinstance(source, int):
            _check_file(Path(source), self.name)
        with silent_opencv():  # each backend that it tries would warn
            self._capture = cv2.VideoCapture(source if isinstance(source, int) else self.name)
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
    if not path.exists():
        hint = " (an address: download it first; streams of a network are not read)" if "://" in name else ""
        raise MissingVideoError(f"no such file: {name}{hint}")
    if not path.is_file():
        raise VideoError(f"{path} is a folder, pipe or device, not a video file")
    try:
        with path.open("rb") as file:
            head = file.read(PROBED)
    except OSError as error:
        raise VideoError(f"cannot read {path}: {error.strerror or error}") from error
    if not head:
        raise VideoError(f"{path} is empty")
    if any(signature in head for signature in PLAYLISTS):
        raise VideoError(f"{path} is a list of other files, not a video: open those by name")


def read_video(source: Source) -> Iterator[Frame]:
    """Read the frames of a `Video`, opened at once: upright, with the times of the file."""
    video = Video(source)

    def frames() -> Iterator[Frame]:
        with video:
            yield from video

    return frames()


def as_frames(images: Iterable[Any], rate: float, *, color: ColorOrder = "rgb") -> Iterator[Frame]:
    """Turn images, in any form that `Model.predict` takes, into frames, `rate` of them per second."""
    if not 0 < rate < np.inf:
        raise InvalidOptionError(f"rate must be a positive number of frames per second; got {rate!r}")
    return (Frame(index, index / rate, load_image(image, color=color)) for index, image in enumerate(images))
