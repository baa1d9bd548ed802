"""Landmarks of a video: faces with numbers that stay, and points that do not tremble."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import CONVENTIONS
from facelandmarks.detection import load_detector
from facelandmarks.errors import InvalidOptionError
from facelandmarks.results import Landmarks
from facelandmarks.schemes import Scheme
from facelandmarks.video.assign import require_scipy
from facelandmarks.video.frames import Frame, as_frames
from facelandmarks.video.smooth import FaceSmoother, Smoothing
from facelandmarks.video.tracker import Sighting, Tracker

if TYPE_CHECKING:
    from facelandmarks.detection.base import Detector
    from facelandmarks.model import Model

STANDARD = Smoothing()


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """A frame and its faces.

    Attributes
    ----------
    index, time, image
        As in `Frame`.
    faces
        Their landmarks, smoothed; empty if there are none. `box_scores` are of the last time that the detector found
        each face; boxes are those that the points were looked for in, in the convention of the model.
    ids
        int64 (N,): the number of each face, from 1, rising. A face keeps it, also when it is covered or away for a
        short time.
    """

    index: int
    time: float
    image: NDArray[np.uint8]
    faces: Landmarks
    ids: NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers: `frame`, `time` (seconds), and `Landmarks.to_dict`, each face with its `id`."""
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
    smoothing: Smoothing | None = STANDARD,
) -> Iterator[TrackedFrame]:
    """Landmarks of the faces of a video, frame by frame, as they come.

    Between detections each face is looked for where its last points and its velocity say. Faces are detected every
    few frames, and at once when points are doubtful, when a face has gone, and when two come together.

    Parameters
    ----------
    frames
        `read_video("clip.mp4")`, `read_video(0)` for a camera, or pictures in order (then with `rate`).
    model
        Any model for faces.
    rate
        Frames a second, for frames that are mere pictures.
    detector
        Name of a detector, or an object with its `detect` method.
    detect_every
        At most so many frames from one detection to the next.
    keep_lost
        Seconds for which a face that is covered or has left keeps its number.
    min_score
        Least score of a detection; None is the detector's own threshold.
    smoothing
        None for the points as the model finds them.

    Yields
    ------
    TrackedFrame
        One for each frame, without faces too. A face that is new is shown from its first frame on; the frame is held
        back for one more, in which the face must be found again.

    Raises
    ------
    InvalidOptionError
        If an option is out of its range, if times do not rise, or if no detector finds what the model needs.
    MissingDependencyError
        If SciPy (extra `video`) is not installed.
    """
    require_scipy()
    _check_options(frames, detect_every, keep_lost)
    if model.spec.box_convention not in CONVENTIONS:
        kind = model.spec.box_convention
        raise InvalidOptionError(
            f"{model.spec.name} cannot follow faces: no detector here finds boxes of the kind {kind!r}"
        )
    finder = load_detector(detector) if isinstance(detector, str) else detector
    tracker = Tracker(model, finder, detect_every, keep_lost, min_score)
    return _tracked(_frames(frames, rate), tracker, Output(model.scheme, finder.name, smoothing))


def _tracked(frames: Iterable[Frame], tracker: Tracker, output: "Output") -> Iterator[TrackedFrame]:
    held: deque[tuple[Frame, list[Sighting]]] = deque()
    for frame in frames:
        held.append((frame, tracker.step(frame)))
        while held and all(seen.track.number is not None or seen.track.gone for seen in held[0][1]):
            yield output.show(*held.popleft())
    tracker.accept()
    for frame, sightings in held:
        yield output.show(frame, sightings)


class Output:
    """Makes the results; knows the smoothers of the faces."""

    def __init__(self, scheme: Scheme, detector: str, smoothing: Smoothing | None) -> None:
        self._scheme, self._detector, self._smoothing = scheme, detector, smoothing
        self._smoothers: dict[int, FaceSmoother] = {}

    def show(self, frame: Frame, sightings: Sequence[Sighting]) -> TrackedFrame:
        """The result of a frame. Call it in their order."""
        named = [(seen.track.number, seen) for seen in sightings if seen.track.number is not None]
        named.sort(key=itemgetter(0))
        ids, seen = [number for number, _ in named], [sighting for _, sighting in named]
        count = len(self._scheme)
        faces = Landmarks(
            points=_stacked([self._smooth(*pair, frame.time) for pair in named], (count, 2)),
            scores=_stacked([sighting.scores for sighting in seen], (count,)),
            boxes=_stacked([sighting.box for sighting in seen], (4,)),
            box_scores=np.array([sighting.track.box_score for sighting in seen], np.float32),
            scheme=self._scheme,
            image_size=(frame.image.shape[1], frame.image.shape[0]),
            detector=self._detector,
        )
        return TrackedFrame(frame.index, frame.time, frame.image, faces, np.array(ids, np.int64))

    def _smooth(self, number: int, sighting: Sighting, time: float) -> NDArray[np.float32]:
        if self._smoothing is None:
            return sighting.points
        smoother = self._smoothers.setdefault(number, FaceSmoother(self._smoothing))
        return smoother.smooth(sighting.points, time)


def _stacked(rows: Sequence[NDArray[np.float32]], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(len(rows), *shape)


def _check_options(frames: object, detect_every: int, keep_lost: float) -> None:
    if isinstance(frames, str | os.PathLike | int):
        raise InvalidOptionError(f"track takes frames: track(read_video({frames!r}), model)")
    if detect_every < 1:
        raise InvalidOptionError(f"detect_every must be at least 1 frame; got {detect_every}")
    if not keep_lost >= 0:
        raise InvalidOptionError(f"keep_lost must be at least 0 seconds; got {keep_lost}")


def _frames(frames: Iterable[Any], rate: float | None) -> Iterator[Frame]:
    last = -np.inf
    for frame in frames if rate is None else as_frames(frames, rate):
        if not isinstance(frame, Frame):
            raise InvalidOptionError("frames that are mere pictures have no time: give rate=, frames a second")
        if not frame.time > last:
            raise InvalidOptionError(f"times must rise: frame {frame.index} is at {frame.time} s, after {last} s")
        last = frame.time
        yield frame
