"""The card as one page that needs nothing else: table, curves, error by landmark, worst faces, settings."""

import base64
import json
from collections.abc import Iterator
from html import escape
from typing import get_args

from facelandmarks.evaluation.charts import ced_chart, landmark_chart
from facelandmarks.evaluation.report import Card
from facelandmarks.evaluation.scoring import Verdict
from facelandmarks.evaluation.tables import (
    Table,
    errors_of_card,
    label_of_row,
    notes_of_card,
    table_of_card,
    table_of_parts,
)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #2b2f36; max-width: 1240px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #e4e7ec; vertical-align: top; }
th { font-weight: 600; color: #5c6470; vertical-align: bottom; } td { min-width: 2.6rem; }
.PASS { color: #11783c; font-weight: 600; } .FAIL { color: #b3261e; font-weight: 600; } .PARTIAL { color: #8a6100; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; } .charts img { max-width: 100%; }
.faces { display: flex; flex-wrap: wrap; gap: .6rem; } figure { margin: 0; width: 165px; font-size: 11px; }
figure img { width: 165px; height: 165px; border-radius: 4px; display: block; } figcaption { overflow-wrap: anywhere; }
details { margin: .8rem 0; } summary { cursor: pointer; color: #5c6470; } small { color: #5c6470; }
pre { background: #f5f6f8; padding: .8rem; font-size: 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
li { margin: .2rem 0; }
"""


def to_html(card: Card) -> str:
    """The page.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed (extra `report`).
    """
    title = "facelandmarks: published and measured"
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>",
        "<meta name=viewport content='width=device-width'>",
        f"<style>{_STYLE}</style><h1>{title}</h1>",
        _table(table_of_card(card)),
        "<ul>" + "".join(f"<li>{escape(note)}" for note in notes_of_card(card)) + "</ul>",
        *_curves(card),
        "<h2>Mean error by part of the face</h2>",
        _table(table_of_parts(card)),
        *(part for row in card["rows"] for part in _row(row)),
        _repeat(card),
    ]
    return "\n".join(parts) + "\n"


def _table(table: Table) -> str:
    head, *rows = table
    names = "".join(f"<th>{escape(name)}" for name in head)
    lines = ("<tr>" + "".join(map(_entry, texts)) for texts in rows)
    return f"<div class=wide><table><tr>{names}{''.join(lines)}</table></div>"


def _entry(text: str) -> str:
    return f"<td class={text}>{text}" if text in get_args(Verdict) and text != "-" else f"<td>{escape(text)}"


def _curves(card: Card) -> Iterator[str]:
    """One chart for each subset and normaliser, with all rows that have it."""
    groups: dict[tuple[str, str], list[tuple[str, list[float | None]]]] = {}
    for row, name, boxes, found in errors_of_card(card):
        curve = (label_of_row(row, boxes), found["errors"])
        groups.setdefault((name, row["protocol"]["normaliser"]), []).append(curve)
    yield "<h2>Cumulative error distribution</h2><div class=charts>"
    for (name, normaliser), curves in groups.items():
        yield f"<div><h3>{escape(name)}</h3>{_image(ced_chart(curves, normaliser), f'curves of {name}')}</div>"
    yield "</div>"


def _row(row: Card) -> Iterator[str]:
    normaliser = row["protocol"]["normaliser"]
    yield f"<h2>{escape(row['model'])} <small>{escape(row['protocol']['source'])}</small></h2>"
    yield "<div class=charts>"
    for _, name, boxes, found in errors_of_card({"rows": [row]}):
        if all(error is None for error in found["per_landmark"]):
            continue  # no face was found
        title = f"{name}: error by landmark{', detected boxes' if boxes == 'detector' else ''}"
        chart = landmark_chart(row["subsets"][name]["mean_face"], found["per_landmark"], normaliser)
        yield f"<div><h3>{escape(title)}</h3>{_image(chart, title)}</div>"
    yield "</div>"
    for name, subset in row["subsets"].items():
        if subset.get("worst"):
            yield f"<h3>{escape(name)}: worst faces <small>truth green, prediction red</small></h3><div class=faces>"
            yield from (_face(face) for face in subset["worst"])
            yield "</div>"
    settings = {key: row[key] for key in ("run", "protocol")}
    settings["annotations"] = {name: subset["annotations"] for name, subset in row["subsets"].items()}
    shown = escape(json.dumps(settings, indent=1))
    yield f"<details><summary>How it was measured</summary><pre>{shown}</pre></details>"


def _face(face: Card) -> str:
    caption = f"{100 * face['error']:.2f} %<br>{escape(face['name'])}"
    return (
        f"<figure><img alt='' src='data:image/jpeg;base64,{face['jpeg']}'><figcaption>{caption}</figcaption></figure>"
    )


def _image(svg: str, alt: str) -> str:
    # As an image, so that names inside of one drawing do not meet those of another.
    return f"<img alt='{escape(alt)}' src='data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}'>"


def _repeat(card: Card) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items() if number)
    return (
        f"<h2>To repeat it</h2><pre>{escape(' '.join(card['command']))}</pre><p><small>{escape(versions)}</small></p>"
    )
