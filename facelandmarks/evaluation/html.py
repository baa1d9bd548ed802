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
from facelandmarks.evaluation.charts import Dot
from facelandmarks.evaluation.metrics import Errors, bootstrap_interval, from_json
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
    charted = by_subset(card)
    drawn = [make for n, chart in enumerate(charted) for make in (curves(n, *chart), parts_of_face(*chart))]
    groups = [made for chart in charted for made in grouped(*chart)]
    runs = [f"<pre>{escape(run)}</pre><p class=notes>{escape(about)}</p>" for run, about in tables.runs_of_card(card)]
    notes = "".join(f"<li>{escape(note)}" for note in tables.notes_of_card(card))
    sections = [
        ("Reference and measured", [_table(tables.table_of_card(card)), f"<ul class=notes>{notes}</ul>"]),
        ("Errors of faces", [f"<p class=notes>{_STATISTICS}</p>", _table(tables.table_of_intervals(card))]),
        *([("Compared on the same faces", list(_comparisons(card)))] if card["comparisons"] else []),
        ("Cumulative error distribution, parts of the face", [_side_by_side(drawn)]),
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
    yield _side_by_side(compared(card["comparisons"]))


def _row(row: Card) -> Iterator[str]:
    """Give errors by landmark, scores against errors, and the worst faces of a row."""
    normaliser, made = row["protocol"]["normaliser"], list[str]()
    for _, name, boxes, found in tables.errors_of_card({"rows": [row]}):
        if all(error is None for error in found["per_landmark"]):
            continue  # no face was found
        caption = f"{name}{', detected boxes' if boxes == 'detector' else ''}"
        made.append(landmarks(caption, row["subsets"][name]["mean_face"], found, normaliser))
        made += scores_and_errors(caption, found, normaliser)
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


SIZES = (0, 32, 64, 128, 256, 512)  # px, lower ends, longer side of the tight box
YAWS = (0, 15, 30, 45, 60)  # degrees, lower ends, to either side
# Indices of the faces of a group with its name.
Group = tuple[str, list[int]]


@dataclass(frozen=True)
class Series:
    """What was measured of a subset by one row with one kind of boxes."""

    label: str
    row: Card
    found: Card  # errors and statistics
    errors: Errors  # (N,)


# Subset, normaliser, and all that has them: what belongs into one chart.
Charted = tuple[str, str, list[Series]]


def by_subset(card: Card) -> list[Charted]:
    """Return what belongs into one chart: subset and normaliser with all series that have them."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for row, name, boxes, found in tables.errors_of_card(card):
        key = (tables.subset_of_row(row, name), row["protocol"]["normaliser"])
        label = tables.label_of_row(row, boxes)
        groups.setdefault(key, []).append(Series(label, row, found, from_json(found["errors"])))
    return [(*key, series) for key, series in groups.items()]


def figure(caption: str, content: str, square: bool = False) -> str:
    """Return a figure; a square one is smaller."""
    return f"<figure class='chart{' square' * square}'><figcaption>{escape(caption)}</figcaption>{content}</figure>"


def curves(number: int, subset: str, normaliser: str, series: Sequence[Series]) -> str:
    """Return the curves with a linear and a logarithmic axis, of which the reader chooses one."""
    errors = [one.errors for one in series]
    choices, shown = "", ""
    for name, log in (("linear", False), ("log", True)):
        checked = "" if log else " checked"
        choices += f"<input type=radio name=c{number} class={name} id={name}{number}{checked}>"
        choices += f"<label for={name}{number}>{name}</label>"
        shown += f"<div class={name}>{charts.ced_chart(errors, normaliser, log)}</div>"
    return figure(f"{subset}: share of faces with at most an error", f"{choices}{shown}{_legend(series)}")


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


def parts_of_face(subset: str, normaliser: str, series: Sequence[Series]) -> str:
    """Return the mean errors of the contours of the scheme."""
    names = list(series[0].found["per_contour"])
    values = [[one.found["per_contour"][name] for one in series] for name in names]
    groups = [
        (name.replace("_", " "), [None if error is None else (error, error, error) for error in errors])
        for name, errors in zip(names, values, strict=True)
    ]
    return figure(
        f"{subset}: parts of the face",
        charts.dot_chart(groups, f"mean error, % of {normaliser}") + _legend(series, line=False),
    )


def grouped(subset: str, normaliser: str, series: Sequence[Series]) -> Iterator[str]:
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
        yield figure(f"{subset}, by {kind} (faces)", chart + _legend(series, line=False))


def landmarks(caption: str, mean_face: Sequence[Sequence[float]], found: Card, normaliser: str) -> str:
    """Return the mean face with the mean error of each landmark."""
    errors = from_json(found["per_landmark"])
    ends = f"{100 * np.nanmin(errors):.2f} (small) to {100 * np.nanmax(errors):.2f} % of {normaliser} (large)"
    title = f"{caption}: mean error by landmark, {ends}; the six largest are numbered"
    return figure(title, charts.landmark_chart(mean_face, errors), square=True)


def scores_and_errors(caption: str, found: Card, normaliser: str) -> Iterator[str]:
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
    yield figure(title, chart)


def compared(pairs: Sequence[Card]) -> Iterator[str]:
    """Give a chart of the differences of pairs that were compared, then the faces of each pair."""
    names = [f"{pair['subset']}{' (detected)' * (pair['boxes'] == 'detector')}" for pair in pairs]
    numbers = [pair["difference"] for pair in pairs]
    rows = [(name, [(n["value"], *n["interval"])]) for name, n in zip(names, numbers, strict=True) if n["interval"]]
    chart = charts.dot_chart(rows, "B - A, % of the normaliser, with 95 % intervals", zero=False)
    yield figure("difference of the mean errors: below 0, B is better", chart)
    for pair in pairs:
        errors = [from_json(faces) for faces in pair["errors"]]
        both = ~np.isnan(errors[0] + errors[1])
        chart = charts.scatter_chart(errors[0][both], errors[1][both], pair["labels"], pair["normaliser"])
        yield figure(f"{pair['subset']}: each face; below the line, B is better", chart, square=True)


def groups_of(part: Card) -> Iterator[tuple[str, list[Group]]]:
    """Give kinds of groups with their faces, of what the card knows about a subset."""
    if part["attributes"]:
        names = sorted({name for names in part["attributes"] for name in names})
        attributes = [(name, [n for n, face in enumerate(part["attributes"]) if name in face]) for name in names]
        yield "attribute", [*attributes, ("none of them", [n for n, face in enumerate(part["attributes"]) if not face])]
    if part["sizes"]:
        yield "size of the face", _bins(part["sizes"], SIZES, " px")
    if part["yaws"]:
        turned = [None if yaw is None else abs(yaw) for yaw in part["yaws"]]
        yield "yaw of the head", _bins(turned, YAWS, "°")


def _bins(values: Sequence[float | None], ends: Sequence[int], unit: str) -> list[Group]:
    groups = []
    for low, high in zip(ends, [*ends[1:], np.inf], strict=True):
        name = f"{low} to {high:g}{unit}" if np.isfinite(high) else f"from {low}{unit}"
        groups.append((name, [n for n, value in enumerate(values) if value is not None and low <= value < high]))
    return [*groups, ("not known", [n for n, value in enumerate(values) if value is None])]


def mean_of(errors: Errors, faces: Sequence[int]) -> Dot:
    """Return the mean error over those of the faces that were found, with its 95 % interval; None without any."""
    found = errors[list(faces)]
    found = found[~np.isnan(found)]
    if not found.size:
        return None
    low, high = bootstrap_interval(lambda drawn: found[drawn].mean(), found.size)
    return float(found.mean()), float(low), float(high)
