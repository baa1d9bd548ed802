"""The numbers of a card as tables: for a terminal, Markdown, CSV."""

import csv
import io
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from facelandmarks.evaluation.card import Card
from facelandmarks.evaluation.metrics import STATISTICS

HEADER = ("model", "measured by", "subset", "metric", "reference", "measured", "95 %", "difference", "verdict")
DETECTED = ("detected boxes", "failures")  # further columns if boxes were detected
STATISTICS_HEADER = (
    *("measured", "subset", "missed", "% of", "mean", "95 %", "median"),
    *("failures > 8 %", "> 10 %", "AUC to 8 %", "to 10 %"),
)
COMPARED = ("A", "B", "subset", "faces", "mean A", "mean B", "B - A", "95 %", "B wins", "95 % ", "better")
_DETECTOR_NUMBERS = ("measured", "faces_missed", "failures")
_NUMBERS = (
    *("subset", "metric", "unit", "normaliser", "reference", "reference_kind", "measured", "difference", "verdict"),
    *("faces_expected", "faces_found", "faces_missed", "failures"),
)
_BOXES = {"measured": "", "detector": "detector_"}  # prefixes of columns
Table = list[tuple[str, ...]]


def numbers_of_card(card: Card) -> list[dict[str, Any]]:
    """Return every measured number with its row, and the statistics of its subset, as one flat record."""
    records = []
    for row in card["rows"]:
        for cell in row["cells"]:
            detected, part = cell["detector"] or dict.fromkeys(_DETECTOR_NUMBERS), row["subsets"][cell["subset"]]
            record = {"model": row["model"], "source": row["source"]} | {name: cell[name] for name in _NUMBERS}
            record |= {f"detector_{name}": detected[name] for name in _DETECTOR_NUMBERS}
            for boxes, prefix in _BOXES.items():
                statistics = part[boxes]["statistics"] if part[boxes] else {}
                record |= {f"{prefix}{name}": value for name, value in _flat(statistics).items()}
            records.append(record)
    return records


def _flat(statistics: Card) -> dict[str, float | None]:
    """Return each statistic and the ends of its interval; None for all if there are none."""
    flat: dict[str, float | None] = {}
    for name in STATISTICS:
        number = statistics.get(name, {"value": None, "interval": None})
        low, high = number["interval"] or (None, None)
        flat |= {name: number["value"], f"{name}_low": low, f"{name}_high": high}
    return flat


def table_of_card(card: Card) -> Table:
    """Return a row of texts for each number, below a row of headings."""
    cells = [(row, cell) for row in card["rows"] for cell in row["cells"]]
    detected = any(cell["detector"] for _, cell in cells)
    table: Table = [(*HEADER, *(DETECTED if detected else ()))]
    for row, cell in cells:
        reference, digits, difference, found = (cell[n] for n in ("reference", "digits", "difference", "detector"))
        more = ("-", "-")
        if found:
            share = "" if found["failures"] is None else f"{100 * found['failures']:.2f} %, "
            more = (format_value(cell, found), f"{share}{found['faces_missed']} missed")
        table.append(
            (
                row["model"],
                row["protocol"]["source"],
                subset_text(cell["subset"], cell["faces_found"], cell["faces_expected"]),
                cell["metric"],
                "-" if reference is None else f"{reference:.{digits}f} {cell['reference_kind']}",
                format_value(cell, cell),
                format_interval(cell["interval"], digits),
                "-" if difference is None else f"{round(difference, digits) + 0.0:+.{digits}f}",
                cell["verdict"],
                *(more if detected else ()),
            )
        )
    return table


def subset_text(subset: str, found: int, expected: list[int]) -> str:
    """Return `common, 434 of 554`: how many faces of a subset were measured, of how many that it has."""
    return f"{subset}, {found}{' of ' + ' or '.join(map(str, expected)) if expected else ''}"


