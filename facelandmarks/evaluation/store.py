"""Predictions that are kept in a file, so that a run which was broken off goes on where it was."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facelandmarks._files import parse_json
from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.stream import Prediction, to_float32

SCHEMA = "facelandmarks-evaluation-points/1"


class PredictionStore(dict[str, Prediction]):
    """Predictions by key of their face; what is added goes to a JSON Lines file, too.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    settings
        What the predictions depend on; its first line.

    Raises
    ------
    InvalidOptionError
        If the file was made with other settings, or is none of these.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._path = path
        if path is None:
            return
        header = {"schema": SCHEMA, **settings}
        lines = _whole_lines(path)
        if not lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(header) + "\n", encoding="utf-8")
        elif _parsed(lines[0], path) != json.loads(json.dumps(header)):
            raise InvalidOptionError(f"{path} is of a run with other settings: move it away, or resume from elsewhere")
        for line in lines[1:]:
            self.update([_prediction(_parsed(line, path), path)])

    def keep(self, predictions: Iterable[tuple[str, Prediction]]) -> None:
        """Add predictions that are new."""
        new = {key: prediction for key, prediction in predictions if key not in self}
        self.update(new)
        if self._path is not None and new:
            lines = [
                json.dumps({"face": key, "size": made.size, "points": made.points.tolist()})
                for key, made in new.items()
            ]
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")


def _whole_lines(path: Path) -> list[bytes]:
    """Lines of the file, if there is one; the end of a line that was broken off is removed from it."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        path.write_bytes(whole)
    return whole.splitlines()


def _prediction(record: Mapping[str, Any], path: Path) -> tuple[str, Prediction]:
    try:
        points, size = to_float32(np.array(record["points"], np.float64)), float(record["size"])
    except (LookupError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"{path} does not hold the predictions of a run: {error!r}") from error
    if points.ndim != 2 or points.shape[1] != 2 or not isinstance(record.get("face"), str):
        raise InvalidOptionError(f"{path} does not hold the predictions of a run: points of shape {points.shape}")
    return record["face"], Prediction(points, size)


def _parsed(line: bytes, path: Path) -> dict[str, Any]:
    try:
        return dict(parse_json(line))
    except (TypeError, ValueError) as error:
        raise InvalidOptionError(f"{path} does not hold the predictions of a run: {error}") from error
