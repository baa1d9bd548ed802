"""From a video to a drawn video and a file of landmarks."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from facelandmarks.errors import InvalidOptionError
from facelandmarks.video.draw import draw_tracked
from facelandmarks.video.frames import Frame, Source, Video
from facelandmarks.video.smooth import Smoothing
from facelandmarks.video.track import STANDARD, TrackedFrame, track
from facelandmarks.video.write import LinesWriter, VideoWriter

if TYPE_CHECKING:
    from facelandmarks.detection.base import Detector
    from facelandmarks.model import Model

SCHEMA = "facelandmarks-video/1"


@dataclass(frozen=True)
class Summary:
    """What was done: frames, frames with a face, and the numbers of the faces."""

    frames: int
    with_faces: int
    ids: tuple[int, ...]


def annotate(
    source: Source,
    model: "Model",
    *,
    draw: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    detector: "str | Detector" = "auto",
    detect_every: int = 5,
    keep_lost: float = 3.0,
    min_score: float | None = None,
    smoothing: Smoothing | None = STANDARD,
    most_frames: int | None = None,
    progress: Callable[[TrackedFrame], object] | None = None,
) -> Summary:
    """Follow the faces of a video; write them, drawn or as lines of JSON.

    Both files are opened before the first frame is read, and get their names together when all is done; what had these
    names is replaced then. When anything goes wrong, neither is there. Ctrl-C ends a camera, and the files are kept.

    Parameters
    ----------
    source
        Path of a file, or the number of a camera, from 0.
    model
        Any model for faces.
    draw
        A video file to write, see `VideoWriter`.
    out
        A file of JSON lines to write, one a frame: docs/video.md.
    detector, detect_every, keep_lost, min_score, smoothing
        As in `track`.
    most_frames
        End after so many frames.
    progress
        Called with each frame when it is done.

    Raises
    ------
    VideoError
        If the video cannot be read, or a file cannot be written.
    InvalidOptionError, MissingDependencyError
        As in `track`.
    """
    if most_frames is not None and most_frames < 1:
        raise InvalidOptionError(f"most_frames must be at least 1; got {most_frames}")
    with Video(source) as video, _outputs(video, draw, out) as (picture_file, text_file):
        tracked = track(
            _ended_by_hand(video, most_frames),
            model,
            detector=detector,
            detect_every=detect_every,
            keep_lost=keep_lost,
            min_score=min_score,
            smoothing=smoothing,
        )
        frames = with_faces = 0
        ids: set[int] = set()
        for frame in tracked:
            if picture_file:
                picture_file.write(draw_tracked(frame), frame.time)
            if text_file:
                text_file.write(to_line(frame, video.name, model.spec.name))
            frames, with_faces = frames + 1, with_faces + bool(len(frame.ids))
            ids.update(frame.ids.tolist())
            if progress:
                progress(frame)
    return Summary(frames, with_faces, tuple(sorted(ids)))


def to_line(frame: TrackedFrame, video: str, model: str) -> str:
    """A frame as one line of JSON."""
    return json.dumps({"schema": SCHEMA, "video": video, "model": model, **frame.to_dict()}, allow_nan=False)


def _ended_by_hand(video: Video, most_frames: int | None) -> Iterator[Frame]:
    """The frames; Ctrl-C is how a camera ends, and what breaks off a file."""
    try:
        yield from islice(video, most_frames)
    except KeyboardInterrupt:
        if not video.live:
            raise


@contextmanager
def _outputs(
    video: Video, draw: str | os.PathLike[str] | None, out: str | os.PathLike[str] | None
) -> Iterator[tuple[VideoWriter | None, LinesWriter | None]]:
    """The open files; they get their names if all went well."""
    info = video.info
    files: list[VideoWriter | LinesWriter] = []
    try:
        pictures = VideoWriter(draw, info.rate, info.width, info.height) if draw is not None else None
        files += [pictures] if pictures else []
        lines = LinesWriter(out) if out is not None else None
        files += [lines] if lines else []
        yield pictures, lines
        for file in files:
            file.close()
        for file in files:
            file.keep()
    finally:
        for file in files:
            file.discard()
