"""Charts of a card as SVG, with matplotlib (extra `report`)."""

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from facelandmarks.errors import MissingDependencyError
from facelandmarks.evaluation.metrics import ced

_STEPS = 200
_SHOWN = 98  # percentile of the errors where the axis ends
_INK, _FAINT = "#2b2f36", "#d8dce2"


def require_matplotlib() -> None:
    """Raise `MissingDependencyError` if charts cannot be drawn, before there is anything to draw."""
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("charts need matplotlib: pip install 'facelandmarks-zoo[report]'")


def _figure(width: float, height: float) -> Any:
    """An empty figure, in inches; not one of pyplot's, which has a state."""
    require_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Names inside of the SVG are random without a salt.
    mpl.rcParams["svg.hashsalt"] = "facelandmarks"
    mpl.rcParams["svg.fonttype"] = "none"
    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: Any) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _plain_axes(axes: Any) -> None:
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.tick_params(colors=_INK, labelsize=8, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_FAINT)


def ced_chart(curves: Sequence[tuple[str, Sequence[float | None]]], normaliser: str) -> str:
    """Cumulative error distributions: share of faces (missed ones count) with at most an error.

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
    _plain_axes(axes)
    axes.set_xlim(0, 100 * end)
    axes.set_ylim(0, 100)
    axes.set_xlabel(f"error of a face, % of {normaliser}", fontsize=9, color=_INK)
    axes.set_ylabel("faces, %", fontsize=9, color=_INK)
    figure.legend(fontsize=8, frameon=False, loc="outside lower left")  # below it, where no curve is
    return _svg(figure)


def landmark_chart(mean_face: Sequence[Sequence[float]], errors: Sequence[float | None], normaliser: str) -> str:
    """The mean face, each landmark coloured and sized by its mean error."""
    figure = _figure(4.4, 3.8)
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    # Without its lightest colours, which cannot be seen on white.
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
