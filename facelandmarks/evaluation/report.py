"""What a run gives: its card, as text, tables, a page, or a file; and the cards of two runs compared."""

import json
import os
import tempfile
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from facelandmarks._files import parse_json, write_file
from facelandmarks.errors import FaceLandmarksError, InvalidOptionError, require
from facelandmarks.evaluation.card import OLD_SCHEMA, SCHEMA, Card, upgrade
from facelandmarks.evaluation.html import to_html
from facelandmarks.evaluation.metrics import compare_errors, from_json
from facelandmarks.evaluation.tables import label_of_row, numbers_of_card, to_csv, to_markdown, to_text

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
        with tempfile.NamedTemporaryFile(suffix=".html", delete=False) as file:
            file.write(_encoded(self.to_html()))
        webbrowser.open(Path(file.name).as_uri())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as its suffix says: .json, .html, .md, .csv or .txt; `InvalidOptionError` for others."""
        file = Path(path)
        if file.suffix not in SUFFIXES:
            raise InvalidOptionError(f"a report cannot be written as {file.name!r}: use {', '.join(SUFFIXES)}")
        write_file(file, _encoded(SUFFIXES[file.suffix](self)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Report":
        """Read a report from its JSON file, also one of the schema before; `InvalidOptionError` for other files."""
        file = Path(path)
        try:
            card: Card = parse_json(file.read_bytes())
            found = card["schema"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InvalidOptionError(f"{file} is not a report of facelandmarks-eval: {error!r:.200}") from error
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


def _encoded(text: str) -> bytes:
    """Return a text as UTF-8; names of files may hold bytes that are none, which are written as escapes."""
    return text.encode(errors="backslashreplace")


_SAME_SIZE = 0.15  # px: sizes of faces are kept with one decimal


def merge_cards(cards: Sequence[Card]) -> Card:
    """Return the rows of several runs as one card."""
    parts = {name: [entry for card in cards for entry in card[name]] for name in ("runs", "rows", "not_run")}
    return {"schema": SCHEMA, **parts, "comparisons": [pair for card in cards for pair in card["comparisons"]]}


def compare_cards(first: Card, second: Card) -> Card:
    """Return both cards as one, with the comparison of every row of the second with those of the first.

    Rows are compared where they share dataset, subset, boxes and normaliser; of rows of several protocols, those of
    the same one. `InvalidOptionError` if there are none, fewer than two common faces, or if the annotations differ.
    """
    card = merge_cards([first, second])
    for one in first["rows"]:
        partners = [row for row in second["rows"] if _held(row) == _held(one)]
        same = [row for row in partners if row["protocol"]["name"] == one["protocol"]["name"]]
        for two, subset, boxes in product(same or partners, one["subsets"], ("measured", "detector")):
            if all(row["subsets"].get(subset, {}).get(boxes) for row in (one, two)):
                card["comparisons"].append(_compare(one, two, subset, boxes))
    if not card["comparisons"]:
        held = [sorted({_held(row) for row in rows}) for rows in (first["rows"], second["rows"])]
        raise InvalidOptionError(f"nothing can be compared: the first holds {held[0]}, the second {held[1]}")
    return card


def _held(row: Card) -> str:
    return f"{row['protocol']['dataset']} in % of {row['protocol']['normaliser']}"


def _compare(one: Card, two: Card, subset: str, boxes: str) -> Card:
    """Return what the card says of one comparison."""
    parts = [row["subsets"][subset] for row in (one, two)]
    found = {name: place for place, name in enumerate(parts[1]["names"])}
    common = [place for place, name in enumerate(parts[0]["names"]) if name in found]
    places = common, [found[parts[0]["names"][place]] for place in common]
    labels = [label_of_row(row, boxes) for row in (one, two)]
    if len(places[0]) < 2:
        raise InvalidOptionError(f"{' and '.join(labels)} have fewer than two faces of {subset} in common")
    if all(part["sizes"] for part in parts):
        sizes = [np.array(part["sizes"])[place] for part, place in zip(parts, places, strict=True)]
        if (np.abs(sizes[0] - sizes[1]) > _SAME_SIZE).any():
            raise InvalidOptionError(
                f"{' and '.join(labels)} were measured on other annotations of {subset}: use one --form for both"
            )
    errors = [from_json(part[boxes]["errors"])[place] for part, place in zip(parts, places, strict=True)]
    return {
        "labels": labels,
        "subset": subset,
        "boxes": boxes,
        "normaliser": one["protocol"]["normaliser"],
        "faces_of": [len(part["names"]) for part in parts],
        "errors": [[None if np.isnan(error) else float(error) for error in faces] for faces in errors],
        **compare_errors(*errors),
    }
