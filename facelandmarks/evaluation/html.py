"""The card as one page that loads nothing and runs nothing: tables, curves, errors by what they depend on, worst faces.

Its look is `page.css`, light or dark as the reader's system is, and for paper.
"""

import json
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from typing import Any, get_args

from facelandmarks.evaluation import figures, tables
from facelandmarks.evaluation.card import Card
from facelandmarks.evaluation.scoring import Verdict

_STATISTICS = (
    "Mean and median of the errors of the faces that were found; failures and area under the curve of all, in percent. "
    "Below each its 95 % interval (bootstrap over faces)."
)
TITLE = "facelandmarks: evaluation"
_HEAD = (
    f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{TITLE}</title>"
    "<meta name=viewport content='width=device-width,initial-scale=1'>"
)
# A sign besides the colour.
_SIGNS = {"PASS": "✓", "FAIL": "✗", "SAME": "=", "DIFFERENT": "≠", "PARTIAL": "◐"}


def to_html(card: Card) -> str:
    """Return the page."""
    charted = figures.by_subset(card)
    curves = [
        make for n, chart in enumerate(charted) for make in (figures.curves(n, *chart), figures.parts_of_face(*chart))
    ]
    groups = [made for chart in charted for made in figures.grouped(*chart)]
    runs = [f"<pre>{escape(run)}</pre><p class=notes>{escape(about)}</p>" for run, about in tables.runs_of_card(card)]
    notes = "".join(f"<li>{escape(note)}" for note in tables.notes_of_card(card))
    sections = [
        ("Reference and measured", [_table(tables.table_of_card(card)), f"<ul class=notes>{notes}</ul>"]),
        ("Errors of faces", [f"<p class=notes>{_STATISTICS}</p>", _table(tables.table_of_intervals(card))]),
        *([("Compared on the same faces", list(_comparisons(card)))] if card["comparisons"] else []),
        ("Cumulative error distribution, parts of the face", [_side_by_side(curves)]),
        ("Errors by attribute, size and yaw", [_side_by_side(groups)]),
        *((tables.label_of_row(row, "measured"), list(_row(row))) for row in card["rows"]),
        ("How it was measured", [*runs, *map(_settings, card["rows"])]),
    ]
    links = "".join(f'<a href="#s{n}">{escape(title)}</a>' for n, (title, _) in enumerate(sections))
    names = sorted({row["protocol"]["dataset"] for row in card["rows"]})
    dates = sorted({run["date"][:10] for run in card["runs"] if run["date"]})
    about = escape(", ".join([*names, *dates]))
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    body = [
        f"<section id=s{n}><h2>{escape(title)}</h2>{''.join(parts)}</section>"
        for n, (title, parts) in enumerate(sections)
    ]
    head = f"{_HEAD}<style>\n{style}</style><header><h1>{TITLE}</h1><p>{about}</p><nav>{links}</nav></header>"
    return "\n".join([head, *body]) + "\n"


def _side_by_side(made: Iterable[str]) -> str:
    return f"<div class=charts>{''.join(made)}</div>"


def _table(table: tables.Table) -> str:
    verdicts = {*get_args(Verdict)} - {"-"}
    head, *rows = table
    names = "".join(f"<th>{escape(name)}" for name in head)
    lines = "".join(
        "<tr>"
        + "".join(
            f"<td class={text}>{_SIGNS[text]} {text}" if text in verdicts else f"<td>{escape(text)}" for text in texts
        )
        for texts in rows
    )
    return f"<div class=wide><table><tr>{names}{lines}</table></div>"


def _comparisons(card: Card) -> Iterator[str]:
    """Give the table of what was compared, what it says, and the figures."""
    yield _table(tables.table_of_comparisons(card))
    for pair in card["comparisons"]:
        first, second = pair["labels"]
        better = {"first": first, "second": second}.get(pair["better"] or "")
        shown = f"{better} is better" if better else f"neither is shown to be better than the other ({first}, {second})"
        wins = f"B, {second}, is nearer on {100 * pair['wins']['value']:.1f} % of {pair['faces']} faces"
        yield f"<p>{escape(pair['subset'])}: {escape(shown)}; {escape(wins)}.</p>"
    yield _side_by_side(figures.compared(card["comparisons"]))


def _row(row: Card) -> Iterator[str]:
    """Give errors by landmark, scores against errors, and the worst faces of a row."""
    normaliser, made = row["protocol"]["normaliser"], list[str]()
    for _, name, boxes, found in tables.errors_of_card({"rows": [row]}):
        if all(error is None for error in found["per_landmark"]):
            continue  # no face was found
        caption = f"{name}{', detected boxes' if boxes == 'detector' else ''}"
        made.append(figures.landmarks(caption, row["subsets"][name]["mean_face"], found, normaliser))
        made += figures.scores_and_errors(caption, found, normaliser)
    yield _side_by_side(made)
    for name, subset in row["subsets"].items():
        if subset.get("worst"):
            about = "truth: blue rings; prediction: orange dots; click to enlarge"
            yield f"<h3>{escape(name)}: worst faces</h3><p class=notes>{about}</p><div class=faces>"
            for face in subset["worst"]:
                image = f"<img alt='' src='data:image/jpeg;base64,{escape(face['jpeg'])}'>"
                caption = f"<b>{100 * face['error']:.2f} %</b> {escape(face['name'])}"
                yield f"<figure tabindex=0><span>{image}</span><figcaption>{caption}</figcaption></figure>"
            yield "</div>"


def _settings(row: Card) -> str:
    """Return engine, digests and protocol of a row."""
    run, facts = row["run"], dict[str, Any]()
    if "engine" in run:
        engine = run["engine"]
        facts["engine"] = " ".join(f"{engine[name]}" for name in ("engine", "version", "device", "dtype"))
        facts["threads"] = engine["threads"]
        facts["weights"] = f"{run['weights']['file']}, SHA-256 {run['weights']['sha256']}"
        facts["detector"] = run["detector"]
    else:
        facts["predictions"] = f"{run['predictions']}, SHA-256 {run.get('sha256')}"
    for name, subset in row["subsets"].items():
        found = subset["annotations"]
        digests = f"faces {found['faces_sha256']}" + (f", file {found['sha256']}" if found["sha256"] else "")
        facts[f"annotations of {name}"] = f"{found['form']}, {found['path']}; SHA-256 of {digests}"
    lines = "".join(f"<dt>{escape(name)}<dd>{escape(str(value))}" for name, value in facts.items() if value is not None)
    rest = escape(json.dumps({"pipeline": run.get("pipeline"), "protocol": row["protocol"]}, indent=1))
    label = escape(tables.label_of_row(row, "measured"))
    more = f"<details><summary>pipeline and protocol</summary><pre>{rest}</pre></details>"
    return f"<h3>{label}</h3><dl>{lines}</dl>{more}"
