"""Detectors by name."""

from typing import TYPE_CHECKING

from facelandmarks.errors import lookup

if TYPE_CHECKING:
    from facelandmarks.detection.base import Detector
    from facelandmarks.weights.cache import Folder

DEFAULT_DETECTOR = "compact"
DETECTORS = ("auto", DEFAULT_DETECTOR, "yunet")
YUNET_FILE = "face_detection_yunet_2023mar.onnx"  # key in the manifest


def load_detector(
    name: str = "auto",
    *,
    engine: str = "auto",
    threads: int | None = None,
    cache_dir: "Folder" = None,
) -> "Detector":
    """The detector of that name.

    Parameters
    ----------
    name
        `"compact"` is the one in the wheel. `"yunet"` is fetched if it is not in the cache. `"auto"` is YuNet if that
        is in the cache already, else the one in the wheel: it never uses the network.
    engine
        Runs the one in the wheel, always on the CPU (`facelandmarks.engines.choose`). YuNet is run by OpenCV.
    threads
        CPU threads of that engine.
    cache_dir
        Folder of the cache; None as the environment says.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    DownloadError, ChecksumError, OfflineError
        If YuNet's file cannot be had, or what is in the cache is another file.
    """
    lookup(dict.fromkeys(DETECTORS), name, "face detector")
    if name == "yunet" or (name == "auto" and _yunet_is_here(cache_dir)):
        return _load_yunet(cache_dir)
    from facelandmarks.detection.compact import CompactDetector

    return CompactDetector(engine=engine, threads=threads)


def _yunet_is_here(cache_dir: "Folder") -> bool:
    from facelandmarks.weights.cache import Place, cache_folder

    folder = cache_folder(cache_dir)
    if not (folder / YUNET_FILE).is_file():
        return False
    from facelandmarks.weights.fetch import cached
    from facelandmarks.weights.manifest import get_record

    return cached(get_record(YUNET_FILE), Place(folder, YUNET_FILE)) is not None


def _load_yunet(cache_dir: "Folder") -> "Detector":
    from facelandmarks.detection.yunet import YuNetDetector
    from facelandmarks.weights.cache import Access
    from facelandmarks.weights.fetch import obtain
    from facelandmarks.weights.manifest import get_record

    return YuNetDetector(obtain(get_record(YUNET_FILE), Access(cache_dir)))
