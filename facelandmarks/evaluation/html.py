"""The card as one page that loads nothing and runs nothing: tables, curves, errors by what they depend on, worst faces.

Its look is `page.css`, light or dark as the reader's system is, and for paper.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any, get_args

import numpy as np

from facelandmarks.evaluation import charts, tables
from facelandmarks.evaluation.card import Card
from facelandmarks.evaluation.groups import groups_of, mean_of
from facelandmarks.evaluation.scoring import Verdict
from facelandmarks.evaluation.statistics import STATISTICS, Errors, from_json

_STATISTICS = (
    "Mean and median of the errors of the faces that were found; failures and area under the curve of all, in percent. "
    "Below each its 95 % interval (bootstrap over faces)."
)
TITLE = "facelandmarks: evaluation"
# A sign besides the colour.
_SIGNS = {"PASS": "✓", "FAIL": "✗", "SAME": "=", "DIFFERENT": "≠", "PARTIAL": "◐"}


@dataclass(frozen=True)
class Series:
    """What was measured of a subset by one row with one kind of boxes."""

    label: str
    row: Card
    found: Card  # errors and statistics
    errors: Errors  # (N,)


def to_html(card: Card) -> str:
    """Return the page."""
    charted = _by_subset(card)
    sections = [
        ("Reference and measured", [_table(tables.table_of_card(card)), _notes(card)]),
        ("Errors of faces", [f"<p class=notes>{_STATISTICS}</p>", _table(_statistics(card))]),
        *([("Compared on the same faces", list(_comparisons(card)))] if card["comparisons"] else []),
        ("Cumulative error distribution, parts of the face", [_side_by_side(_curves_and_parts(charted))]),
        ("Errors by attribute, size and yaw", [_side_by_side(part for chart in charted for part in _groups(*chart))]),
        *((tables.label_of_row(row, "measured"), list(_row(row))) for row in card["rows"]),
        ("How it was measured", [*_runs(card), *map(_settings, card["rows"])]),
    ]
    links = "".join(f'<a href="#s{n}">{escape(title)}</a>' for n, (title, _) in enumerate(sections))
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    head = (
        f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{TITLE}</title>"
        f"<meta name=viewport content='width=device-width,initial-scale=1'><style>\n{style}</style>"
    )
    body = [
        f"<section id=s{n}><h2>{escape(title)}</h2>{''.join(parts)}</section>"
        for n, (title, parts) in enumerate(sections)
    ]
    return "\n".join([head, f"<header><h1>{TITLE}</h1>{_about(card)}<nav>{links}</nav></header>", *body]) + "\n"


def _figure(caption: str, content: str, square: bool = False) -> str:
    return f"<figure class='chart{' square' * square}'><figcaption>{escape(caption)}</figcaption>{content}</figure>"


def _side_by_side(figures: Iterable[str]) -> str:
    return f"<div class=charts>{''.join(figures)}</div>"


def _about(card: Card) -> str:
    names = sorted({row["protocol"]["dataset"] for row in card["rows"]})
    dates = sorted({run["date"][:10] for run in card["runs"] if run["date"]})
    return f"<p>{escape(', '.join([*names, *dates]))}</p>"


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


def _statistics(card: Card) -> tables.Table:
    """Return the table of statistics with every interval; the terminal has only that of the mean."""
    head = (*tables.STATISTICS_HEADER[:5], *tables.STATISTICS_HEADER[6:])
    rows = []
    for row, name, boxes, found in tables.errors_of_card(card):
        numbers = (found["statistics"][statistic] for statistic in STATISTICS)
        texts = [
            "-" if n["value"] is None else f"{100 * n['value']:.2f}\n{tables.format_interval(n['interval'])}"
            for n in numbers
        ]
        about = (tables.label_of_row(row, boxes), tables.subset_of_row(row, name), str(found["statistics"]["missed"]))
        rows.append((*about, row["protocol"]["normaliser"], *texts))
    return [head, *rows]


def _notes(card: Card) -> str:
    notes = tables.notes_of_card(card)
    return "<ul class=notes>" + "".join(f"<li>{escape(note)}" for note in notes) + "</ul>" if notes else ""


Charted = tuple[str, str, list[Series]]


def _by_subset(card: Card) -> list[Charted]:
    """Return what belongs into one chart: subset and normaliser with all series that have them."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for row, name, boxes, found in tables.errors_of_card(card):
        key = (tables.subset_of_row(row, name), row["protocol"]["normaliser"])
        label = tables.label_of_row(row, boxes)
        groups.setdefault(key, []).append(Series(label, row, found, from_json(found["errors"])))
    return [(*key, series) for key, series in groups.items()]


