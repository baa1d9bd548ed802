"""From a video to a drawn video and a file of landmarks."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks._rules import is_whole
from facelandmarks.draw import Style, Window
from facelandmarks.errors import InvalidOptionError
from facelandmarks.measures.pose import openface_columns, openface_rows
from facelandmarks.video.frames import Source, Video
from facelandmarks.video.smooth import Smoothing
from facelandmarks.video.track import STANDARD, TrackedFrame, track
from facelandmarks.video.write import LinesWriter, VideoWriter

if TYPE_CHECKING:
    from facelandmarks.detection.base import Detector
    from facelandmarks.model import Model

SCHEMA = "facelandmarks-video/1"
# RGB, apart from each other and from the colours of contours and boxes; taken in turn.
COLOURS = ((255, 190, 60), (120, 230, 120), (255, 120, 160), (150, 170, 255), (240, 240, 120), (200, 140, 255))
EDGE = (20, 20, 20)
HEIGHT = 0.16  # of the digits, as a share of the box's height
LEAST_HEIGHT = 10  # pixels


@dataclass(frozen=True)
class Summary:
    """What a video held: frames, frames with a face, and the numbers of the faces."""

    frames: int
    with_faces: int
    ids: tuple[int, ...]


def annotate(
    source: Source,
    model: "Model",
    *,
    draw: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    columns: str = "all",
    style: Style | None = None,
    show: bool = False,
    detector: "str | Detector" = "auto",
    detect_every: int = 5,
    keep_lost: float = 3.0,
    min_score: float | None = None,
    min_face: float | None = None,
    confirm: bool = True,
    smoothing: Smoothing | None = STANDARD,
    most_frames: int | None = None,
    progress: Callable[[TrackedFrame], object] | None = None,
) -> Summary:
    """Follow the faces of a video; write them as a drawn video, as lines of JSON, or both.

    Both files are opened before the first frame is read, and get their names together at the end, in place of files
    that have these names. After an error neither exists. Ctrl-C ends a camera, and the files are kept; so do q, Esc and
    the closing of the window that `show` opens.

    Parameters
    ----------
    source
        Path of a file, or the number of a camera, from 0.
    draw, out
        A video file to write, see `VideoWriter`; a file of JSON lines to write, one per frame: docs/video.md.
    columns
        `"openface"` makes `out` a CSV file with the columns of OpenFace, one row per face.
    style
        How faces are drawn: `facelandmarks.Style`.
    show
        Whether to show each frame in a window; `DeviceError` where there is no screen.
    most_frames, progress
        Stop after this many frames; called with each frame when it is done.
    detector, detect_every, keep_lost, min_score, min_face, confirm, smoothing
        As in `track`, whose errors this has too, and `VideoError` if the video or the files fail.
    """
    if most_frames is not None and not is_whole(most_frames, 1):
        raise InvalidOptionError(f"most_frames must be a whole number of at least 1; got {most_frames!r}")
    if columns not in ("all", "openface"):
        raise InvalidOptionError(f"columns must be 'all' or 'openface'; got {columns!r}")
    files = [os.path.realpath(path) for path in (source, draw, out) if isinstance(path, str | os.PathLike)]
    if len(set(files)) < len(files):
        raise InvalidOptionError(f"the video, draw and out must be different files; got {', '.join(files)}")
    header = ",".join(openface_columns(str(model.spec.scheme))) if columns == "openface" else None
    frames = with_faces = 0
    ids: set[int] = set()
    with (
        Video(source) as video,
        _outputs(video, draw, out, header) as (drawn, lines),
        Window(video.name) if show else nullcontext() as window,
        _ended_by_ctrl_c(video.live) as ended,
        # Closed before the video is: its threads read the video.
        closing(
            track(
                takewhile(lambda _: not ended.is_set(), islice(video, most_frames)),
                model,
                detector=detector,
                detect_every=detect_every,
                keep_lost=keep_lost,
                min_score=min_score,
                min_face=min_face,
                confirm=confirm,
                smoothing=smoothing,
            )
        ) as tracked,
    ):
        for frame in tracked:
            if drawn or window:
                canvas = draw_tracked(frame, style)
                if drawn:
                    drawn.write(canvas, frame.time)
                if window and not window.show(canvas):
                    ended.set()
            if lines:
                lines.write(to_openface(frame) if header else to_line(frame, video.name, model.spec.name))
            frames, with_faces = frames + 1, with_faces + bool(len(frame.ids))
            ids.update(frame.ids.tolist())
            if progress:
                progress(frame)
    return Summary(frames, with_faces, tuple(sorted(ids)))


def to_line(frame: TrackedFrame, video: str, model: str) -> str:
    """Return a frame as one line of JSON."""
    return json.dumps({"schema": SCHEMA, "video": video, "model": model, **frame.to_dict()}, allow_nan=False)


def to_openface(frame: TrackedFrame) -> str:
    """Return a frame as lines of CSV with the columns of OpenFace; faces count from 0, their numbers minus 1."""
    rows = openface_rows(frame.faces.to_dict(), frame.index + 1, frame.time, (frame.ids - 1).tolist())
    return "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in rows)


def draw_tracked(frame: TrackedFrame, style: Style | None = None) -> NDArray[np.uint8]:
    """Return a copy of the frame's image with its faces as `style` says, and the number above each."""
    canvas = frame.faces.draw(frame.image, style)
    font = cv2.FONT_HERSHEY_DUPLEX
    for number, face in zip(frame.ids.tolist(), frame.faces, strict=True):
        wanted = max(LEAST_HEIGHT, HEIGHT * float(face.box[3] - face.box[1]))
        scale = wanted / cv2.getTextSize("0", font, 1.0, 1)[0][1]
        thickness = max(1, round(scale))
        (width, height), _ = cv2.getTextSize(str(number), font, scale, thickness)
        # Inside the image, even where the box reaches beyond it.
        x = int(np.clip(face.box[0], 1, max(1, canvas.shape[1] - width - 1)))
        y = int(np.clip(face.box[1] - 0.4 * height, height + 1, max(height + 1, canvas.shape[0] - 1)))
        colour = COLOURS[(number - 1) % len(COLOURS)]
        for ink, stroke in ((EDGE, thickness + 2), (colour, thickness)):
            cv2.putText(canvas, str(number), (x, y), font, scale, ink, stroke, cv2.LINE_AA)
    return canvas


@contextmanager
def _ended_by_ctrl_c(live: bool) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, for a camera: whatever is at work then is done to its end."""
    ended = threading.Event()
    if not live or threading.current_thread() is not threading.main_thread():
        yield ended
        return
    before = signal.getsignal(signal.SIGINT)

    def end(*_: object) -> None:
        ended.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, end)
    try:
        yield ended
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _outputs(
    video: Video, draw: str | os.PathLike[str] | None, out: str | os.PathLike[str] | None, header: str | None
) -> Iterator[tuple[VideoWriter | None, LinesWriter | None]]:
    """Open the files, the second one with its first line; give them their names if all goes well."""
    info = video.info
    with ExitStack() as unfinished:
        drawn = None if draw is None else VideoWriter(draw, info.rate, info.width, info.height)
        if drawn:
            unfinished.callback(drawn.discard)
        lines = None if out is None else LinesWriter(out)
        if lines:
            unfinished.callback(lines.discard)
            if header is not None:
                lines.write(header)
        yield drawn, lines
        files = [file for file in (drawn, lines) if file]
        for file in files:
            file.close()
        for file in files:
            file.keep()
