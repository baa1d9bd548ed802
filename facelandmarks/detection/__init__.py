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
    name: str = "auto", *, engine: str = "auto", threads: int | None = None, cache_dir: "Folder" = None
) -> "Detector":
    """Return the detector of that name.

    Parameters
    ----------
    name
        `"compact"` is the one in the wheel. `"yunet"` is fetched if it is not in the cache. `"auto"` is YuNet if that
        is in the cache already, else the one in the wheel: it never uses the network.
    engine, threads
        Engine of the one in the wheel, always on the CPU (`facelandmarks.engines.choose`); YuNet is run by OpenCV.
    cache_dir
        Folder of the cache; None as the environment says.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    DownloadError, ChecksumError, OfflineError
        If YuNet's file cannot be fetched, or what is in the cache is another file.
    """
    from facelandmarks.weights.cache import Access, Place, cache_folder

    lookup(dict.fromkeys(DETECTORS), name, "face detector")
    folder = cache_folder(cache_dir)
    if name == "yunet" or (name == "auto" and (folder / YUNET_FILE).is_file()):
        from facelandmarks.weights.fetch import cached, obtain
        from facelandmarks.weights.manifest import get_record

        record = get_record(YUNET_FILE)
        if name == "yunet" or cached(record, Place(folder, YUNET_FILE)) is not None:
            from facelandmarks.detection.yunet import YuNetDetector

            return YuNetDetector(obtain(record, Access(cache_dir)))
    from facelandmarks.detection.compact import CompactDetector

    return CompactDetector(engine=engine, threads=threads)
