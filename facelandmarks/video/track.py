"""Landmarks of a video: faces with numbers that stay, and steady points."""

import os
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facelandmarks._rules import is_number, is_whole
from facelandmarks.boxes import CONVENTIONS
from facelandmarks.errors import InvalidOptionError, require
from facelandmarks.finding import Find
from facelandmarks.images import check_several, load_image
from facelandmarks.results import Landmarks
from facelandmarks.stream import in_own_thread
from facelandmarks.video.frames import Frame, as_frames
from facelandmarks.video.smooth import FaceSmoother, Smoothing
from facelandmarks.video.tracker import Tracker

if TYPE_CHECKING:
    from facelandmarks.detection.base import Detector
    from facelandmarks.model import Model

STANDARD = Smoothing()

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """A `Frame` and its faces."""

    index: int
    time: float
    image: NDArray[np.uint8]
    # Smoothed; empty without faces. `box_scores` are those of the last detection of each face; `boxes` are where the
    # points were searched for, in the model's convention.
    faces: Landmarks
    ids: NDArray[np.int64]  # (N,), from 1, rising; a face keeps its number while it is covered or briefly away

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers: `frame`, `time` in seconds, `Landmarks.to_dict`, and each face's `id`."""
        found = self.faces.to_dict()
        faces = [{"id": int(number), **face} for number, face in zip(self.ids, found["faces"], strict=True)]
        return {"frame": self.index, "time": round(self.time, 6), **found, "faces": faces}


def track(
    frames: Iterable[Frame] | Iterable[Any],
    model: "Model",
    *,
    rate: float | None = None,
    detector: "str | Detector" = "auto",
    detect_every: int = 5,
    keep_lost: float = 3.0,
    min_score: float | None = None,
    min_face: float | None = None,
    confirm: bool = True,
    smoothing: Smoothing | None = STANDARD,
) -> Generator[TrackedFrame, None, None]:
    """Find the landmarks of the faces of a video, frame by frame.

    Between detections, each face is searched for where its last points and its velocity predict it. Faces are detected
    every few frames, and at once when points are doubtful, a face has gone, or two come together. A frame with a new
    face is held back for one more, in which it must be detected again.

    Parameters
    ----------
    frames
        `read_video("clip.mp4")`, `read_video(0)` for a camera, or images in order, then with `rate` (frames per
        second). They are taken a little ahead, in a thread.
    detector, min_score, min_face, confirm
        As in `Model.predict`; a face is confirmed when it appears.
    detect_every
        Run the detector at least once in this many frames.
    keep_lost
        Seconds for which a face that is covered or away keeps its number.
    smoothing
        None for the points as the model finds them.

    Raises
    ------
    InvalidOptionError
        If an option is out of range, times do not rise, or no detector finds the model's kind of box.
    """
    require("scipy.optimize", "tracking faces", "'facelandmarks-zoo[video]'")
    if isinstance(frames, str | os.PathLike | int):
        raise InvalidOptionError(f"track takes frames: track(read_video({frames!r}), model)")
    check_several(frames)
    if not is_whole(detect_every, 1):
        raise InvalidOptionError(f"detect_every must be a whole number of frames, at least 1; got {detect_every!r}")
    if not (is_number(keep_lost) and keep_lost >= 0):
        raise InvalidOptionError(f"keep_lost must be at least 0 seconds; got {keep_lost!r}")
    if not isinstance(smoothing, Smoothing | None):
        raise InvalidOptionError(f"smoothing must be a Smoothing(), or None; got {smoothing!r}")
    if rate is not None:
        frames = as_frames(frames, rate)
    if model.spec.box_convention not in CONVENTIONS:
        raise InvalidOptionError(
            f"{model.spec.name} cannot follow faces: no detector finds boxes of the kind {model.spec.box_convention!r}"
        )
    finder = model.detector(detector) if isinstance(detector, str) else detector
    find = Find(min_score=min_score, min_face=min_face, confirm=confirm)
    tracker = Tracker(model, finder, detect_every, keep_lost, find)
    return _tracked(_checked(frames), tracker, smoothing)


def _tracked(
    frames: Generator[Frame, None, None], tracker: Tracker, smoothing: Smoothing | None
) -> Generator[TrackedFrame, None, None]:
    # Where faces are searched for depends on the frame before, so `facelandmarks.stream`, which prepares items ahead
    # of the results, cannot be used. One thread reads a frame ahead, another one runs the detector and the network.
    smoothers: dict[int, FaceSmoother] = {}
    with closing(_in_thread(frames)) as read, closing(_in_thread(tracker.follow(read))) as followed:
        for frame, by_number in followed:
            size = (frame.image.shape[1], frame.image.shape[0])
            # What is kept must not lie in the network's heap (`in_own_thread`): joined in memory of its own.
            faces = Landmarks.join(list(by_number.values()), tracker.model.scheme, size, tracker.detector.name)
            if smoothing is not None:
                for row, number in enumerate(by_number):
                    smoother = smoothers.setdefault(number, FaceSmoother(smoothing))
                    error = None if faces.expected_error is None else faces.expected_error[row]
                    faces.points[row] = smoother.smooth(faces.points[row], frame.time, error)
            yield TrackedFrame(frame.index, frame.time, frame.image, faces, np.array(list(by_number), np.int64))


def _in_thread(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Run a generator in a thread of its own, one item ahead."""
    with closing(items), closing(in_own_thread(lambda _: next(items, None), repeat(None))) as taken:
        for item in taken:
            if item is None:
                return
            yield item


def _checked(frames: Iterable[Any]) -> Generator[Frame, None, None]:
    last = -np.inf
    for frame in frames:
        if not isinstance(frame, Frame):
            raise InvalidOptionError("plain images have no time: give rate=, frames per second")
        if not (is_number(frame.time) and last < frame.time < np.inf):
            raise InvalidOptionError(f"times must increase: frame {frame.index} is at {frame.time} s, after {last} s")
        last = frame.time
        yield Frame(frame.index, frame.time, load_image(frame.image))