def _curves_and_parts(charted: Sequence[Charted]) -> Iterator[str]:
    for number, chart in enumerate(charted):
        yield _curves(number, *chart)
        yield _parts(*chart)


def _curves(number: int, subset: str, normaliser: str, series: Sequence[Series]) -> str:
    """Return the curves with a linear and a logarithmic axis, of which the reader chooses one."""
    errors = [one.errors for one in series]
    choices, shown = "", ""
    for name, log in (("linear", False), ("log", True)):
        checked = "" if log else " checked"
        choices += f"<input type=radio name=c{number} class={name} id={name}{number}{checked}>"
        choices += f"<label for={name}{number}>{name}</label>"
        shown += f"<div class={name}>{charts.ced_chart(errors, normaliser, log)}</div>"
    return _figure(f"{subset}: share of faces with at most an error", f"{choices}{shown}{_legend(series)}")


def _legend(series: Sequence[Series], line: bool = True) -> str:
    """Return the names of the series with their lines or marks."""
    if len(series) < 2:
        return f"<p class=legend>{escape(series[0].label)}</p>"
    items = []
    for number, one in enumerate(series):
        drawn = (
            f'<path class="line s{number % charts.SERIES}" d="M0 6H30"/>'
            if line
            else charts.marker(15, 6, number % charts.SERIES)
        )
        items.append(f'<li><svg viewBox="0 0 30 12">{drawn}</svg>{escape(one.label)}')
    return f"<ul class=legend>{''.join(items)}</ul>"


def _parts(subset: str, normaliser: str, series: Sequence[Series]) -> str:
    """Return the mean errors of the contours of the scheme."""
    names = list(series[0].found["per_contour"])
    values = [[one.found["per_contour"][name] for one in series] for name in names]
    groups = [
        (name.replace("_", " "), [None if error is None else (error, error, error) for error in errors])
        for name, errors in zip(names, values, strict=True)
    ]
    return _figure(
        f"{subset}: parts of the face",
        charts.dot_chart(groups, f"mean error, % of {normaliser}") + _legend(series, line=False),
    )


def _groups(subset: str, normaliser: str, series: Sequence[Series]) -> Iterator[str]:
    """Give a chart for each kind of groups that the subset knows; series may hold different faces of it."""
    name = subset.partition(",")[0]
    kinds: dict[str, dict[str, list[charts.Dot]]] = {}
    counts: dict[tuple[str, str], int] = {}
    for place, one in enumerate(series):
        for kind, groups in groups_of(one.row["subsets"][name]):
            for group, faces in groups:
                counts[kind, group] = max(counts.get((kind, group), 0), len(faces))
                dots = kinds.setdefault(kind, {}).setdefault(group, [None] * len(series))
                dots[place] = mean_of(one.errors, faces)
    for kind, named in kinds.items():
        shown = [(f"{group} ({counts[kind, group]})", dots) for group, dots in named.items() if any(dots)]
        chart = charts.dot_chart(shown, f"mean error, % of {normaliser}, with 95 % intervals")
        yield _figure(f"{subset}, by {kind} (faces)", chart + _legend(series, line=False))


