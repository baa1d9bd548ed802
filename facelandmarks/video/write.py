"""Files that grow frame by frame, and get their names only when they are whole."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import plain_target
from facelandmarks._opencv import cv2
from facelandmarks._rules import MOST, is_number, is_whole
from facelandmarks.errors import InvalidOptionError, VideoError
from facelandmarks.images import load_image
from facelandmarks.video.frames import check_name

T = TypeVar("T")
# What every build of OpenCV can write.
CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
FASTEST = 1000.0  # frames per second: faster ones do not come back from all containers
LONGEST_HOLD = 60.0  # seconds: one frame is shown no longer, whatever the times of a damaged file say


class PartialFile:
    """A file that has another name in the same folder until it is kept; what goes wrong is a `VideoError`.

    Unlike `facelandmarks._files.whole_file` it can be kept after other files are known to be whole too.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.final = Path(path)
        self._target = self._checked(lambda: plain_target(self.final))
        # The suffix stays, because OpenCV chooses the container by it.
        self.path = self._target.with_name(f".{self._target.stem}.{secrets.token_hex(8)}{self.final.suffix}")
        self._checked(lambda: self.path.touch(exist_ok=False))

    def _checked(self, action: Callable[[], T]) -> T:
        """Do something with the file; an `OSError` becomes a `VideoError`."""
        try:
            return action()
        except OSError as error:
            raise VideoError(f"cannot write {self.final}: {error.strerror}") from error

    def keep(self) -> None:
        """Give the finished file its name, in place of a file that has it."""
        self._checked(lambda: os.replace(self.path, self._target))

    def discard(self) -> None:
        """Remove the file, unless it has its final name."""
        self.path.unlink(missing_ok=True)


class VideoWriter(PartialFile):
    """A video file of constant rate, written by OpenCV, without sound.

    Every frame is written. Frames are shown on time, to half a frame: one is repeated until the next is due; where
    frames come faster than the rate, later ones catch up.

    Parameters
    ----------
    path
        Ends in .mp4, .m4v, .mov, .mkv (MPEG-4), .avi (Motion JPEG) or .webm (VP8). `VideoError` at once if such a file
        cannot be written there.
    rate
        Frames per second, at most 1000.
    width, height
        In pixels; codecs cut off the last column or row of an odd size.
    """

    def __init__(self, path: str | os.PathLike[str], rate: float, width: int, height: int) -> None:
        codec = CODECS.get(Path(path).suffix.lower())
        if codec is None:
            raise VideoError(f"cannot write {path}: the name of a video ends in {', '.join(CODECS)}")
        check_name(os.path.realpath(path))  # the name that `PartialFile` makes of it goes to OpenCV
        if not (is_number(rate) and 0 < rate <= FASTEST):
            raise InvalidOptionError(f"rate must be frames per second, above 0 and at most {FASTEST:g}; got {rate!r}")
        if not (is_whole(width, 1) and is_whole(height, 1)):
            raise InvalidOptionError(f"width and height must be from 1 to {MOST} pixels; got {width!r} x {height!r}")
        self._rate, self._size = float(rate), (int(width), int(height))
        super().__init__(path)
        self._writer = cv2.VideoWriter()
        with suppress(cv2.error):  # it is not open then, either
            self._writer.open(os.fspath(self.path), cv2.VideoWriter.fourcc(*codec), self._rate, self._size)
        self._start: float | None = None
        self._last: NDArray[np.uint8] | None = None
        self.written = 0
        if not self._writer.isOpened():
            self.discard()
            format_ = f"{width} x {height} px at {rate:g} frames per second"
            raise VideoError(f"cannot write {path}: OpenCV has no writer for {format_}")

    def write(self, image: Any, time: float) -> None:
        """Add an image, in any form that `Model.predict` takes, fitted to the size; shown from `time` (seconds) on."""
        if not (is_number(time) and abs(time) <= MOST):
            raise InvalidOptionError(f"time must be a number of seconds, at most {MOST}; got {time!r}")
        image = load_image(image)
        if image.shape[1::-1] != self._size:
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
        self._start = time if self._start is None else self._start
        if self._last is not None:
            late = round((time - self._start) * self._rate) - self.written
            if late > LONGEST_HOLD * self._rate:
                # Later frames do not wait for the rest of the hold.
                self._start += (late / self._rate) - LONGEST_HOLD
                late = round(LONGEST_HOLD * self._rate)
            for _ in range(late):
                self._put(self._last)
        self._put(image)
        self._last = image

    def _put(self, image: NDArray[np.uint8]) -> None:
        self._writer.write(image)
        self.written += 1

    def close(self) -> None:
        """Finish the file; `keep` then gives it its name. `VideoError` if frames are missing."""
        self._writer.release()  # which does not report a full disk
        if not self.written:
            return
        capture = cv2.VideoCapture(os.fspath(self.path))
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        if count != self.written:
            raise VideoError(f"{self.final}: only {count} of {self.written} frames were written: is the disk full?")

    def discard(self) -> None:
        """Stop, and remove the unfinished file."""
        self._writer.release()
        super().discard()


class LinesWriter(PartialFile):
    """A text file of one line per frame; methods as in `VideoWriter`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._text: TextIO = self.path.open("w", encoding="utf-8", newline="\n")

    def write(self, line: str) -> None:
        """Add a line."""
        self._checked(lambda: self._text.write(line + "\n"))

    def close(self) -> None:
        """Finish the file."""
        self._checked(self._text.close)

    def discard(self) -> None:
        """Stop, and remove the unfinished file."""
        with suppress(OSError):  # the disk may be full; the text is not wanted any more
            self._text.close()
        super().discard()
