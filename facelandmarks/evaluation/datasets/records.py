"""What readers give, one annotated face, and what a reader of one kind of files is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SCALE_UNIT = 200.0  # px, in which HRNet and MMPose count the scale of a face
Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """One annotated face.

    All coordinates are in pixels of the image, and (0, 0) is the centre of its top-left pixel, whatever the file
    counts from (`Form.counts_from`). What the file does not give is None.
    """

    # What the file calls the image, with "#2", "#3", .. for further faces of it. Forms of one dataset use the same
    # names as far as their files do.
    name: str
    # A path, or uint8 RGB (H, W, 3) or grey (H, W) where the release holds images in its own file; None if only
    # annotations were asked for.
    image: Path | NDArray[np.uint8] | None
    points: Numbers  # (K, 2)
    visible: NDArray[np.bool_]  # (K,): whether the point is annotated, and counts in the error
    occluded: NDArray[np.bool_] | None = None  # (K,): whether it is hidden in the image; hidden points count
    box: Numbers | None = None  # (4,), xyxy; what it encloses differs between datasets and forms
    center: Numbers | None = None  # (2,): middle of the region that the file gives
    scale: Numbers | None = None  # (2,): width and height of that region, without any padding
    box_size: float | None = None  # what errors are divided by, in pixels (AFLW)
    subsets: frozenset[str] = frozenset()  # the subset that was asked for, and the attributes of the face


# The number of faces, known before the first is read, and the faces.
Faces = tuple[int, Iterator[Sample]]


@dataclass(frozen=True)
class Request:
    """What to read."""

    root: Path  # folder of the dataset
    found: Path  # the file or folder in it that showed that the form is there
    subset: str
    where: str  # how to obtain what is missing
    images: bool = True  # without, only annotations are wanted
    partial: bool = False  # allows incomplete releases


@dataclass(frozen=True)
class Form:
    """Files that hold a dataset."""

    # By subset: files or folders, relative to the root, wildcards allowed, of which the first one found is read.
    places: Mapping[str, tuple[str, ...]]
    # The reader; the images of its samples are paths relative to one of `folders`, or absolute.
    load: Callable[[Request], Faces]
    # What the files call the centre of the top-left pixel, 0 or 1. Samples always count from 0; add this for the
    # numbers of the file. (Programs that used numbers counted from 1 unchanged give such points, too.)
    counts_from: int = 0
    folders: tuple[str, ...] = ()  # where the images may be, relative to the root, which itself comes last
    # Images that a release names differently from the lists: name there by name in the list.
    other_names: Mapping[str, str] = field(default_factory=dict)

    def locate(self, image: Path, root: Path) -> Path:
        """Return where an image is, or where it would be."""
        names = [image]
        if image.name in self.other_names:
            names.append(image.with_name(self.other_names[image.name]))
        candidates = [root / folder / name for folder in (*self.folders, ".") for name in names]
        return next((path for path in candidates if path.is_file()), candidates[0])


def landmark_region(points: Numbers) -> tuple[Numbers, Numbers]:
    """Return the region of a face from its points (K, 2), as HRNet's lists and MMPose's annotations of WFLW have it.

    Center and scale (2,): the middle of the points' bounding box with its edges on whole pixels, and twice its longer
    side. No padding.

    Notes
    -----
    Source: `lib/datasets/cofw.py` of the official HRNet repository. It reproduces the center and scale of MMPose's
    sample annotations of WFLW and 300-W.
    """
    low, high = np.floor(points.min(0)), np.ceil(points.max(0))
    return (low + high) / 2, np.full(2, (high - low).max())


def box_region(box: Numbers) -> tuple[Numbers, Numbers]:
    """Return the region of a face from the box (4,), xyxy, of AFLW's release, as the derived lists of AFLW have it.

    Center and scale (2,): the middle of the box, and twice its longer side. No padding.

    Notes
    -----
    Inferred, not read in a program: in MMPose's sample annotations of AFLW the scale is the `box_size` exactly, and the
    region is not that of the points. `facelandmarks-eval --compare-annotations` shows whether it holds for all faces.
    """
    return (box[:2] + box[2:]) / 2, np.full(2, (box[2:] - box[:2]).max())
