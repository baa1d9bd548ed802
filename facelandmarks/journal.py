"""A file of JSON lines that grows while a run goes on, so that a run which was broken off goes on where it was."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from facelandmarks.errors import InvalidOptionError
from facelandmarks.files import parse_json, write_file


class Journal:
    """A first line that says what the run depends on, then one line a record.

    A run that is killed leaves whole lines, and perhaps the beginning of one, which is no record.

    Parameters
    ----------
    path
        The file.
    settings
        The first line.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._settings = json.loads(json.dumps(settings))

    def begin(self) -> None:
        """A new file without records, in place of one that may be there."""
        write_file(self.path, _line(self._settings))

    def check(self) -> None:
        """`InvalidOptionError` if the file is of a run with other settings, or no journal."""
        with self.path.open("rb") as file:
            found = self._parsed(file.readline(), 1)
        other = sorted(name for name in {*found, *self._settings} if found.get(name) != self._settings.get(name))
        if other:
            was = ", ".join(f"{name} {found.get(name)!r}, now {self._settings.get(name)!r}" for name in other)
            raise InvalidOptionError(f"{self.path} is of another run: {was}")

    def records(self) -> Iterator[dict[str, Any]]:
        """The records, from the first on."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number > 1 and line.endswith(b"\n"):
                    yield self._parsed(line, number)

    def keep(self, multiple: int) -> int:
        """Cut off what is no whole line, and whole lines down to a multiple of this number; how many records stay."""
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
        """Add records; they are on the disk when this returns."""
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
            raise InvalidOptionError(f"{self.path} is damaged in line {number}: it holds no record")
        return found


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, allow_nan=False).encode() + b"\n"
