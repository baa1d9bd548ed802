"""Videos: landmarks with numbers that stay with their faces, and steady points.

>>> import facelandmarks as fl
>>> from facelandmarks.video import read_video, track
>>> for frame in track(read_video("clip.mp4"), fl.load_model()):  # doctest: +SKIP
...     print(frame.time, frame.ids, frame.faces.points.shape)
"""

from facelandmarks.video.annotate import Summary, annotate, draw_tracked
from facelandmarks.video.frames import Frame, TruncatedVideoWarning, Video, VideoInfo, as_frames, read_video
from facelandmarks.video.smooth import Cutoffs, FaceSmoother, Smoothing, jitter, lag
from facelandmarks.video.track import TrackedFrame, track
from facelandmarks.video.write import VideoWriter

__all__ = [
    "Cutoffs",
    "FaceSmoother",
    "Frame",
    "Smoothing",
    "Summary",
    "TrackedFrame",
    "TruncatedVideoWarning",
    "Video",
    "VideoInfo",
    "VideoWriter",
    "annotate",
    "as_frames",
    "draw_tracked",
    "jitter",
    "lag",
    "read_video",
    "track",
]
