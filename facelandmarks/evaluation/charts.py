"""Charts of a report as SVG that is part of the page: its colours are those of `page.css`, light or dark.

Errors are fractions and are shown in percent. Series differ by colour and by dash or marker.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 560.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 18.0, 14.0, 44.0
_MOST_STEPS = 400  # of a curve
SERIES = 7  # colours; then they begin again
_LETTER = 8.4  # px, as wide as the letters of small screens
_ROW = 19.0  # px between the series of one group
_SHADES = 5
_CELLS = 14  # of a heat chart, along each axis
_FACE, _FACE_MARGIN = 380.0, 42.0  # px, longer side of the mean face, and what is left free around it
_NAMED = 6  # landmarks with the largest errors, whose numbers are written beside them
# Disc, square, triangle, diamond.
_SHAPES = ("M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0", "M-4 -4h8v8h-8z", "M0 -5.5L5 4H-5z", "M0 -6L6 0L0 6L-6 0z")
Floats = NDArray[np.float64]
# A value with the ends of its interval, or None.
Dot = tuple[float, float, float] | None


@dataclass(frozen=True)
class Axis:
    """Maps values to positions."""

    low: float
    high: float
    start: float  # px, of `low`
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the position of a value; those outside are at the ends."""
        scale: Callable[[float], float] = math.log10 if self.log else float
        kept = min(max(value, self.low), self.high)
        share = (scale(kept) - scale(self.low)) / (scale(self.high) - scale(self.low) or 1)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round numbers in between: 1, 2, 5 and their tens."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            return [m * 10.0**p for p in powers for m in (1, 2, 5) if self.low <= m * 10.0**p <= self.high * 1.001]
        rough = (self.high - self.low) / 6 or 1
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def ced_chart(errors: Sequence[Floats], normaliser: str, log: bool = False) -> str:
    """Return cumulative error distributions up to the worst face: the share of faces with at most an error.

    Errors (N,) of each series, NaN for a missed face, which keeps its curve below 100 %.
    """
    found = np.concatenate([faces[~np.isnan(faces)] for faces in errors] or [np.zeros(0)])
    worst = max(float(found.max(initial=0)), 1e-3)
    least = min(max(float(found.min(initial=worst)) * 0.9, 1e-4), worst / 2)
    # A little further than the worst face, where all curves are level.
    x = Axis(100 * least if log else 0, 103 * worst, _LEFT, WIDTH - _RIGHT, log)
    y = Axis(0, 100, HEIGHT - _BOTTOM, _TOP)
    marks = [
        f'<path class="limit" d="M{x.at(limit):.1f} {y.start}V{y.end}"/>' for limit in (8, 10) if limit < 100 * worst
    ]
    lines = []
    for number, faces in enumerate(errors):
        # A step for each face, or for each of at most 400 groups of them.
        steps = np.sort(100 * faces[~np.isnan(faces)])
        every = max(1, math.ceil(len(steps) / _MOST_STEPS))
        path = f"M{x.start:.1f} {y.start:.1f}"
        for end in sorted({*range(every - 1, len(steps), every), len(steps) - 1} - {-1}):
            path += f"H{x.at(steps[end]):.1f}V{y.at(100 * (end + 1) / len(faces)):.1f}"
        lines.append(f'<path class="line s{number % SERIES}" d="{path}H{x.end:.1f}"/>')
    axes = _axes(x, y, f"error of a face, % of {normaliser}{' (log)' if log else ''}", "faces, %")
    return _svg([axes, *marks, *lines], f"cumulative error distribution{', logarithmic' if log else ''}")


def dot_chart(groups: Sequence[tuple[str, Sequence[Dot]]], label: str, zero: bool = True) -> str:
    """Return a value with its interval for each group and series, one below the other; `zero` starts the axis at 0."""
    tall = 8 + _ROW * max((len(dots) for _, dots in groups), default=1)
    numbers = [100 * number for _, dots in groups for dot in dots if dot for number in dot]
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    pad = (high - low) * 0.04 or 1
    left = 16 + _LETTER * max((len(name) for name, _ in groups), default=0)
    bottom = _TOP + tall * len(groups)
    x = Axis(0 if zero else low - pad, high + pad, left, WIDTH - _RIGHT)
    parts = [_ticks_below(x, bottom, _TOP, label)]
    for row, (name, dots) in enumerate(groups):
        top = _TOP + tall * row
        if row:
            parts.append(f'<path class="grid" d="M{x.start:.1f} {top:.1f}H{x.end:.1f}"/>')
        parts.append(f'<text class="name" x="{left - 10:.1f}" y="{top + tall / 2 + 4:.1f}">{escape(name)}</text>')
        for number, dot in enumerate(dots):
            if not dot:
                continue
            y, series = top + 4 + _ROW * (number + 0.5), number % SERIES
            value, start, end = (x.at(100 * part) for part in dot)
            title = f"<title>{100 * dot[0]:.2f} ({100 * dot[1]:.2f} to {100 * dot[2]:.2f})</title>"
            whisker = f'<path class="whisker s{series}" d="M{start:.1f} {y:.1f}H{end:.1f}"/>'
            parts.append(f"<g>{title}{whisker}{marker(value, y, series)}</g>")
    if not zero:
        parts.append(f'<path class="limit" d="M{x.at(0):.1f} {_TOP}V{bottom:.1f}"/>')
    return _svg(parts, label, height=bottom + _BOTTOM)


