"""Face landmarks from images: published models through their own pipelines, and small ones that work offline.

>>> import facelandmarks as fl
>>> faces = fl.predict("photo.jpg")  # doctest: +SKIP
>>> faces.points.shape  # doctest: +SKIP
(1, 68, 2)

Names are imported when they are first used: `import facelandmarks` loads neither torch nor OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from facelandmarks.api import detect, list_models, load_model, model_info, predict
    from facelandmarks.detection.base import Detections
    from facelandmarks.draw import Style
    from facelandmarks.errors import (
        CheckpointError,
        ChecksumError,
        DatasetError,
        DeviceError,
        DownloadError,
        FaceLandmarksError,
        InvalidBoxError,
        InvalidImageError,
        InvalidOptionError,
        MissingCheckpointError,
        MissingDependencyError,
        MissingImageError,
        MissingVideoError,
        OfflineError,
        UnknownModelError,
        UnknownNameError,
        VideoError,
    )
    from facelandmarks.export import export_model
    from facelandmarks.images import load_image
    from facelandmarks.model import Model
    from facelandmarks.results import Crops, Face, Landmarks
    from facelandmarks.schemes import Scheme, convert, get_conversion, get_scheme

__all__ = [
    "CheckpointError",
    "ChecksumError",
    "Crops",
    "DatasetError",
    "Detections",
    "DeviceError",
    "DownloadError",
    "Face",
    "FaceLandmarksError",
    "InvalidBoxError",
    "InvalidImageError",
    "InvalidOptionError",
    "Landmarks",
    "MissingCheckpointError",
    "MissingDependencyError",
    "MissingImageError",
    "MissingVideoError",
    "Model",
    "OfflineError",
    "Scheme",
    "Style",
    "UnknownModelError",
    "UnknownNameError",
    "VideoError",
    "convert",
    "detect",
    "export_model",
    "get_conversion",
    "get_scheme",
    "list_models",
    "load_image",
    "load_model",
    "model_info",
    "predict",
]

_HOMES = {
    "load_model": "api",
    "detect": "api",
    "predict": "api",
    "list_models": "api",
    "model_info": "api",
    "Detections": "detection.base",
    "Style": "draw",
    "Model": "model",
    "Crops": "results",
    "Face": "results",
    "Landmarks": "results",
    "Scheme": "schemes",
    "get_scheme": "schemes",
    "convert": "schemes",
    "get_conversion": "schemes",
    "export_model": "export",
    "load_image": "images",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
