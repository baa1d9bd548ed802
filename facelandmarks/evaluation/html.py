"""The card as one page that loads nothing: table, curves, error by landmark, worst faces, settings.

Charts are SVG, drawn by matplotlib (extra `report`).
"""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib.util import find_spec
from typing import Any, get_args

import numpy as np

from facelandmarks.errors import MissingDependencyError
from facelandmarks.evaluation import tables
from facelandmarks.evaluation.card import Card
from facelandmarks.evaluation.metrics import ced
from facelandmarks.evaluation.scoring import Verdict
from facelandmarks.evaluation.tables import errors_of_card, label_of_row

_STEPS = 200
_SHOWN = 98  # percentile of the errors where the axis ends
_INK, _FAINT = "#2b2f36", "#d8dce2"
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
    """Return the page; `MissingDependencyError` if matplotlib is not installed."""
    title = "facelandmarks: published and measured"
    command, versions = escape(" ".join(card["command"])), escape(tables.versions_of_card(card))
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>",
        "<meta name=viewport content='width=device-width'>",
        f"<style>{_STYLE}</style><h1>{title}</h1>",
        _table(tables.table_of_card(card)),
        "<ul>" + "".join(f"<li>{escape(note)}" for note in tables.notes_of_card(card)) + "</ul>",
        *_curves(card),
        "<h2>Mean error by part of the face</h2>",
        _table(tables.table_of_parts(card)),
        *(part for row in card["rows"] for part in _row(row)),
        f"<h2>To repeat it</h2><pre>{command}</pre><p><small>{versions}</small></p>",
    ]
    return "\n".join(parts) + "\n"


def _table(table: tables.Table) -> str:
    verdicts = {*get_args(Verdict)} - {"-"}
    head, *rows = table
    names = "".join(f"<th>{escape(name)}" for name in head)
    lines = "".join(
        "<tr>" + "".join(f"<td class={text}>{text}" if text in verdicts else f"<td>{escape(text)}" for text in texts)
        for texts in rows
    )
    return f"<div class=wide><table><tr>{names}{lines}</table></div>"


def _curves(card: Card) -> Iterator[str]:
    """Give one chart for each subset and normaliser, with all rows that have it."""
    groups: dict[tuple[str, str], list[tuple[str, list[float | None]]]] = {}
    for row, name, boxes, found in errors_of_card(card):
        curve = (label_of_row(row, boxes), found["errors"])
        groups.setdefault((name, row["protocol"]["normaliser"]), []).append(curve)
    yield "<h2>Cumulative error distribution</h2><div class=charts>"
    for (name, normaliser), curves in groups.items():
        yield f"<div><h3>{escape(name)}</h3>{_image(ced_chart(curves, normaliser), f'curves of {name}')}</div>"
    yield "</div>"


def _row(row: Card) -> Iterator[str]:
    """Give the charts, the worst faces and the settings of a row."""
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
            for face in subset["worst"]:
                caption = f"{100 * face['error']:.2f} %<br>{escape(face['name'])}"
                image = f"<img alt='' src='data:image/jpeg;base64,{escape(face['jpeg'])}'>"
                yield f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
            yield "</div>"
    settings = {key: row[key] for key in ("run", "protocol")}
    settings["annotations"] = {name: subset["annotations"] for name, subset in row["subsets"].items()}
    shown = escape(json.dumps(settings, indent=1))
    yield f"<details><summary>How it was measured</summary><pre>{shown}</pre></details>"


def _image(svg: str, alt: str) -> str:
    # As an image, so that names inside one drawing do not meet those of another.
    return f"<img alt='{escape(alt)}' src='data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}'>"


def require_matplotlib() -> None:
    """Raise `MissingDependencyError` if charts cannot be drawn."""
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("charts need matplotlib: pip install 'facelandmarks-zoo[report]'")


def _figure(width: float, height: float) -> Any:
    """Return an empty figure, in inches; not one of pyplot's, which keeps state."""
    require_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Names inside the SVG are random without a salt.
    mpl.rcParams.update({"svg.hashsalt": "facelandmarks", "svg.fonttype": "none"})
    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: Any) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()


def ced_chart(curves: Sequence[tuple[str, Sequence[float | None]]], normaliser: str) -> str:
    """Return cumulative error distributions as SVG: the share of faces (missed ones count) with at most an error.

    `curves` are labels and errors of faces, fractions of the normaliser; None for a face that was not found.
    """
    figure = _figure(5.3, 3.2 + 0.18 * len(curves))
    axes = figure.add_subplot()
    errors = [np.array([np.nan if e is None else e for e in faces], np.float64) for _, faces in curves]
    found = np.concatenate([faces[~np.isnan(faces)] for faces in errors])
    end = max(float(np.percentile(found, _SHOWN)), 1e-3) if found.size else 0.1
    thresholds = np.linspace(0, end, _STEPS)
    for (label, _), faces in zip(curves, errors, strict=True):
        axes.plot(100 * thresholds, 100 * ced(faces, thresholds), label=label, linewidth=1.6)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.tick_params(colors=_INK, labelsize=8, length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.set(xlim=(0, 100 * end), ylim=(0, 100))
    axes.set_xlabel(f"error of a face, % of {normaliser}", fontsize=9, color=_INK)
    axes.set_ylabel("faces, %", fontsize=9, color=_INK)
    figure.legend(fontsize=8, frameon=False, loc="outside lower left")  # below it, where no curve is
    return _svg(figure)


def landmark_chart(mean_face: Sequence[Sequence[float]], errors: Sequence[float | None], normaliser: str) -> str:
    """Return the mean face as SVG, each landmark coloured and sized by its mean error."""
    figure = _figure(4.4, 3.8)
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    # Without its lightest colours, which vanish on white.
    colours = ListedColormap(colormaps["viridis_r"](np.linspace(0.12, 1, 256)))
    axes = figure.add_subplot()
    face = np.array(mean_face, np.float64)
    percent = np.array([np.nan if e is None else 100 * e for e in errors], np.float64)
    sizes = 12 + 60 * np.nan_to_num(percent) / max(float(np.nanmax(percent, initial=0)), 1e-9)
    shown = axes.scatter(face[:, 0], face[:, 1], c=percent, s=sizes, cmap=colours, linewidths=0)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_axis_off()
    bar = figure.colorbar(shown, ax=axes, shrink=0.7)
    bar.set_label(f"mean error, % of {normaliser}", fontsize=8, color=_INK)
    bar.ax.tick_params(labelsize=8, colors=_INK, length=0)
    bar.outline.set_visible(False)
    return _svg(figure)