def marker(x: float, y: float, series: int) -> str:
    """Return the mark of a series: shapes differ, not only colours."""
    shape = _SHAPES[series % len(_SHAPES)]
    return f'<path class="mark s{series}" transform="translate({x:.1f} {y:.1f})" d="{shape}"/>'


def landmark_chart(mean_face: Sequence[Sequence[float]], errors: Floats) -> str:
    """Return the mean face; landmarks (K, 2) with a larger mean error (K,) are larger and stand out more."""
    face = np.array(mean_face, np.float64) * _FACE
    face += _FACE_MARGIN - face.min(0)
    width, height = face.max(0) + _FACE_MARGIN
    top = float(np.nanmax(errors))
    worst = set(np.argsort(-np.nan_to_num(errors))[:_NAMED].tolist())
    parts = []
    for number in np.argsort(np.nan_to_num(errors)).tolist():
        error = errors[number]
        if np.isnan(error):
            continue
        x, y = face[number]
        share = error / top if top else 0
        title = f"<title>landmark {number}: {100 * error:.2f} %</title>"
        shade = min(int(share * _SHADES), _SHADES - 1)
        parts.append(f'<circle class="q{shade}" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 + 6 * share:.1f}">{title}</circle>')
        if number in worst:
            parts.append(f'<text x="{x + 10:.1f}" y="{y + 4:.1f}">{number}</text>')
    return _svg(parts, "mean error by landmark", width, height)


def heat_chart(scores: Floats, errors: Floats, normaliser: str) -> str:
    """Return how many faces have which score (N,) and error (N,); errors above the 98th percentile share a row."""
    top = float(np.percentile(errors, 98)) or 1e-3
    low, high = float(scores.min()), float(scores.max())
    high = high if high > low else low + 1
    counts, xs, ys = np.histogram2d(scores, np.minimum(errors, top), _CELLS, [[low, high], [0, top]])
    x = Axis(low, high, _LEFT, WIDTH - _RIGHT)
    y = Axis(0, 100 * top, HEIGHT - _BOTTOM, _TOP)
    parts = [_axes(x, y, "mean score of the landmarks of a face", f"error, % of {normaliser}")]
    for column, row in zip(*np.nonzero(counts), strict=True):
        left, right = x.at(xs[column]), x.at(xs[column + 1])
        above, below = y.at(100 * ys[row + 1]), y.at(100 * ys[row])
        share = math.sqrt(counts[column, row] / counts.max())
        parts.append(
            f'<rect class="cell" x="{left:.1f}" y="{above:.1f}" width="{right - left:.1f}" '
            f'height="{below - above:.1f}" fill-opacity="{0.12 + 0.88 * share:.2f}">'
            f"<title>faces: {int(counts[column, row])}</title></rect>"
        )
    return _svg(parts, "scores against errors")


def scatter_chart(first: Floats, second: Floats, labels: Sequence[str], normaliser: str) -> str:
    """Return the error of each face by two models (N,), against each other; on the line they are equal."""
    worst = 100 * max(float(first.max(initial=0)), float(second.max(initial=0)), 1e-3)
    least = max(100 * min(float(first.min(initial=worst)), float(second.min(initial=worst))) * 0.9, worst / 500)
    size = 460.0
    x, y = Axis(least, worst, _LEFT, size - _RIGHT, log=True), Axis(least, worst, size - _BOTTOM, _TOP, log=True)
    line = f'<path class="limit" d="M{x.start:.1f} {y.start:.1f}L{x.end:.1f} {y.end:.1f}"/>'
    faces = (
        f'<circle class="face s0" cx="{x.at(100 * one):.1f}" cy="{y.at(100 * two):.1f}" r="2.6"/>'
        for one, two in zip(first, second, strict=True)
    )
    axes = _axes(x, y, f"error of A, % of {normaliser} (log)", "error of B, %")
    return _svg([axes, line, *faces], f"errors of {labels[0]} and {labels[1]}", size, size)


def _axes(x: Axis, y: Axis, x_label: str, y_label: str) -> str:
    lines = [_ticks_below(x, y.start, y.end, x_label)]
    for value in y.ticks():
        place = y.at(value)
        lines.append(f'<path class="grid" d="M{x.start:.1f} {place:.1f}H{x.end:.1f}"/>')
        lines.append(f'<text class="tick end" x="{x.start - 7:.1f}" y="{place + 4:.1f}">{value:g}</text>')
    middle = (y.start + y.end) / 2
    lines.append(f'<text class="label" transform="translate(13 {middle:.1f}) rotate(-90)">{escape(y_label)}</text>')
    return "".join(lines)


def _ticks_below(x: Axis, bottom: float, top: float, label: str) -> str:
    lines = []
    for value in x.ticks():
        place = x.at(value)
        lines.append(f'<path class="grid" d="M{place:.1f} {bottom:.1f}V{top:.1f}"/>')
        lines.append(f'<text class="tick" x="{place:.1f}" y="{bottom + 17:.1f}">{value:g}</text>')
    middle = (x.start + x.end) / 2
    return "".join([*lines, f'<text class="label" x="{middle:.1f}" y="{bottom + 36:.1f}">{escape(label)}</text>'])


def _svg(parts: Sequence[str], title: str, width: float = WIDTH, height: float = HEIGHT) -> str:
    head = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
    return f"{head}{''.join(parts)}</svg>"
