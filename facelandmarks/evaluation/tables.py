"""The numbers of a card as a table: for a terminal, Markdown, CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from facelandmarks.evaluation.report import Card

HEADER = ("model", "measured by", "subset", "metric", "published", "measured", "difference", "verdict", "faces")
DETECTED = ("detected boxes", "failures")  # columns that are there if boxes were detected
_CSV_DETECTOR = ("measured", "faces_missed", "failures")
_CSV = (
    *("subset", "metric", "unit", "normaliser", "published", "measured", "difference", "verdict"),
    *("faces_expected", "faces_found", "faces_missed", "failures"),
)
Table = list[tuple[str, ...]]


def table_of_card(card: Card) -> Table:
    """A row of texts for each number, under a row of headings."""
    cells = [(row, cell) for row in card["rows"] for cell in row["cells"]]
    detected = any(cell["detector"] for _, cell in cells)
    rows = [(*_texts(row, cell), *(_detected(cell) if detected else ())) for row, cell in cells]
    return [(*HEADER, *(DETECTED if detected else ())), *rows]


def _texts(row: Card, cell: Card) -> tuple[str, ...]:
    published, difference, digits = cell["published"], cell["difference"], cell["digits"]
    return (
        row["model"],
        row["protocol"]["source"],
        cell["subset"],
        cell["metric"],
        "-" if published is None else f"{published:.{digits}f}",
        format_value(cell, cell),
        "-" if difference is None else f"{round(difference, digits) + 0.0:+.{digits}f}",
        cell["verdict"],
        format_faces(cell),
    )


def _detected(cell: Card) -> tuple[str, str]:
    values = cell["detector"]
    if values is None:
        return ("-", "-")
    share = "" if values["failures"] is None else f"{100 * values['failures']:.2f} %, "
    return (format_value(cell, values), f"{share}{values['faces_missed']} missed")


def format_value(cell: Card, values: Card) -> str:
    """`4.60 % (0.0460, inter-ocular)`; pixels without the bracket.

    `values` are those with annotated boxes, the cell itself, or those with detected ones.
    """
    if values["faces_missed"] is None:
        return "-"
    if values["measured"] is None:
        return "not a number"
    shown = f"{values['measured']:.{cell['digits']}f} {cell['unit']}"
    if cell["unit"] != "%":
        return shown
    details = [f"{values['fraction']:.{cell['digits'] + 2}f}", *([cell["normaliser"]] if cell["normaliser"] else [])]
    return f"{shown} ({', '.join(details)})"


def format_faces(cell: Card) -> str:
    """Faces found of those expected, and how many another program missed."""
    expected = " or ".join(map(str, cell["faces_expected"]))
    found = f"{cell['faces_found']} of {expected}" if expected else str(cell["faces_found"])
    return f"{found}, {cell['faces_missed']} missed" if cell["faces_missed"] else found


def table_of_parts(card: Card) -> Table:
    """Mean errors by part of the face (contours of the point layout), in % of the normaliser; headings first."""
    rows, parts = [], {}
    for row, name, boxes, errors in errors_of_card(card):
        values = errors["per_contour"]
        parts = values
        shown = ("-" if value is None else f"{100 * value:.2f}" for value in values.values())
        rows.append((label_of_row(row, boxes), name, row["protocol"]["normaliser"], *shown))
    return [("measured", "subset", "% of", *(part.replace("_", " ") for part in parts)), *rows]


def errors_of_card(card: Card) -> Iterator[tuple[Card, str, str, Card]]:
    """Row, subset, boxes (`measured` or `detector`) and errors of all that was measured."""
    for row in card["rows"]:
        for name, subset in row["subsets"].items():
            for boxes in ("measured", "detector"):
                if subset[boxes]:
                    yield row, name, boxes, subset[boxes]


def label_of_row(row: Card, boxes: str) -> str:
    """What is measured, in one text."""
    return f"{row['model']} ({row['protocol']['source']}{', detected boxes' if boxes == 'detector' else ''})"


def notes_of_card(card: Card) -> list[str]:
    """What the table does not show: what was not measured and why, and what is uncertain."""
    notes = [f"{entry['model']} ({entry['source']}): not measured: {entry['reason']}" for entry in card["not_run"]]
    for row in card["rows"]:
        label = label_of_row(row, "measured")
        notes += [f"{label}, {subset}: not measured: {reason}" for subset, reason in row["missing"].items()]
        if row["protocol"]["note"]:
            notes.append(f"{label}: {row['protocol']['note']}")
    if any(cell["verdict"] == "PARTIAL" for row in card["rows"] for cell in row["cells"]):
        notes.append("PARTIAL: not the published faces, so it is compared with nothing.")
    if any(cell["detector"] for row in card["rows"] for cell in row["cells"]):
        names = sorted({row["run"]["detector"] for row in card["rows"]})
        notes.append(
            f"detected boxes: of the detector {', '.join(names)}. Missed faces are in no mean; failures are the faces "
            "that were missed or have an error above 10 %."
        )
    return list(dict.fromkeys(notes))


def to_text(card: Card) -> str:
    """Columns for a terminal."""
    table = table_of_card(card)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*(lines if len(table) > 1 else []), *notes_of_card(card)]) + "\n"


def to_markdown(card: Card) -> str:
    """A table, then the notes, the errors by part of the face, and how to repeat it."""
    notes = [f"- {note}" for note in notes_of_card(card)]
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items() if number)
    repeat = f"Measured by `{' '.join(card['command'])}`, with {versions}."
    lines = [*_markdown_table(table_of_card(card)), "", *notes, "", "Mean error by part of the face:", ""]
    return "\n".join([*lines, *_markdown_table(table_of_parts(card)), "", repeat, ""])


def _markdown_table(table: Table) -> list[str]:
    head, *rows = table
    return [_markdown_row(head), _markdown_row(["---"] * len(head)), *map(_markdown_row, rows)]


def _markdown_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


def to_csv(card: Card) -> str:
    """Plain numbers: no units inside of the cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "source", *_CSV, *(f"detector_{name}" for name in _CSV_DETECTOR)])
    for row in card["rows"]:
        for cell in row["cells"]:
            detected = cell["detector"] or dict.fromkeys(_CSV_DETECTOR)
            values = [*(cell[name] for name in _CSV), *(detected[name] for name in _CSV_DETECTOR)]
            writer.writerow([row["model"], row["source"], *map(_csv_value, values)])
    return text.getvalue()


def _csv_value(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
