"""What readers give, one annotated face, and what a reader of one kind of files is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SCALE_UNIT = 200.0  # px, in which HRNet and MMPose count the scale of a face


@dataclass(frozen=True, eq=False)
class Sample:
    """One annotated face.

    All coordinates are in pixels of the image, and (0, 0) is the centre of its top-left pixel, whatever the file
    counts from (`Form.counts_from`).

    Attributes
    ----------
    name
        What the file calls the image, with "#2", "#3", .. for further faces of it. Forms of one data set use the same
        names as far as their files do.
    image
        A path, or uint8 RGB (H, W, 3) or grey (H, W) where the release holds images in its own file; None if only
        annotations were asked for.
    points
        (K, 2).
    visible
        (K,): whether the point is annotated, and counts in the error.
    occluded
        (K,): whether it is hidden in the image; None where the file does not say. Hidden points count.
    box
        (4,), xyxy, the box of the file if it has one. What it encloses differs between data sets and forms.
    center, scale
        (2,) each: middle, and width and height of the region that the file gives, without any padding, in pixels; None
        where it gives none.
    box_size
        The size in pixels that errors are divided by, where the file gives one (AFLW).
    subsets
        What the face belongs to: the subset that was asked for, and its own attributes.
    """

    name: str
    image: Path | NDArray[np.uint8] | None
    points: NDArray[np.float64]
    visible: NDArray[np.bool_]
    occluded: NDArray[np.bool_] | None = None
    box: NDArray[np.float64] | None = None
    center: NDArray[np.float64] | None = None
    scale: NDArray[np.float64] | None = None
    box_size: float | None = None
    subsets: frozenset[str] = frozenset()


# The number of faces, known before the first is read, and the faces.
Faces = tuple[int, Iterator[Sample]]


@dataclass(frozen=True)
class Request:
    """What to read.

    `root` is the folder of the data set, `found` the file or folder in it that showed that the form is there, `where`
    says how to obtain what is missing. Without `images` only annotations are wanted. `partial` allows incomplete
    releases.
    """

    root: Path
    found: Path
    subset: str
    where: str
    images: bool = True
    partial: bool = False


@dataclass(frozen=True)
class Form:
    """Files that hold a data set.

    Attributes
    ----------
    places
        By subset: files or folders, relative to the root, of which the first one found is read. They may hold
        wildcards.
    load
        The reader; the images of its samples are paths relative to one of `folders`, or absolute.
    counts_from
        What the files call the centre of the top-left pixel, 0 or 1. Samples always count from 0; add this for the
        numbers of the file. (Programs that used numbers counted from 1 unchanged give such points, too.)
    folders
        Where the images may be, relative to the root; the root itself comes last.
    other_names
        Images that a release names differently from the lists: name there by name in the list.
    """

    places: Mapping[str, tuple[str, ...]]
    load: Callable[[Request], Faces]
    counts_from: int = 0
    folders: tuple[str, ...] = ()
    other_names: Mapping[str, str] = field(default_factory=dict)

    def locate(self, image: Path, root: Path) -> Path:
        """Return where an image is, or where it would be."""
        names = [image]
        if image.name in self.other_names:
            names.append(image.with_name(self.other_names[image.name]))
        candidates = [root / folder / name for folder in (*self.folders, ".") for name in names]
        return next((path for path in candidates if path.is_file()), candidates[0])


def landmark_region(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the region of a face from its points (K, 2), as HRNet's lists and MMPose's annotations of WFLW have it.

    Returns
    -------
    center, scale
        (2,) each: the middle of the points' bounding box with its edges on whole pixels, and twice its longer side. No
        padding.

    Notes
    -----
    Source: `lib/datasets/cofw.py` of the official HRNet repository. It reproduces the center and scale of MMPose's
    sample annotations of WFLW and 300-W.
    """
    low, high = np.floor(points.min(0)), np.ceil(points.max(0))
    return (low + high) / 2, np.full(2, (high - low).max())


def box_region(box: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the region of a face from the box (4,), xyxy, of AFLW's release, as the derived lists of AFLW have it.

    Returns
    -------
    center, scale
        (2,) each: the middle of the box, and twice its longer side. No padding.

    Notes
    -----
    Inferred, not read in a program: in MMPose's sample annotations of AFLW the scale is the `box_size` exactly, and the
    region is not that of the points. `facelandmarks-eval --compare-annotations` shows whether it holds for all faces.
    """
    return (box[:2] + box[2:]) / 2, np.full(2, (box[2:] - box[:2]).max())
