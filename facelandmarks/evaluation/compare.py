"""How two forms of the annotations of a data set differ: the original release and the files derived from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import FORMS, Sample, box_region, find, get_release, landmark_region, read
from facelandmarks.evaluation.stream import picture_name

_NEAR = 20.0  # px: faces whose points are further apart on average are two faces


@dataclass(frozen=True)
class Comparison:
    """Two forms of a subset; all lengths are the largest over faces, in pixels, None where a form has no such thing.

    Attributes
    ----------
    first, second
        Names of the forms.
    faces
        How many faces each has.
    common
        How many faces of the first are in the second.
    points, boxes, centers, scales
        Largest difference of a coordinate.
    moved
        Faces with a point that differs by more than 0.01 px.
    visible
        Points that count in only one of the two.
    region, box_region
        Largest difference of the second form's center or scale from what the first form's points (`landmark_region`)
        or boxes (`box_region`) give: lists were derived in the one way or the other.
    """

    first: str
    second: str
    faces: tuple[int, int]
    common: int
    points: float | None
    moved: int
    visible: int
    boxes: float | None
    centers: float | None
    scales: float | None
    region: float | None
    box_region: float | None


def compare_annotations(name: str, root: Path, subset: str) -> list[Comparison]:
    """Compare the first form that is there with each other one.

    Raises
    ------
    InvalidOptionError
        If there is no such data set or subset.
    DatasetError
        If fewer than two forms are there.
    """
    forms = {}
    for form in FORMS[get_release(name).name]:
        if subset in FORMS[name][form].places and _is_there(name, root, subset, form):
            forms[form] = list(read(name, root, subset, form=form, pictures=False, allow_partial=True))
    if len(forms) < 2:
        there = ", ".join(forms) or "none"
        raise DatasetError(f"{get_release(name).title}, {subset}: two forms of files are needed, {root} has {there}")
    first, *others = forms
    return [_compare(first, other, forms) for other in others]


def _is_there(name: str, root: Path, subset: str, form: str) -> bool:
    try:
        find(name, root, subset, (form,))
    except DatasetError:
        return False
    return True


def _compare(first: str, second: str, forms: Mapping[str, list[Sample]]) -> Comparison:
    pairs = _pairs(forms[first], forms[second])
    lengths = [np.abs(one.points - two.points).max() for one, two in pairs]
    return Comparison(
        first=first,
        second=second,
        faces=(len(forms[first]), len(forms[second])),
        common=len(pairs),
        points=max(map(float, lengths), default=None),
        moved=sum(bool(length > 0.01) for length in lengths),
        visible=sum(int((one.visible != two.visible).sum()) for one, two in pairs),
        boxes=_largest([(one.box, two.box) for one, two in pairs]),
        centers=_largest([(one.center, two.center) for one, two in pairs]),
        scales=_largest([(one.scale, two.scale) for one, two in pairs]),
        region=_regions([(landmark_region(one.points), two) for one, two in pairs]),
        box_region=_regions([(box_region(one.box), two) for one, two in pairs if one.box is not None]),
    )


def _regions(pairs: Sequence[tuple[tuple[NDArray[np.float64], NDArray[np.float64]], Sample]]) -> float | None:
    """Largest difference between regions and those of samples."""
    return _largest(
        [(mine, theirs) for region, two in pairs for mine, theirs in zip(region, (two.center, two.scale), strict=True)]
    )


def _pairs(first: list[Sample], second: list[Sample]) -> list[tuple[Sample, Sample]]:
    """Faces of one picture whose points are nearest; pictures go by the last part of their names."""
    by_picture: dict[str, list[Sample]] = {}
    for sample in second:
        by_picture.setdefault(_file(sample), []).append(sample)
    pairs = []
    for sample in first:
        others = by_picture.get(_file(sample), [])
        distances = [float(np.abs(sample.points - other.points).mean()) for other in others]
        if distances and min(distances) < _NEAR:
            pairs.append((sample, others.pop(int(np.argmin(distances)))))
    return pairs


def _file(sample: Sample) -> str:
    return picture_name(sample).rpartition("/")[2]


def _largest(pairs: Sequence[tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]]) -> float | None:
    """Largest absolute difference; None if any face lacks it."""
    differences = [float(np.abs(a - b).max()) for a, b in pairs if a is not None and b is not None]
    return max(differences) if differences and len(differences) == len(pairs) else None


def describe(comparison: Comparison) -> str:
    """Lines for people."""
    first, second = comparison.first, comparison.second
    lengths = {
        "points": comparison.points,
        "boxes": comparison.boxes,
        "centers": comparison.centers,
        "scales": comparison.scales,
        f"center and scale of {second} from the points of {first}": comparison.region,
        f"center and scale of {second} from the boxes of {first}": comparison.box_region,
    }
    lines = [f"{first} ({comparison.faces[0]} faces) and {second} ({comparison.faces[1]}): {comparison.common} in both"]
    lines += [f"  {name}: differ by up to {value:.4f} px" for name, value in lengths.items() if value is not None]
    lines.append(f"  faces with a point off by more than 0.01 px: {comparison.moved}")
    lines.append(f"  points that count in one of them only: {comparison.visible}")
    return "\n".join(lines)