def _comparisons(card: Card) -> Iterator[str]:
    """Give the table of what was compared, a chart of the differences, and the faces of each pair."""
    yield _table(tables.table_of_comparisons(card))
    groups = []
    for pair in card["comparisons"]:
        yield f"<p>{escape(_sentence(pair))}</p>"
        difference = pair["difference"]
        if difference["interval"]:
            groups.append((f"{pair['subset']}{' (detected)' * (pair['boxes'] == 'detector')}", difference))
    label = "B - A, % of the normaliser, with 95 % intervals"
    rows = [(name, [(number["value"], *number["interval"])]) for name, number in groups]
    chart = charts.dot_chart(rows, label, zero=False)
    figures = [_figure("difference of the mean errors: below 0, B is better", chart)]
    for pair in card["comparisons"]:
        errors = [from_json(faces) for faces in pair["errors"]]
        both = ~np.isnan(errors[0] + errors[1])
        chart = charts.scatter_chart(errors[0][both], errors[1][both], pair["labels"], pair["normaliser"])
        figures.append(_figure(f"{pair['subset']}: each face; below the line, B is better", chart, square=True))
    yield _side_by_side(figures)


def _sentence(pair: Card) -> str:
    first, second = pair["labels"]
    better = {"first": first, "second": second}.get(pair["better"] or "")
    wins = f"B, {second}, is nearer on {100 * pair['wins']['value']:.1f} % of {pair['faces']} faces"
    shown = f"{better} is better" if better else f"neither is shown to be better than the other ({first}, {second})"
    return f"{pair['subset']}: {shown}; {wins}."


def _row(row: Card) -> Iterator[str]:
    """Give errors by landmark, scores against errors, and the worst faces of a row."""
    normaliser, figures = row["protocol"]["normaliser"], []
    for _, name, boxes, found in tables.errors_of_card({"rows": [row]}):
        if all(error is None for error in found["per_landmark"]):
            continue  # no face was found
        caption = f"{name}{', detected boxes' if boxes == 'detector' else ''}"
        errors = from_json(found["per_landmark"])
        chart = charts.landmark_chart(row["subsets"][name]["mean_face"], errors)
        ends = f"{100 * np.nanmin(errors):.2f} (small) to {100 * np.nanmax(errors):.2f} % of {normaliser} (large)"
        title = f"{caption}: mean error by landmark, {ends}; the six largest are numbered"
        figures.append(_figure(title, chart, square=True))
        figures += _scores(caption, found, normaliser)
    yield _side_by_side(figures)
    for name, subset in row["subsets"].items():
        if subset.get("worst"):
            about = "truth: blue rings; prediction: orange dots; click to enlarge"
            yield f"<h3>{escape(name)}: worst faces</h3><p class=notes>{about}</p><div class=faces>"
            for face in subset["worst"]:
                image = f"<img alt='' src='data:image/jpeg;base64,{escape(face['jpeg'])}'>"
                caption = f"<b>{100 * face['error']:.2f} %</b> {escape(face['name'])}"
                yield f"<figure tabindex=0><span>{image}</span><figcaption>{caption}</figcaption></figure>"
            yield "</div>"


def _scores(caption: str, found: Card, normaliser: str) -> Iterator[str]:
    """Give the histogram of scores against errors, if there are scores and not all are the same."""
    scores, errors = from_json(found["scores"] or []), from_json(found["errors"])
    if len(scores) != len(errors):
        return
    known = ~np.isnan(scores + errors)
    if known.sum() < 2 or np.ptp(scores[known]) == 0:
        return
    chart = charts.heat_chart(scores[known], errors[known], normaliser)
    ranks = [np.argsort(np.argsort(values[known])) for values in (scores, errors)]
    order = f"rank correlation {np.corrcoef(ranks[0], ranks[1])[0, 1]:+.2f}"
    title = f"{caption}: scores against errors, stronger colour for more faces; {order}"
    yield _figure(title, chart)


def _runs(card: Card) -> Iterator[str]:
    for run in card["runs"]:
        versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items() if number)
        about = ", ".join(text for text in (run["date"], run["processor"], run["system"], versions) if text)
        yield f"<pre>{escape(tables.command_of_run(run))}</pre><p class=notes>{escape(about)}</p>"


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
