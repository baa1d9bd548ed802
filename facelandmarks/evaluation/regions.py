"""Where a face is, and how large, by the rules of the protocols."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import convert_boxes, tight_boxes
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import RELEASES, Sample, box_region, landmark_region
from facelandmarks.evaluation.metrics import box_sides, point_pair
from facelandmarks.evaluation.protocol import Normaliser, Protocol, RegionRule
from facelandmarks.schemes import get_scheme

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Region:
    """What `Model.prepare` is given: a box (1, 4), or center and scale (1, 2) each; the others are None.

    In pixels of the picture, as upstream takes them (`Protocol.counts_from`).
    """

    box: Numbers | None = None
    center: Numbers | None = None
    scale: Numbers | None = None


def place(sample: Sample, protocol: Protocol, convention: str, width: int, height: int) -> Region:
    """The region of a face by its protocol.

    Parameters
    ----------
    sample, protocol
        The annotated face, and the rules.
    convention
        What the model's boxes hold (`ModelSpec.box_convention`).
    width, height
        Of the picture, pixels.

    Raises
    ------
    DatasetError
        If the annotations lack what the rule needs.
    """
    return _RULES[protocol.region](sample, protocol, convention, (width, height))


def as_upstream(sample: Sample, protocol: Protocol, form: str) -> Sample:
    """The sample with the box that upstream's own file has, whichever form it was read from."""
    shift = protocol.box_shift.get(form, 0.0)
    return sample if sample.box is None or not shift else replace(sample, box=sample.box + shift)


# Center and scale of the annotation; where there are none, they are made as those of the derived lists were made.


def _annotation_or_landmarks(sample: Sample, protocol: Protocol, convention: str, size: tuple[int, int]) -> Region:
    return _annotation(sample, protocol) or _landmarks(sample, protocol, convention, size)


def _annotation_or_box(sample: Sample, protocol: Protocol, _convention: str, _size: tuple[int, int]) -> Region:
    return _annotation(sample, protocol) or _padded(*box_region(_annotated_box(sample, protocol)[0]), protocol)


def _annotation(sample: Sample, protocol: Protocol) -> Region | None:
    if sample.center is None or sample.scale is None:
        return None
    return _padded(sample.center + protocol.counts_from, sample.scale, protocol)


def _landmarks(sample: Sample, protocol: Protocol, _convention: str, _size: tuple[int, int]) -> Region:
    return _padded(*landmark_region(sample.points + protocol.counts_from), protocol)


def _padded(center: Numbers, scale: Numbers, protocol: Protocol) -> Region:
    return Region(center=center[None], scale=scale[None] * protocol.padding)


def _box(sample: Sample, protocol: Protocol, _convention: str, _size: tuple[int, int]) -> Region:
    return Region(box=_annotated_box(sample, protocol))


def _annotated_box(sample: Sample, protocol: Protocol) -> Numbers:
    if sample.box is None:
        raise DatasetError(f"{sample.name}: {protocol.name} needs boxes, and these annotations have none")
    return sample.box[None] + protocol.counts_from


def _clipped_box(sample: Sample, protocol: Protocol, _convention: str, size: tuple[int, int]) -> Region:
    """Both corners inside the picture, and in float32.

    Source: MMPose 1.x `datasets/datasets/base/base_coco_style_dataset.py`.
    """
    return _clipped(_annotated_box(sample, protocol), size)


def _clipped(box: Numbers, size: tuple[int, int]) -> Region:
    return Region(box=np.clip(box, 0, np.array([*size, *size]) - 1).astype(np.float32).astype(np.float64))


def _clipped_box_or_tight(sample: Sample, protocol: Protocol, convention: str, size: tuple[int, int]) -> Region:
    """As `_clipped_box`; where there is no box it is that of the points, as MMPose's `lapa2coco.py` makes it."""
    if sample.box is None:
        return _clipped(tight_boxes(sample.points[None] + protocol.counts_from), size)
    return _clipped_box(sample, protocol, convention, size)


def _tight(sample: Sample, _protocol: Protocol, convention: str, _size: tuple[int, int]) -> Region:
    return Region(box=convert_boxes(tight_boxes(sample.points[None]), "tight", convention))


_RULES: Mapping[RegionRule, Callable[[Sample, Protocol, str, tuple[int, int]], Region]] = MappingProxyType(
    {
        "annotation_or_box": _annotation_or_box,
        "annotation_or_landmarks": _annotation_or_landmarks,
        "landmarks": _landmarks,
        "box": _box,
        "clipped_box": _clipped_box,
        "clipped_box_or_tight": _clipped_box_or_tight,
        "tight": _tight,
    }
)


def face_size(sample: Sample, protocol: Protocol, region: Region) -> float:
    """The size in pixels that the errors of a face are divided by.

    Raises
    ------
    DatasetError
        If the annotations lack it.
    """
    size = _SIZES[protocol.normaliser](sample, protocol, region)
    if size is None:
        raise DatasetError(f"{sample.name}: {protocol.name} divides by the {protocol.normaliser}, which is not there")
    return float(size)


def _eyes(sample: Sample, protocol: Protocol, _region: Region) -> float | None:
    pair = get_scheme(RELEASES[protocol.dataset].scheme).normaliser
    return None if pair is None else float(point_pair(truth_of(sample, protocol)[None], pair)[0])


_SIZES: Mapping[Normaliser, Callable[[Sample, Protocol, Region], float | None]] = MappingProxyType(
    {
        "inter-ocular": _eyes,
        "box size of the annotation": lambda sample, _protocol, _region: sample.box_size,
        "side of the annotated region": lambda _sample, protocol, region: (
            None if region.scale is None else float(region.scale.max()) / protocol.padding
        ),
        "longer side of box": lambda _sample, _protocol, region: (
            None if region.box is None else float(box_sides(region.box)[0])
        ),
    }
)


def truth_of(sample: Sample, protocol: Protocol) -> NDArray[np.float32]:
    """Points (K, 2) as upstream scores against: in the numbers of its files, float32."""
    return (sample.points + protocol.counts_from).astype(np.float32)
