"""Figures of the page: charts of a card with captions and legends, as HTML; and the groups of faces that they show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from facelandmarks.evaluation import charts, tables
from facelandmarks.evaluation.card import Card
from facelandmarks.evaluation.charts import Dot
from facelandmarks.evaluation.metrics import bootstrap_interval
from facelandmarks.evaluation.statistics import Errors, from_json

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
