"""Which faces of a subset belong together: by attribute, by size, by yaw; and what their errors are."""

from collections.abc import Iterator, Sequence

import numpy as np

from facelandmarks.evaluation.card import Card
from facelandmarks.evaluation.charts import Dot
from facelandmarks.evaluation.metrics import bootstrap_interval
from facelandmarks.evaluation.statistics import Errors

SIZES = (0, 32, 64, 128, 256, 512)  # px, lower ends, longer side of the tight box
YAWS = (0, 15, 30, 45, 60)  # degrees, lower ends, to either side
# Indices of the faces of a group with its name.
Group = tuple[str, list[int]]


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