def table_of_statistics(card: Card) -> Table:
    """Return mean, median, failures and AUC of all that was measured; headings first."""
    rows = []
    for row, name, boxes, errors in errors_of_card(card):
        statistics = errors["statistics"]
        shares = [f"{100 * v:.2f}" if (v := statistics[name]["value"]) is not None else "-" for name in STATISTICS]
        rows.append(
            (
                label_of_row(row, boxes),
                subset_of_row(row, name),
                str(statistics["missed"]),
                row["protocol"]["normaliser"],
                shares[0],
                format_interval(statistics["mean"]["interval"]),
                *shares[1:],
            )
        )
    return [STATISTICS_HEADER, *rows]


def table_of_intervals(card: Card) -> Table:
    """Return the table of statistics with the interval of each below it; headings first."""
    head = (*STATISTICS_HEADER[:5], *STATISTICS_HEADER[6:])
    rows = []
    for row, name, boxes, found in errors_of_card(card):
        numbers = (found["statistics"][statistic] for statistic in STATISTICS)
        texts = [
            "-" if n["value"] is None else f"{100 * n['value']:.2f}\n{format_interval(n['interval'])}" for n in numbers
        ]
        about = (label_of_row(row, boxes), subset_of_row(row, name), str(found["statistics"]["missed"]))
        rows.append((*about, row["protocol"]["normaliser"], *texts))
    return [head, *rows]


def table_of_comparisons(card: Card) -> Table:
    """Return a row for each pair that was compared; headings first."""
    rows = []
    for pair in card["comparisons"]:
        difference, wins = pair["difference"], pair["wins"]
        means = [f"{100 * mean:.2f}" for mean in pair["means"]]
        rows.append(
            (
                *pair["labels"],
                pair["subset"],
                f"{pair['faces']}, missed {pair['missed'][0]} and {pair['missed'][1]}",
                *means,
                f"{100 * difference['value']:+.2f}",
                format_interval(difference["interval"], sign="+"),
                f"{100 * wins['value']:.1f} %",
                format_interval(wins["interval"], 1),
                {"first": "A", "second": "B", None: "neither is shown to be"}[pair["better"]],
            )
        )
    return [COMPARED, *rows]


def subset_of_row(row: Card, name: str) -> str:
    """Return the name of a subset with its faces, `common, 434 of 554`."""
    expected: list[int] = next((cell["faces_expected"] for cell in row["cells"] if cell["subset"] == name), [])
    return subset_text(name, len(row["subsets"][name]["names"]), expected)


def format_interval(ends: list[float] | None, digits: int = 2, sign: str = "") -> str:
    """Return `2.88 to 3.05`: ends, given as fractions, in percent."""
    return "-" if ends is None else " to ".join(f"{100 * end:{sign}.{digits}f}" for end in ends)


def format_value(cell: Card, values: Card) -> str:
    """Return `4.60 % (inter-ocular)`; pixels without the bracket.

    `values` are those with annotated boxes, the cell itself, or those with detected ones.
    """
    if values["faces_missed"] is None:
        return "-"
    if values["measured"] is None:
        return "not a number"
    normaliser = f" ({cell['normaliser']})" if cell["unit"] == "%" and cell["normaliser"] else ""
    return f"{values['measured']:.{cell['digits']}f} {cell['unit']}{normaliser}"


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
    """Return the name of a row in tables and charts: the model, whose rules unless plain ones, which boxes."""
    details = [row["protocol"]["source"]] if row["protocol"]["table_source"] else []
    details += ["detected boxes"] if boxes == "detector" else []
    shown = f" ({', '.join(details)})" if details else ""
    return f"{row['model']}{shown}"


