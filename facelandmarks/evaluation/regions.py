"""Where a face is, and how large, by the rules of the protocols."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import convert_boxes, tight_boxes
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import RELEASES, Sample, box_region, landmark_region
from facelandmarks.evaluation.metrics import box_sides, point_pair
from facelandmarks.evaluation.protocols import Protocol
from facelandmarks.schemes import get_scheme

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Region:
    """What `Model.prepare` is given, in pixels as upstream counts them: a box, or center and scale."""

    box: Numbers | None = None  # (1, 4)
    center: Numbers | None = None  # (1, 2)
    scale: Numbers | None = None  # (1, 2)
    points: NDArray[np.float32] | None = None  # (1, 5, 2): those of the detector that found the box


def place(sample: Sample, protocol: Protocol, convention: str, width: int, height: int) -> Region:
    """Return the region of a face by its protocol, for a model whose boxes hold `convention`.

    Width and height are the image's. `DatasetError` if the annotations lack what the rule needs.
    """
    points, size = sample.points + protocol.counts_from, (width, height)
    # Where the annotation has no center and scale, they are made as those of the derived lists were made.
    match protocol.region:
        case "annotation_or_landmarks":
            return _padded(protocol, *(_annotation(sample, protocol) or landmark_region(points)))
        case "annotation_or_box":
            annotation = _annotation(sample, protocol)
            return _padded(protocol, *(annotation or box_region(_annotated_box(sample, protocol)[0])))
        case "landmarks":
            return _padded(protocol, *landmark_region(points))
        case "box":
            return Region(box=_annotated_box(sample, protocol))
        case "clipped_box":
            return _clipped(_annotated_box(sample, protocol), size)
        case "clipped_box_or_tight":
            # Without a box, the tight one of the points, as MMPose's `lapa2coco.py` makes it.
            return _clipped(tight_boxes(points[None]) if sample.box is None else _annotated_box(sample, protocol), size)
        case "tight":
            return Region(box=convert_boxes(tight_boxes(sample.points[None]), "tight", convention))


def as_upstream(sample: Sample, protocol: Protocol, form: str) -> Sample:
    """Return the sample with the box that upstream's own file has, whichever form it was read from."""
    shift = protocol.box_shift.get(form, 0.0)
    return sample if sample.box is None or not shift else replace(sample, box=sample.box + shift)


def _annotation(sample: Sample, protocol: Protocol) -> tuple[Numbers, Numbers] | None:
    if sample.center is None or sample.scale is None:
        return None
    return sample.center + protocol.counts_from, sample.scale


def _annotated_box(sample: Sample, protocol: Protocol) -> Numbers:
    if sample.box is None:
        raise DatasetError(f"{sample.name}: {protocol.name} needs boxes, and these annotations have none")
    return sample.box[None] + protocol.counts_from


def _padded(protocol: Protocol, center: Numbers, scale: Numbers) -> Region:
    return Region(center=center[None], scale=scale[None] * protocol.padding)


def _clipped(box: Numbers, size: tuple[int, int]) -> Region:
    """Clip both corners to the image, in float32.

    Source: MMPose 1.x `datasets/datasets/base/base_coco_style_dataset.py`.
    """
    return Region(box=np.clip(box, 0, np.array([*size, *size]) - 1).astype(np.float32).astype(np.float64))


def face_size(sample: Sample, protocol: Protocol, region: Region) -> float:
    """Return the size in pixels that the errors of a face are divided by; `DatasetError` if the annotations lack it."""
    size = None
    match protocol.normaliser:
        case "inter-ocular":
            pair = get_scheme(RELEASES[protocol.dataset].scheme).normaliser
            size = None if pair is None else point_pair(truth_of(sample, protocol)[None], pair)[0]
        case "box size of the annotation":
            size = sample.box_size
        case "side of the annotated region":
            size = None if region.scale is None else region.scale.max() / protocol.padding
        case "longer side of box":
            size = None if region.box is None else box_sides(region.box)[0]
    if size is None:
        lack = f"divides by the {protocol.normaliser}, which these annotations lack"
        raise DatasetError(f"{sample.name}: {protocol.name} {lack}")
    return float(size)


def truth_of(sample: Sample, protocol: Protocol) -> NDArray[np.float32]:
    """Return the points (K, 2) that upstream scores against: in the numbers of its files, float32."""
    return (sample.points + protocol.counts_from).astype(np.float32)
