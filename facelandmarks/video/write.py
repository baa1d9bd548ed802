"""Files that grow frame by frame, and have their names only when they are whole."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import VideoError

# What OpenCV's builds can write everywhere.
CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
LONGEST_HOLD = 60.0  # seconds that one frame is shown at most, whatever the times of a damaged file say


class PartialFile:
    """A file under another name beside its place, until it is done.

    Raises
    ------
    VideoError
        If nothing can be written there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.final = Path(path)
        if self.final.is_dir():
            raise VideoError(f"cannot write {self.final}: it is a folder")
        # The ending stays: it says which kind of file to write.
        self.path = self.final.with_name(f".{self.final.stem}.{secrets.token_hex(8)}{self.final.suffix}")
        try:
            self.path.touch(exist_ok=False)
        except OSError as error:
            raise VideoError(f"cannot write {self.final}: {error.strerror}") from error

    def keep(self) -> None:
        """Give the file its name; what was there before is replaced."""
        try:
            os.replace(self.path, self.final)
        except OSError as error:
            raise VideoError(f"cannot write {self.final}: {error.strerror}") from error

    def discard(self) -> None:
        """Remove what is there of it, if it did not get its name."""
        self.path.unlink(missing_ok=True)


class VideoWriter:
    """A video file of one rate, written by OpenCV, without sound.

    Frames are shown when they should be, to half a frame: one is repeated as long as the next is not due. None is left
    out; where frames come faster than the rate for a while, the next ones catch up.

    Parameters
    ----------
    path
        Ends in .mp4, .m4v, .mov, .mkv (MPEG-4), .avi (Motion JPEG) or .webm (VP8).
    rate
        Frames a second.
    width, height
        In pixels; odd ones lose their last column or row, as the codecs want it.

    Raises
    ------
    VideoError
        At once, if such a file cannot be written there.
    """

    def __init__(self, path: str | os.PathLike[str], rate: float, width: int, height: int) -> None:
        codec = CODECS.get(Path(path).suffix.lower())
        if codec is None:
            raise VideoError(f"cannot write {path}: a video's name ends in {', '.join(CODECS)}")
        self._rate, self._size = rate, (width, height)
        self._file = PartialFile(path)
        self._writer = cv2.VideoWriter(
            os.fspath(self._file.path), cv2.VideoWriter.fourcc(*codec), rate, (width, height)
        )
        self._start: float | None = None
        self._last: NDArray[np.uint8] | None = None
        self.written = 0
        if not self._writer.isOpened():
            self.discard()
            raise VideoError(
                f"cannot write {path}: OpenCV has no writer for {width} x {height} px at {rate:g} a second"
            )

    def write(self, image: NDArray[np.uint8], time: float) -> None:
        """Add a picture, uint8 RGB, that is shown from `time` (seconds) on."""
        if image.shape[1::-1] != self._size:
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        picture = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
        self._start = time if self._start is None else self._start
        if self._last is not None:
            late = round((time - self._start) * self._rate) - self.written
            if late > LONGEST_HOLD * self._rate:
                # The rest of the hold does not count for the frames to come.
                self._start += (late / self._rate) - LONGEST_HOLD
                late = round(LONGEST_HOLD * self._rate)
            for _ in range(late):
                self._put(self._last)
        self._put(picture)
        self._last = picture

    def _put(self, picture: NDArray[np.uint8]) -> None:
        self._writer.write(picture)
        self.written += 1

    def close(self) -> None:
        """Finish the file; it has its name only after `keep`.

        Raises
        ------
        VideoError
            If it does not hold what was written: OpenCV does not tell of a full disk.
        """
        self._writer.release()
        if self.written and _count(self._file.path) != self.written:
            raise VideoError(f"{self._file.final} could not be written whole: is the disk full?")

    def keep(self) -> None:
        """Give the finished file its name."""
        self._file.keep()

    def discard(self) -> None:
        """Stop, and remove what is there of it."""
        self._writer.release()
        self._file.discard()


class LinesWriter:
    """A text file of one line a frame.

    Parameters
    ----------
    path
        Where to.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = PartialFile(path)
        self._text: TextIO = self._file.path.open("w", encoding="utf-8", newline="\n")

    def write(self, line: str) -> None:
        """Add a line."""
        self._checked(lambda: self._text.write(line + "\n"))

    def close(self) -> None:
        """Finish the file; it has its name only after `keep`."""
        self._checked(self._text.close)

    def keep(self) -> None:
        """Give the finished file its name."""
        self._file.keep()

    def discard(self) -> None:
        """Stop, and remove what is there of it."""
        with suppress(OSError):  # what cannot be written out any more is not wanted
            self._text.close()
        self._file.discard()

    def _checked(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except OSError as error:
            raise VideoError(f"cannot write {self._file.final}: {error.strerror}") from error


def _count(path: Path) -> int:
    capture = cv2.VideoCapture(os.fspath(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return count
