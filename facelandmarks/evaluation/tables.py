"""The numbers of a card as tables: for a terminal, Markdown, CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from facelandmarks.evaluation.card import Card

HEADER = ("model", "measured by", "subset", "metric", "published", "measured", "difference", "verdict", "faces")
DETECTED = ("detected boxes", "failures")  # further columns if boxes were detected
_DETECTOR_NUMBERS = ("measured", "faces_missed", "failures")
_NUMBERS = (
    *("subset", "metric", "unit", "normaliser", "published", "measured", "difference", "verdict"),
    *("faces_expected", "faces_found", "faces_missed", "failures"),
)
Table = list[tuple[str, ...]]


def numbers_of_card(card: Card) -> list[dict[str, Any]]:
    """Return every measured number with its row as one flat record."""
    records = []
    for row in card["rows"]:
        for cell in row["cells"]:
            detected = cell["detector"] or dict.fromkeys(_DETECTOR_NUMBERS)
            records.append(
                {"model": row["model"], "source": row["source"]}
                | {name: cell[name] for name in _NUMBERS}
                | {f"detector_{name}": detected[name] for name in _DETECTOR_NUMBERS}
            )
    return records


def table_of_card(card: Card) -> Table:
    """Return a row of texts for each number, below a row of headings."""
    cells = [(row, cell) for row in card["rows"] for cell in row["cells"]]
    detected = any(cell["detector"] for _, cell in cells)
    return [(*HEADER, *(DETECTED if detected else ())), *(_texts(row, cell, detected) for row, cell in cells)]


def _texts(row: Card, cell: Card, detected: bool) -> tuple[str, ...]:
    published, difference, digits, found = (cell[name] for name in ("published", "difference", "digits", "detector"))
    expected = " or ".join(map(str, cell["faces_expected"]))
    faces = f"{cell['faces_found']} of {expected}" if expected else str(cell["faces_found"])
    texts = (
        row["model"],
        row["protocol"]["source"],
        cell["subset"],
        cell["metric"],
        "-" if published is None else f"{published:.{digits}f}",
        format_value(cell, cell),
        "-" if difference is None else f"{round(difference, digits) + 0.0:+.{digits}f}",
        cell["verdict"],
        f"{faces}, {cell['faces_missed']} missed" if cell["faces_missed"] else faces,
    )
    if not detected:
        return texts
    if found is None:
        return (*texts, "-", "-")
    share = "" if found["failures"] is None else f"{100 * found['failures']:.2f} %, "
    return (*texts, format_value(cell, found), f"{share}{found['faces_missed']} missed")


def format_value(cell: Card, values: Card) -> str:
    """Return `4.60 % (0.0460, inter-ocular)`; pixels without the bracket.

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


def table_of_parts(card: Card) -> Table:
    """Return mean errors by part of the face (contours of the scheme), in % of the normaliser; headings first."""
    rows, parts = [], {}
    for row, name, boxes, errors in errors_of_card(card):
        parts = errors["per_contour"]
        shown = ("-" if value is None else f"{100 * value:.2f}" for value in parts.values())
        rows.append((label_of_row(row, boxes), name, row["protocol"]["normaliser"], *shown))
    return [("measured", "subset", "% of", *(part.replace("_", " ") for part in parts)), *rows]


def errors_of_card(card: Card) -> Iterator[tuple[Card, str, str, Card]]:
    """Give row, subset, boxes (`measured` or `detector`) and errors of all that was measured."""
    for row in card["rows"]:
        for name, subset in row["subsets"].items():
            for boxes in ("measured", "detector"):
                if subset[boxes]:
                    yield row, name, boxes, subset[boxes]


def label_of_row(row: Card, boxes: str) -> str:
    """Return the name of a row in tables and charts."""
    return f"{row['model']} ({row['protocol']['source']}{', detected boxes' if boxes == 'detector' else ''})"


def notes_of_card(card: Card) -> list[str]:
    """Return what the table does not show: what was not measured and why, and what is uncertain."""
    notes = [f"{entry['model']} ({entry['source']}): not measured: {entry['reason']}" for entry in card["not_run"]]
    for row in card["rows"]:
        label = label_of_row(row, "measured")
        notes += [f"{label}, {subset}: not measured: {reason}" for subset, reason in row["missing"].items()]
        if row["protocol"]["note"]:
            notes.append(f"{label}: {row['protocol']['note']}")
    if any(cell["verdict"] == "PARTIAL" for row in card["rows"] for cell in row["cells"]):
        notes.append("PARTIAL: not the published faces, so it is not compared.")
    if any(cell["detector"] for row in card["rows"] for cell in row["cells"]):
        names = sorted({row["run"]["detector"] for row in card["rows"]})
        notes.append(
            f"detected boxes: from the detector {', '.join(names)}. Missed faces are not in the means; failures are "
            "faces that were missed or have an error above 10 %."
        )
    return list(dict.fromkeys(notes))


def versions_of_card(card: Card) -> str:
    """Return the versions of the packages in one text."""
    return ", ".join(f"{name} {number}" for name, number in card["versions"].items() if number)


def to_text(card: Card) -> str:
    """Return columns for a terminal, then the notes."""
    table = table_of_card(card)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*(lines if len(table) > 1 else []), *notes_of_card(card)]) + "\n"


def to_markdown(card: Card) -> str:
    """Return a table, then the notes, the errors by part of the face, and how to repeat the run."""
    notes = [f"- {note}" for note in notes_of_card(card)]
    repeat = f"Measured by `{' '.join(card['command'])}`, with {versions_of_card(card)}."
    lines = [*_markdown_table(table_of_card(card)), "", *notes, "", "Mean error by part of the face:", ""]
    return "\n".join([*lines, *_markdown_table(table_of_parts(card)), "", repeat, ""])


def _markdown_table(table: Table) -> list[str]:
    head, *rows = table
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |" for texts in lines]


def to_csv(card: Card) -> str:
    """Return plain numbers, without units in the cells."""
    text = io.StringIO()
    names = ["model", "source", *_NUMBERS, *(f"detector_{name}" for name in _DETECTOR_NUMBERS)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for record in numbers_of_card(card):
        writer.writerow({**record, "faces_expected": " ".join(map(str, record["faces_expected"]))})
    return text.getvalue()
