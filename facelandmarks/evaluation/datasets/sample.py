"""The record that every reader gives: one annotated face."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Sample:
    """One annotated face.

    All coordinates are in pixels of the picture, and (0, 0) is the centre of its top-left pixel, whatever the file
    counts from (`Form.counts_from`).

    Attributes
    ----------
    name
        What the file calls the picture, with "#2", "#3", .. for further faces of it. Forms of one data set use the
        same names as far as their files do.
    image
        The picture: a path, or uint8 RGB (H, W, 3) or grey (H, W) where the release holds pictures in its own file;
        None where only annotations were asked for.
    points
        float64 (K, 2).
    visible
        bool (K,): whether the point is annotated, and counts in the error.
    occluded
        bool (K,): whether it is hidden in the picture; None where the file does not say. Hidden points count.
    box
        float64 (4,), xyxy, the box of the file if it has one. What it holds differs between data sets and forms.
    center, scale
        float64 (2,) each: middle, and width and height of the region that the file gives, without any padding; None
        where it gives none. Files that count it in units of 200 px were multiplied.
    box_size
        The size in pixels that errors are divided by, where the file gives one (AFLW).
    subsets
        What the face belongs to: the subset that was asked for, and attributes of its own.
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


def landmark_region(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Region of a face from its points, as HRNet's lists and MMPose's annotations of WFLW and 300-W have it.

    Parameters
    ----------
    points
        float64 (K, 2), pixels.

    Returns
    -------
    center, scale
        float64 (2,) each: the middle of the points' bounding box with its edges on whole pixels, and twice the longer
        side of it. No padding.

    Notes
    -----
    Source: `lib/datasets/cofw.py` of the official HRNet repository. It reproduces the center and scale of MMPose's
    sample annotations of both data sets.
    """
    low, high = np.floor(points.min(0)), np.ceil(points.max(0))
    return (low + high) / 2, np.full(2, (high - low).max())


def box_region(box: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Region of a face from the box of AFLW's release, as the derived lists of AFLW have it.

    Parameters
    ----------
    box
        float64 (4,), xyxy in pixels.

    Returns
    -------
    center, scale
        float64 (2,) each: the middle of the box, and twice its longer side. No padding.

    Notes
    -----
    Inferred, not read in a program: in MMPose's sample annotations of AFLW the scale is the `box_size` exactly, and the
    region is not that of the points. `facelandmarks-eval --compare-annotations` shows whether it holds for all faces.
    """
    return (box[:2] + box[2:]) / 2, np.full(2, (box[2:] - box[:2]).max())
