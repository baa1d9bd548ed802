"""Accuracy: datasets as they were released, metrics, and the protocols of published tables.

`evaluate("300w", folder, "compact_300w")` measures a model and gives a `Report`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facelandmarks.evaluation.report import Report
    from facelandmarks.evaluation.run import evaluate

__all__ = ["Report", "evaluate"]
_MODULES = {"Report": "report", "evaluate": "run"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
