"""What a run gives: its card, as text, tables, a page, or a file."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from facelandmarks._files import parse_json, write_file
from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.card import SCHEMA, Card
from facelandmarks.evaluation.html import to_html
from facelandmarks.evaluation.tables import numbers_of_card, to_csv, to_markdown, to_text

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Report:
    """The results of an evaluation."""

    card: Card  # a JSON document with every number, and everything needed to measure it again
    source: Path | None = None  # the file that it was read from, if any

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The measured numbers, a dict each: model, source, subset, metric, published, measured, verdict, .."""
        return self._made(numbers_of_card)

    @property
    def verdicts(self) -> list[str]:
        """The verdict of every number: PASS, FAIL, PARTIAL or -."""
        return [row["verdict"] for row in self.rows]

    def to_text(self) -> str:
        """Return columns for a terminal."""
        return self._made(to_text)

    def to_markdown(self) -> str:
        """Return the table in Markdown, with notes, the errors by part of the face, and how to repeat the run."""
        return self._made(to_markdown)

    def to_csv(self) -> str:
        """Return `rows` as CSV: plain numbers, without units."""
        return self._made(to_csv)

    def to_json(self) -> str:
        """Return the whole card; the same run gives the same text."""
        return self._made(lambda card: json.dumps(card, indent=1, allow_nan=False) + "\n")

    def to_html(self) -> str:
        """Return a page that loads nothing else; `MissingDependencyError` without matplotlib (extra `report`)."""
        return self._made(to_html)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as its suffix says: .json, .html, .md, .csv or .txt; `InvalidOptionError` for others."""
        file = Path(path)
        if file.suffix not in SUFFIXES:
            raise InvalidOptionError(f"a report cannot be written as {file.name!r}: use {', '.join(SUFFIXES)}")
        write_file(file, SUFFIXES[file.suffix](self).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Report":
        """Read a report from its JSON file; `InvalidOptionError` for other files."""
        file = Path(path)
        try:
            card: Card = parse_json(file.read_bytes())
            found = card["schema"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InvalidOptionError(f"{file} is not a report of facelandmarks-eval: {error!r}") from error
        if found != SCHEMA:
            raise InvalidOptionError(f"{file} has the schema {found!r}, this version reads {SCHEMA!r}")
        return cls(card, file)

    def _made(self, make: Callable[[Card], T]) -> T:
        """Make something from the card; if a file that was read lacks something, the error names it."""
        try:
            return make(self.card)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            if self.source is None:
                raise
            raise InvalidOptionError(f"{self.source} is not a whole report of facelandmarks-eval: {error!r}") from error


SUFFIXES: Mapping[str, Callable[[Report], str]] = {
    ".json": Report.to_json,
    ".html": Report.to_html,
    ".md": Report.to_markdown,
    ".csv": Report.to_csv,
    ".txt": Report.to_text,
}
