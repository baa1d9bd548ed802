"""Text files, with errors that say file and line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError


def read_text(path: Path) -> str:
    """The text of a file; `DatasetError` if it cannot be read or is no text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not empty, each with its number from 1."""
    lines = enumerate(read_text(path).splitlines(), 1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def to_numbers(values: Sequence[str], path: Path, line: int) -> NDArray[np.float64]:
    """Texts as finite float64 numbers; `DatasetError` naming file and line if one is none."""
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError as error:
        raise malformed(path, line, str(error)) from error
    if not np.isfinite(numbers).all():
        raise malformed(path, line, "a number is not finite")
    return numbers


def malformed(path: Path, line: int, reason: str) -> DatasetError:
    """An error that says where in a file something is wrong."""
    return DatasetError(f"{path}, line {line}: {reason}")
