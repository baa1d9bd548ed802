"""Detectors by name."""

from typing import TYPE_CHECKING

from facelandmarks.errors import InvalidOptionError, lookup

if TYPE_CHECKING:
    from facelandmarks.detection.base import Detector
    from facelandmarks.weights.cache import Folder
    from facelandmarks.weights.load import Source as Weights

DEFAULT_DETECTOR = "compact"
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
# Files of the detectors that are not in the wheel, as keys of the manifest.
FILES = {
    "yunet": YUNET_FILE,
    "blazeface_short": "face_detection_short_range.tflite",
    "blazeface_full": "face_detection_full_range_sparse.tflite",
}
DETECTORS = ("auto", DEFAULT_DETECTOR, *FILES)


def load_detector(
    name: str = "auto",
    *,
    engine: str = "auto",
    threads: int | None = None,
    cache_dir: "Folder" = None,
    weights: "Weights | None" = None,
    preferred: str | None = None,
) -> "Detector":
    """Return the detector of that name.

    Parameters
    ----------
    name
        `"compact"` is the one in the wheel. `"yunet"`, and MediaPipe's `"blazeface_short"` and `"blazeface_full"`, are
        fetched if they are not in the cache. `"auto"` is the preferred one if that is in the cache already, else the
        one in the wheel: it never uses the network.
    engine, threads
        Engine of the network, always on the CPU (`facelandmarks.engines.choose`); YuNet is run by OpenCV.
    cache_dir
        Folder of the cache; None as the environment says.
    weights
        A file in place of the published one, for all but `"auto"`.
    preferred
        What `"auto"` takes first; None: nothing but the one in the wheel.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    InvalidOptionError
        If there are weights for `"auto"`.
    DownloadError, ChecksumError, OfflineError, CheckpointError
        If the file cannot be fetched, what is in the cache is another file, or `weights` do not fit.
    """
    from facelandmarks.weights.cache import Access, is_cached

    lookup(dict.fromkeys(DETECTORS), name, "face detector")
    access = Access(cache_dir)
    if name == "auto":
        if weights is not None:
            raise InvalidOptionError("weights need the name of their detector; 'auto' may be any")
        name = preferred if preferred in FILES and is_cached(FILES[preferred], access) else DEFAULT_DETECTOR
    if name == DEFAULT_DETECTOR:
        from facelandmarks.detection.compact import CompactDetector

        return CompactDetector(weights=weights, engine=engine, threads=threads)  # type: ignore[arg-type]
    if name == "yunet":
        from facelandmarks.detection.yunet import YuNetDetector
        from facelandmarks.weights.fetch import obtain
        from facelandmarks.weights.manifest import get_record

        return YuNetDetector(obtain(get_record(YUNET_FILE), access) if weights is None else weights)  # type: ignore[arg-type]
    from facelandmarks.detection.blazeface import SPECS, BlazeFaceDetector

    return BlazeFaceDetector(SPECS[name], weights=weights, engine=engine, threads=threads, access=access)