def notes_of_card(card: Card) -> list[str]:
    """Return what the table does not show: references, what was not measured and why, and what is uncertain."""
    notes = []
    for entry in card["not_run"]:
        source = f" ({entry['source']})" if entry["source"] else ""
        notes.append(f"{entry['model']}{source}: not measured: {entry['reason']}")
    for row in card["rows"]:
        label = label_of_row(row, "measured")
        notes += [f"{label}, {subset}: not measured: {first_sentence(e)}" for subset, e in row["missing"].items()]
        if row["protocol"]["note"]:
            notes.append(f"{label}: {row['protocol']['note']}")
        for cell in row["cells"]:
            if cell["reference"] is not None:
                faces = " or ".join(map(str, cell["reference_faces"]))
                of = f" on {faces} faces of {cell['subset']}" if faces else ""
                notes.append(f"{label}: {cell['reference_kind']} {cell['metric']}{of}: {row['source']}")
    cells = [cell for row in card["rows"] for cell in row["cells"]]
    verdicts = {cell["verdict"] for cell in cells}
    notes += [text for words, text in _VERDICTS.items() if verdicts & set(words)]
    if any(cell["detector"] for cell in cells):
        names = sorted({row["run"]["detector"] for row in card["rows"] if row["run"].get("detector")})
        notes.append(f"detected boxes: from the detector {', '.join(names)}. {_MISSED}")
    if any(pair["faces"] != faces for pair in card["comparisons"] for faces in pair["faces_of"]):
        notes.append("A comparison covers the faces that both reports hold.")
    return list(dict.fromkeys(notes))


_MISSED = "Missed faces are not in means and medians; they are failures."
_VERDICTS = {
    ("PARTIAL",): "PARTIAL: not the faces of the reference, so the numbers are not compared.",
    ("SAME", "DIFFERENT"): "SAME, DIFFERENT: compared with our own earlier number, which proves no published one.",
}


def first_sentence(text: str) -> str:
    """Leave out the list of files that were looked for from the message of an error."""
    return re.sub(r"looked for [^:]*: not found", "its files were not found", text)


def runs_of_card(card: Card) -> list[tuple[str, str]]:
    """Return the command of each run, and its date, its processor and the versions of what ran."""
    lines = []
    for run in card["runs"]:
        details = [run["date"], run["processor"], run["system"], *(f"{k} {v}" for k, v in run["versions"].items() if v)]
        lines.append((command_of_run(run), ", ".join(detail for detail in details if detail)))
    return lines


def command_of_run(run: Card) -> str:
    """Return the command with the last part of each absolute path, which means nothing elsewhere."""
    command = shlex.join(run["command"]) if len(run["command"]) > 1 else "".join(run["command"])
    for name in ("data_root", "predictions", "weights", "cache_dir", "resume"):
        path = run["settings"].get(name)
        if path and Path(path).is_absolute():
            command = command.replace(path, Path(path).name)
    return command


def to_text(card: Card) -> str:
    """Return columns for a terminal, then the notes."""
    blocks = []
    for table in (make(card) for make in TABLES.values()):
        if len(table) > 1:
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            rule = tuple("-" * width for width in widths)
            lines = [zip(row, widths, strict=True) for row in (table[0], rule, *table[1:])]
            blocks.append("\n".join("  ".join(text.ljust(width) for text, width in line).rstrip() for line in lines))
    notes = notes_of_card(card)
    return "\n\n".join([*blocks, *(["\n".join(notes)] if notes else [])]) + "\n"


def to_markdown(card: Card) -> str:
    """Return the tables, then the notes, the errors by part of the face, and how to repeat the run."""
    lines = []
    for title, make in TABLES.items():
        if len(table := make(card)) > 1:
            lines += [f"{title}:", "", *_markdown_table(table), ""]
    lines += [*(f"- {note}" for note in notes_of_card(card)), "", "Mean error by part of the face:", ""]
    lines += [*_markdown_table(table_of_parts(card)), "", "Measured by:", ""]
    runs = (f"- `{command}` ({details})" for command, details in runs_of_card(card))
    return "\n".join([*lines, *runs, ""])


def _markdown_table(table: Table) -> list[str]:
    head, *rows = table
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |" for texts in lines]


TABLES: Mapping[str, Callable[[Card], Table]] = {
    "Reference and measured": table_of_card,
    "Errors of faces": table_of_statistics,
    "Compared on the same faces": table_of_comparisons,
}


def to_csv(card: Card) -> str:
    """Return plain numbers, without units in the cells."""
    text = io.StringIO()
    records = numbers_of_card(card)
    names = ["model", "source", *_NUMBERS, *(f"detector_{name}" for name in _DETECTOR_NUMBERS)]
    names += [f"{prefix}{name}" for prefix in _BOXES.values() for name in _flat({})]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({**record, "faces_expected": " ".join(map(str, record["faces_expected"]))})
    return text.getvalue()
