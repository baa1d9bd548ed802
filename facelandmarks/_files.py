"""Files that are written whole or not at all, and JSON from anywhere."""

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from facelandmarks.errors import InvalidOptionError

_MOST_DIGITS = 20  # of a whole number: more fit into no number of 64 bits


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds.

    Raises
    ------
    ValueError
        If it is not JSON, is nested too deep for Python, or holds a whole number beyond 64 bits, which would raise
        errors of other kinds in arithmetic.
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


class Journal:
    """A JSON-lines file to resume a run from: first the settings that the run depends on, then one line a record.

    A run that is killed leaves whole lines, and perhaps the beginning of one, which is ignored.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._settings = json.loads(json.dumps(settings))

    def begin(self) -> None:
        """Write a file without records, replacing an older one."""
        write_file(self.path, _line(self._settings))

    def check(self) -> None:
        """Raise `InvalidOptionError` if the file belongs to a run with other settings, or is not a journal."""
        with self.path.open("rb") as file:
            found = self._parsed(file.readline(), 1)
        other = sorted(name for name in {*found, *self._settings} if found.get(name) != self._settings.get(name))
        if other:
            was = ", ".join(f"{name} {found.get(name)!r}, now {self._settings.get(name)!r}" for name in other)
            raise InvalidOptionError(f"{self.path} belongs to another run: {was}")

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records, from the first on."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number > 1 and line.endswith(b"\n"):
                    yield self._parsed(line, number)

    def keep(self, multiple: int) -> int:
        """Drop an incomplete last line, then truncate to a multiple of this number of records; return their number."""
        count, end, kept = -1, 0, (0, 0)
        with self.path.open("rb+") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                count, end = count + 1, end + len(line)
                if count % multiple == 0:
                    kept = (count, end)
            file.truncate(kept[1])
        return kept[0]

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records; they are on the disk when this returns."""
        with self.path.open("ab") as file:
            file.write(b"".join(_line(record) for record in records))
            file.flush()
            os.fsync(file.fileno())

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            found = parse_json(line)
        except ValueError as error:
            raise InvalidOptionError(f"{self.path} is damaged in line {number}: {error}") from error
        if not isinstance(found, dict):
            raise InvalidOptionError(f"{self.path} is damaged in line {number}: it does not hold a record")
        return found


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, allow_nan=False).encode() + b"\n"
