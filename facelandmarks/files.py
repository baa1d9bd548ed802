"""Files that are written whole or not at all, and JSON from anywhere."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

_MOST_DIGITS = 20  # of a whole number: more fit into no number of 64 bits


def parse_json(text: str | bytes) -> Any:
    """What a JSON text holds.

    Raises
    ------
    ValueError
        If it is none, is nested too deep for Python, or holds a whole number beyond 64 bits: where numbers are counted
        with, such a one would raise an error of another kind.
    """
    try:
        return json.loads(text, parse_int=_whole_number)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"it holds a whole number of {len(digits)} digits")
    return int(digits)


def write_file(path: Path, content: bytes) -> None:
    """Write a file under another name beside its place, then give it its own.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is still there, and nothing else is.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(content)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
