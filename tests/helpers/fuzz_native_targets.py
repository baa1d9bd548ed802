"""Files that libraries of native code read: videos, and the graphs that are kept beside weights."""

import atexit
import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
from fuzz_files import Target, in_file
from numpy.typing import NDArray

MOST_FRAMES = 2000  # that a damaged file of twelve frames may show
KINDS = {"mp4": "mp4v", "avi": "MJPG", "mov": "MJPG", "mkv": "XVID", "m4v.avi": "XVID", "h.avi": "FFV1"}


def clip(path: Path, code: str) -> bytes:
    """A short video, or nothing where OpenCV cannot write that kind."""
    import cv2

    rng = np.random.default_rng(3)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (64, 48))
    for _ in range(12):
        writer.write(cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (64, 48)))
    writer.release()
    return path.read_bytes() if path.is_file() else b""


def video() -> Target:
    """Short videos of several containers and codecs."""
    from facelandmarks.video import read_video
    from facelandmarks.video.frames import TruncatedVideoWarning

    with tempfile.TemporaryDirectory() as folder:
        corpus = [(name, clip(Path(folder) / f"a.{name}", code)) for name, code in KINDS.items()]

    def read(path: Path) -> None:
        last = -1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedVideoWarning)
            for index, frame in enumerate(read_video(path)):
                good = frame.image.dtype == np.uint8 and frame.image.ndim == 3 and frame.image.shape[2] == 3
                if not good or frame.index != index or not last < frame.time < np.inf:
                    raise TypeError(f"not a frame: {frame.image.shape} {frame.index} {frame.time} after {last}")
                last = frame.time
                if index > MOST_FRAMES:
                    raise ValueError("frames without an end")

    runs = {name: in_file(f".{name}", read) for name in KINDS}
    return Target([pair for pair in corpus if pair[1]], lambda name, data: runs[name](name, data))


def graph() -> Target:
    """A graph that is kept, and its pin: whatever becomes of either, the network gives what it gave."""
    from facelandmarks.engines.choose import EngineSettings, make_engine
    from facelandmarks.engines.graph import Source, graph_place
    from facelandmarks.nn.build import build_network
    from facelandmarks.weights.load import Weights

    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    atexit.register(shutil.rmtree, folder)
    options = {"stem": (4, 4), "widths": (8, 8), "blocks": (1, 1), "neck": 4}
    state = {key: value.numpy() for key, value in build_network("compact_detector", options).state_dict().items()}
    grey = (127.5, 127.5, 127.5)
    weights = Weights(lambda: state, "0" * 64, folder)
    source = Source("a", "compact_detector", options, grey, grey, (64, 64), weights, "a")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)

    def output() -> NDArray[np.float32]:
        return make_engine(source, "onnxruntime", EngineSettings(threads=1)).run(pixels)

    wanted, place = output(), graph_place(source)
    files = {path: path.read_bytes() for path in (place.file, place.pin)}

    def read(name: str, data: bytes) -> None:
        for path, content in files.items():
            path.write_bytes(content)
        os.utime(place.file, ns=(0, json.loads(files[place.pin])["mtime_ns"]))
        (folder / name).write_bytes(data)
        np.testing.assert_array_equal(output(), wanted)

    return Target([(path.name, content) for path, content in files.items()], read)
