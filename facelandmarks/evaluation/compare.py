"""How two forms of the annotations of a dataset differ: the original release and the files derived from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import FORMS, Sample, box_region, find, get_release, landmark_region, read
from facelandmarks.evaluation.predict import image_name

_NEAR = 20.0  # px: faces whose points are further apart on average are two faces


@dataclass(frozen=True)
class Comparison:
    """Two forms of a subset; lengths are the largest over faces, in pixels, None where a form lacks them."""

    first: str
    second: str
    faces: tuple[int, int]
    common: int  # faces of the first that are in the second
    moved: int  # faces with a point that differs by more than 0.01 px
    visible: int  # points that count in only one of the two
    points: float | None
    boxes: float | None
    centers: float | None
    scales: float | None
    # Center and scale of the second form against the region of the first one's points (`landmark_region`) and boxes
    # (`box_region`): one of the two is how the lists were derived.
    region: float | None
    box_region: float | None

    def to_text(self) -> str:
        """Return lines for people."""
        first, second = self.first, self.second
        lengths = {name: getattr(self, name) for name in ("points", "boxes", "centers", "scales")}
        lengths[f"center and scale of {second} from the points of {first}"] = self.region
        lengths[f"center and scale of {second} from the boxes of {first}"] = self.box_region
        return "\n".join(
            [
                f"{first} ({self.faces[0]} faces) and {second} ({self.faces[1]}): {self.common} in both",
                *(f"  {name}: differ by up to {value:.4f} px" for name, value in lengths.items() if value is not None),
                f"  faces with a point off by more than 0.01 px: {self.moved}",
                f"  points that count in one of them only: {self.visible}",
            ]
        )


def compare_annotations(name: str, root: Path, subset: str) -> list[Comparison]:
    """Compare the first form that is found with each other one; `DatasetError` if fewer than two forms are found."""
    forms = {}
    for form in FORMS[get_release(name).name]:
        if subset not in FORMS[name][form].places:
            continue
        try:
            find(name, root, subset, (form,))
        except DatasetError:
            continue
        forms[form] = list(read(name, root, subset, form=form, images=False, allow_partial=True))
    if len(forms) < 2:
        there = ", ".join(forms) or "none"
        raise DatasetError(f"{get_release(name).title}, {subset}: two forms of files are needed, {root} has {there}")
    first, *others = forms
    return [_compare(first, other, forms) for other in others]


def _compare(first: str, second: str, forms: Mapping[str, list[Sample]]) -> Comparison:
    pairs = pair_faces(forms[first], forms[second])
    moves = [float(np.abs(one.points - two.points).max()) for one, two in pairs]
    regions = [(landmark_region(one.points), two) for one, two in pairs]
    box_regions = [(box_region(one.box), two) for one, two in pairs if one.box is not None]
    return Comparison(
        first,
        second,
        faces=(len(forms[first]), len(forms[second])),
        common=len(pairs),
        moved=sum(length > 0.01 for length in moves),
        visible=sum(int((one.visible != two.visible).sum()) for one, two in pairs),
        points=max(moves, default=None),
        boxes=_largest((one.box, two.box) for one, two in pairs),
        centers=_largest((one.center, two.center) for one, two in pairs),
        scales=_largest((one.scale, two.scale) for one, two in pairs),
        region=_largest(pair for mine, two in regions for pair in zip(mine, (two.center, two.scale), strict=True)),
        box_region=_largest(
            pair for mine, two in box_regions for pair in zip(mine, (two.center, two.scale), strict=True)
        ),
    )


def pair_faces(first: list[Sample], second: list[Sample]) -> list[tuple[Sample, Sample]]:
    """Pair faces of one image whose points are nearest; images go by the last part of their names."""
    by_image: dict[str, list[Sample]] = {}
    for sample in second:
        by_image.setdefault(_file(sample), []).append(sample)
    pairs = []
    for sample in first:
        others = by_image.get(_file(sample), [])
        distances = [float(np.abs(sample.points - other.points).mean()) for other in others]
        if distances and min(distances) < _NEAR:
            pairs.append((sample, others.pop(int(np.argmin(distances)))))
    return pairs


def _file(sample: Sample) -> str:
    return image_name(sample).rpartition("/")[2]


def _largest(pairs: Iterable[tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]]) -> float | None:
    """Return the largest absolute difference; None if any face lacks it."""
    differences = [None if a is None or b is None else float(np.abs(a - b).max()) for a, b in pairs]
    known = [difference for difference in differences if difference is not None]
    return max(known, default=None) if len(known) == len(differences) else None
