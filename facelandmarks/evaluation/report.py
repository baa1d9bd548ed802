"""What a run gives: its card, as text, tables, a page, or a file."""

import json
import os
import tempfile
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from facelandmarks._files import parse_json, write_file
from facelandmarks.errors import FaceLandmarksError, InvalidOptionError, require
from facelandmarks.evaluation.card import OLD_SCHEMA, SCHEMA, Card, upgrade
from facelandmarks.evaluation.html import to_html
from facelandmarks.evaluation.paired import compare_cards, merge_cards
from facelandmarks.evaluation.tables import numbers_of_card, to_csv, to_markdown, to_text

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Report:
    """The results of an evaluation."""

    card: Card  # a JSON document with every number, and everything needed to measure it again
    source: str | None = None  # the file that it was read from, if any

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The measured numbers, a dict each: model, subset, metric, reference, measured, verdict, mean, median, .."""
        return self._made(numbers_of_card)

    @property
    def verdicts(self) -> list[str]:
        """The verdict of every number: PASS, FAIL, SAME, DIFFERENT, PARTIAL or -."""
        return [row["verdict"] for row in self.rows]

    @property
    def comparisons(self) -> list[dict[str, Any]]:
        """What `compare` found, a dict for each subset."""
        return list(self.card["comparisons"])

    def compare(self, other: "Report") -> "Report":
        """Return both reports as one that says whether the other's models are better on the same faces.

        Differences are paired, face by face, with 95 % bootstrap intervals. `InvalidOptionError` if the reports have
        no subset or fewer than two faces in common, or were measured on different annotations.
        """
        both = Report.merge(self, other)
        return Report(both._made(lambda _: compare_cards(self.card, other.card)), both.source)

    @classmethod
    def merge(cls, *reports: "Report") -> "Report":
        """Return the rows of several reports as one report, whose charts show them together."""
        files = [report.source for report in reports if report.source]
        merged = cls({}, " or ".join(files) or None)
        return cls(merged._made(lambda _: merge_cards([report.card for report in reports])), merged.source)

    def to_pandas(self) -> Any:
        """Return `rows` as a `pandas.DataFrame`; `MissingDependencyError` without pandas (extra `pandas`)."""
        return require("pandas", "to_pandas (not `rows`)", '"facelandmarks-zoo[pandas]"').DataFrame(self.rows)

    def to_text(self) -> str:
        """Return columns for a terminal."""
        return self._made(to_text)

    def to_markdown(self) -> str:
        """Return the tables in Markdown, with notes, the errors by part of the face, and how to repeat the run."""
        return self._made(to_markdown)

    def to_csv(self) -> str:
        """Return `rows` as CSV: plain numbers, without units."""
        return self._made(to_csv)

    def to_json(self) -> str:
        """Return the whole card; the same run gives the same text."""
        return self._made(lambda card: json.dumps(card, indent=1, allow_nan=False) + "\n")

    def to_html(self) -> str:
        """Return a page that loads nothing else."""
        return self._made(to_html)

    def _repr_html_(self) -> str:
        return self.to_html()

    def show(self) -> None:
        """Open the page in a browser, from a temporary file; a notebook shows it if a cell ends with the report."""
        with tempfile.NamedTemporaryFile("w", suffix=".html", delete=False, encoding="utf-8") as file:
            file.write(self.to_html())
        webbrowser.open(Path(file.name).as_uri())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as its suffix says: .json, .html, .md, .csv or .txt; `InvalidOptionError` for others."""
        file = Path(path)
        if file.suffix not in SUFFIXES:
            raise InvalidOptionError(f"a report cannot be written as {file.name!r}: use {', '.join(SUFFIXES)}")
        write_file(file, SUFFIXES[file.suffix](self).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Report":
        """Read a report from its JSON file, also one of the schema before; `InvalidOptionError` for other files."""
        file = Path(path)
        try:
            card: Card = parse_json(file.read_bytes())
            found = card["schema"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InvalidOptionError(f"{file} is not a report of facelandmarks-eval: {error!r}") from error
        if found == OLD_SCHEMA:
            return cls(cls(card, str(file))._made(upgrade), str(file))
        if found != SCHEMA:
            known = f"{SCHEMA!r} and {OLD_SCHEMA!r}"
            raise InvalidOptionError(f"{file} has the schema {found!r}, this version reads {known}")
        return cls(card, str(file))

    def _made(self, make: Callable[[Card], T]) -> T:
        """Make something from the card; if a file that was read lacks something, the error names it."""
        try:
            return make(self.card)
        except FaceLandmarksError:
            raise
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
