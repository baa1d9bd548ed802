"""The numbers of a card as a table: for a terminal, Markdown, CSV."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from facelandmarks.evaluation.report import Card

HEADER = ("model", "measured by", "subset", "metric", "published", "measured", "difference", "verdict", "faces")


def rows_of_card(card: Card) -> list[tuple[str, ...]]:
    """One row of texts for each number, under `HEADER`."""
    return [_texts(row, cell) for row in card["rows"] for cell in row["cells"]]


def _texts(row: Card, cell: Card) -> tuple[str, ...]:
    boxes = "" if row["boxes"] == "gt" else f", boxes: {row['boxes']}"
    published, difference, digits = cell["published"], cell["difference"], cell["digits"]
    return (
        row["model"],
        f"{row['protocol']['source']}{boxes}",
        cell["subset"],
        cell["metric"],
        "-" if published is None else f"{published:.{digits}f}",
        format_value(cell),
        "-" if difference is None else f"{round(difference, digits) + 0.0:+.{digits}f}",
        cell["verdict"],
        format_faces(cell),
    )


def format_value(cell: Card) -> str:
    """`4.60 % (0.0460, inter-ocular)`; pixels without the bracket."""
    if cell["measured"] is None:
        return "not a number"
    shown = f"{cell['measured']:.{cell['digits']}f} {cell['unit']}"
    if cell["unit"] != "%":
        return shown
    details = [f"{cell['fraction']:.{cell['digits'] + 2}f}", *([cell["normaliser"]] if cell["normaliser"] else [])]
    return f"{shown} ({', '.join(details)})"


def format_faces(cell: Card) -> str:
    """Faces found of those expected, and how many the detector missed."""
    expected = " or ".join(map(str, cell["faces_expected"]))
    found = f"{cell['faces_found']} of {expected}" if expected else str(cell["faces_found"])
    return f"{found}, {cell['faces_missed']} missed" if cell["faces_missed"] else found


def notes_of_card(card: Card) -> list[str]:
    """What the table does not show: what was not measured and why, and what is uncertain."""
    notes = [f"{entry['model']} ({entry['source']}): not measured: {entry['reason']}" for entry in card["not_run"]]
    for row in card["rows"]:
        label = f"{row['model']} ({row['protocol']['source']})"
        notes += [f"{label}, {subset}: not measured: {reason}" for subset, reason in row["missing"].items()]
        if row["protocol"]["note"]:
            notes.append(f"{label}: {row['protocol']['note']}")
    if any(cell["verdict"] == "PARTIAL" for row in card["rows"] for cell in row["cells"]):
        notes.append("PARTIAL: not the published faces, or not the annotated boxes, so it is compared with nothing.")
    return list(dict.fromkeys(notes))


def to_text(card: Card) -> str:
    """Columns for a terminal."""
    table = [HEADER, *rows_of_card(card)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*(lines if len(table) > 1 else []), *notes_of_card(card)]) + "\n"


def to_markdown(card: Card) -> str:
    """A table, then the notes, then how to repeat it."""
    lines = [_markdown_row(HEADER), _markdown_row(["---"] * len(HEADER)), *map(_markdown_row, rows_of_card(card))]
    notes = [f"- {note}" for note in notes_of_card(card)]
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items() if number)
    return "\n".join([*lines, "", *notes, "", f"Measured by `{' '.join(card['command'])}`, with {versions}.", ""])


def _markdown_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


def to_csv(card: Card) -> str:
    """Plain numbers: no units inside of the cells."""
    columns = (
        "subset",
        "metric",
        "unit",
        "normaliser",
        "published",
        "measured",
        "difference",
        "verdict",
        "faces_expected",
        "faces_found",
        "faces_missed",
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "source", "boxes", *columns])
    for row in card["rows"]:
        for cell in row["cells"]:
            writer.writerow([row["model"], row["source"], row["boxes"], *(_csv_value(cell[name]) for name in columns)])
    return text.getvalue()


def _csv_value(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
