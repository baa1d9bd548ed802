"""The crops that a network sees, what it finds there, and the landmarks of an image."""

import json
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import parse_json
from facelandmarks.boxes import tight_boxes
from facelandmarks.errors import InvalidImageError, InvalidOptionError, require
from facelandmarks.formats import CARRIED, from_coco, from_csv, from_pts, to_coco, to_csv, to_pandas, to_pts
from facelandmarks.schemes import Scheme, get_scheme

if TYPE_CHECKING:
    import pandas as pd
    import supervision

    from facelandmarks.draw import Style

MOST_PIXELS = 2**31 - 1  # of a side: what Parquet's column holds
DOUBTFUL = 0.04  # of a box's longer side: points of a larger expected error are doubtful
_FIELDS = ("points", "scores", "boxes", "box_scores", *CARRIED)


@dataclass(frozen=True, eq=False)
class Crops:
    """Regions of an image, warped to the input size of a network."""

    pixels: NDArray[np.uint8]  # (N, H, W, 3), RGB
    center: NDArray[np.float64]  # (N, 2), middle of each region in pixels of the image
    scale: NDArray[np.float64]  # (N, 2), its width and height along the crop's own axes
    rotation: NDArray[np.float64]  # (N,), radians: the image turned clockwise by this angle shows the region upright

    def __post_init__(self) -> None:
        shape, dtype = np.shape(self.pixels), getattr(self.pixels, "dtype", None)
        if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8:
            raise InvalidOptionError(f"crops are uint8 (N, H, W, 3), also a single one, crops[:1]; got {dtype} {shape}")
        n, others = shape[0], [np.shape(each) for each in (self.center, self.scale, self.rotation)]
        if others != [(n, 2), (n, 2), (n,)]:
            raise InvalidOptionError(f"center, scale and rotation of {n} crops are (N, 2) twice and (N,); got {others}")

    def __repr__(self) -> str:
        return f"Crops({len(self)} of {self.pixels.shape[2]} x {self.pixels.shape[1]} pixels)"

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: Any) -> "Crops":
        return Crops(self.pixels[rows], self.center[rows], self.scale[rows], self.rotation[rows])

    @classmethod
    def join(cls, parts: "Sequence[Crops]") -> "Crops":
        """Return the crops of several images as one batch."""
        if not parts:
            return cls(np.zeros((0, 0, 0, 3), np.uint8), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))
        if len(parts) == 1:
            return parts[0]
        arrays: Any = joined(parts, ("pixels", "center", "scale", "rotation"))
        return cls(**arrays)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a network finds in crops; all in pixels of the image."""

    points: NDArray[np.float32]  # (N, K, 2)
    scores: NDArray[np.float32]  # (N, K)
    depth: NDArray[np.float32] | None = None  # (N, K): z, for models that have it
    expected_error: NDArray[np.float32] | None = None  # (N, K), for models that are calibrated for it

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Any) -> "Decoded":
        return Decoded(*(_at(part, rows) for part in vars(self).values()))

    def copy(self) -> "Decoded":
        """Return the same in memory of its own."""
        return self.join([self])

    @classmethod
    def join(cls, parts: "Sequence[Decoded]") -> "Decoded":
        """Return the faces of several batches as one, in memory of its own."""
        arrays: Any = joined(parts, ("points", "scores", "depth", "expected_error"))
        return cls(**arrays)


@dataclass(frozen=True, eq=False)
class Face:
    """One face; units as in `Landmarks`."""

    points: NDArray[np.float32]  # (K, 2)
    scores: NDArray[np.float32]  # (K,)
    box: NDArray[np.float32]  # (4,)
    box_score: float  # NaN for a box that was given
    scheme: Scheme
    detector_points: NDArray[np.float32] | None = None  # (5, 2)
    depth: NDArray[np.float32] | None = None  # (K,)
    expected_error: NDArray[np.float32] | None = None  # (K,)

    def __repr__(self) -> str:
        corners = ", ".join(f"{value:.1f}" for value in self.box)
        points = f"{len(self.points)} points of {self.scheme.name!r}"
        return f"Face({points}, box ({corners}), box_score {self.box_score:.2f})"

    def to_dict(self) -> dict[str, Any]:
        """Return lists and numbers as in the JSON files: pixels to 0.001, scores to 0.0001; NaN becomes None."""
        return {
            "box": _rounded(self.box),
            "box_score": _rounded(np.array(self.box_score), 4),
            "points": _rounded(self.points),
            "scores": _rounded(self.scores, 4),
            **{name: None if (array := getattr(self, name)) is None else _rounded(array) for name in CARRIED},
        }

    def to_pts(self) -> str:
        """Return the points as a `.pts` file of 300-W, which counts pixels from 1 and has neither box nor scores."""
        return to_pts(self.points)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The faces of one image, in pixels of the upright image: x right, y down, (0, 0) the top-left pixel's centre.

    `points` (N, K, 2) with `scores` (N, K): how sure the network is of each, comparable between points of one model
    only; `model_info(name)["scores"]` says the range. `boxes` (N, 4) xyxy, as given or detected, in the convention of
    the model, with `box_scores` (N,), 0 to 1, NaN for boxes that were given. What the detector or the model does not
    have is None.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32]  # NaN if read from a file that does not say
    boxes: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    scheme: Scheme  # names, mirror pairs and contours of the K points
    image_size: tuple[int, int]  # width and height
    detector: str | None = None  # name of the one that found the faces; None for boxes that were given
    # (N, 5, 2): right eye, left eye, nose, right and left corner of the mouth, as the detector found them.
    detector_points: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None  # (N, K): z of the points
    expected_error: NDArray[np.float32] | None = None  # (N, K), for models that are calibrated for it
    source: str | None = None  # path of the image, if it was a file: what `draw`, `save` and `show` read again

    def __post_init__(self) -> None:
        for name, shape in _shapes(len(self.scheme)).items():
            array, expected = getattr(self, name), (len(self.points), *shape)
            if array is not None and np.shape(array) != expected:
                raise InvalidOptionError(f"{name} must have the shape {expected} here; got {np.shape(array)}")

    @property
    def doubtful(self) -> NDArray[np.bool_] | None:
        """Mask (N, K) of points whose expected error is over `DOUBTFUL` of the box's longer side; None if unknown."""
        if self.expected_error is None:
            return None
        sides: NDArray[np.float32] = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1)
        return np.asarray(self.expected_error > DOUBTFUL * sides[:, None])

    def __repr__(self) -> str:
        size = "{} x {}".format(*self.image_size)
        found = "boxes given" if self.detector is None else f"found by {self.detector!r}"
        faces = "1 face" if len(self) == 1 else f"{len(self)} faces"
        return f"Landmarks({faces}, {len(self.scheme)} points of {self.scheme.name!r}, image {size}, {found})"

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Face]:
        return (cast("Face", self[index]) for index in range(len(self)))

    def __getitem__(self, index: Any) -> "Face | Landmarks":
        """Return a `Face` for a whole number, `Landmarks` for a slice, a mask or a list of indices."""
        try:
            number = operator.index(index)
        except TypeError:
            rows = list(index) if isinstance(index, tuple) else index
            return replace(self, **{name: _at(getattr(self, name), rows) for name in _FIELDS})
        points, scores, box, box_score, *carried = (_at(getattr(self, name), number) for name in _FIELDS)
        return Face(points, scores, box, float(box_score), self.scheme, *carried)

    @classmethod
    def join(
        cls, parts: "Sequence[Landmarks]", scheme: Scheme, image_size: tuple[int, int], detector: str | None = None
    ) -> "Landmarks":
        """Return the faces of several `Landmarks`, or of none, as one, in memory of its own."""
        if parts:
            arrays: Any = joined(parts, _FIELDS)
        else:
            shapes = _shapes(len(scheme)).items()
            arrays = {name: np.zeros((0, *shape), np.float32) for name, shape in shapes if name not in CARRIED}
        return cls(**arrays, scheme=scheme, image_size=image_size, detector=detector)

    def to_dict(self) -> dict[str, Any]:
        """Return lists and numbers: `width`, `height`, `scheme`, `detector`, `faces`."""
        width, height = self.image_size
        faces = [face.to_dict() for face in self]
        scheme, detector = self.scheme.name, self.detector
        return {"width": width, "height": height, "scheme": scheme, "detector": detector, "faces": faces}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], scheme: Scheme | None = None) -> "Landmarks":
        """Read what `to_dict` gave, in this version or an older one; None becomes NaN, other fields are ignored.

        `scheme` is that of your own points, which the record only names.
        `InvalidOptionError` if a field is missing or holds something else: an unknown scheme, another number of points,
        a number that float32 cannot hold, an image without pixels.
        """
        try:
            own, detector, faces = {scheme.name: scheme} if scheme else {}, record["detector"], record["faces"]
            count = len(layout := get_scheme(own.get(record["scheme"], record["scheme"])))
            if not isinstance(detector, str | None):
                raise TypeError(f"the detector is a name or None; got {detector!r:.50}")
            arrays = {}
            for name, shape in _shapes(count).items():
                key = {"boxes": "box", "box_scores": "box_score"}.get(name, name)
                values = [face.get(key) if name in CARRIED else face[key] for face in faces]
                if name not in CARRIED or any(value is not None for value in values):
                    arrays[name] = _stack(values, shape)
            size = _size((record["width"], record["height"]))
            return cls(**arrays, scheme=layout, image_size=size, detector=detector)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidOptionError(f"these are not landmarks: {type(error).__name__}: {error}") from error

    def to_json(self, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, scheme: Scheme | None = None) -> "Landmarks":
        """Read what `to_json` wrote; scheme and errors as in `from_dict`."""
        try:
            record = parse_json(text)
        except (TypeError, ValueError) as error:
            raise InvalidOptionError(f"this is not JSON: {error}") from error
        return cls.from_dict(record, scheme)

    def to_csv(self) -> str:
        """Return a table: a header, then one line per face, with the numbers of `to_dict`."""
        return to_csv(self.to_dict(), len(self.scheme))

    @classmethod
    def from_csv(cls, text: str | bytes, scheme: Scheme | None = None) -> "Landmarks":
        """Read what `to_csv` wrote; scheme and errors as in `from_dict`."""
        return cls.from_dict(from_csv(text), scheme)

    def to_pts(self) -> list[str]:
        """Return one `.pts` file a face (`Face.to_pts`)."""
        return [face.to_pts() for face in self]

    @classmethod
    def from_pts(cls, texts: Sequence[str | bytes], scheme: str | Scheme, image_size: tuple[int, int]) -> "Landmarks":
        """Read `.pts` files, one per face, which do not say scheme and size; scores are NaN, boxes bound the points."""
        layout, size = get_scheme(scheme), _size(image_size)
        shape = (len(texts), len(layout))
        points = np.array([from_pts(text, len(layout)) for text in texts], np.float32).reshape(*shape, 2)
        unknown = np.full(shape, np.nan, np.float32)
        return cls(points, unknown, tight_boxes(points).astype(np.float32), unknown[:, 0], layout, size)

    def to_coco(self, file_name: str) -> str:
        """Return a COCO keypoints document of this image; `facelandmarks.formats.to_coco` takes several."""
        return to_coco({file_name: self.to_dict()}, self.scheme)

    @classmethod
    def from_coco(cls, text: str | bytes, scheme: Scheme | None = None) -> "dict[str, Landmarks]":
        """Read the images of a COCO document by file name; scheme and errors as in `from_dict`."""
        return {name: cls.from_dict(record, scheme) for name, record in from_coco(text, scheme).items()}

    def to_supervision(self) -> "supervision.KeyPoints":
        """Return `supervision` key points: one per face, class 0; `data["box"]` is float32 (N, 4) xyxy."""
        package = require("supervision", "to_supervision", "'facelandmarks-zoo[supervision]'")
        points: supervision.KeyPoints = package.KeyPoints(
            xy=self.points.copy(),
            class_id=np.zeros(len(self), int),
            keypoint_confidence=self.scores.copy(),
            detection_confidence=self.box_scores.copy(),
            data={"box": self.boxes.copy()},
        )
        return points

    def to_pandas(self) -> "pd.DataFrame":
        """Return a `pandas` table: one row per face, with columns and numbers of `to_csv`, NaN where unknown."""
        return to_pandas(self.to_dict(), len(self.scheme))

    def draw(self, image: Any = None, style: "Style | None" = None) -> NDArray[np.uint8]:
        """Return a copy of the image with these landmarks on it: uint8 RGB (H, W, 3); doubtful points are hollow.

        Parameters
        ----------
        image
            As in `Model.predict`. None: the file that was predicted is read again.
        style
            `facelandmarks.Style`: colour, size, boxes, contours, indices; None: what fits the faces.

        Raises
        ------
        InvalidOptionError
            If `image` is None and what was predicted was no file.
        InvalidImageError
            If the image cannot be read, or has not the size of the one that was predicted.
        """
        from facelandmarks.draw import STANDARD, draw_landmarks  # they load OpenCV, which results do without
        from facelandmarks.images import load_image

        if image is None and self.source is None:
            raise InvalidOptionError("the image of these landmarks cannot be read again: pass image=")
        pixels = load_image(self.source if image is None else image)
        if pixels.shape[1::-1] != tuple(self.image_size):
            sizes = [f"{width} x {height}" for width, height in (pixels.shape[1::-1], self.image_size)]
            raise InvalidImageError(f"the image has {sizes[0]} pixels, but the landmarks are of one with {sizes[1]}")
        return draw_landmarks(pixels, self.points, self.boxes, self.scheme, style or STANDARD, self.doubtful)

    def save(self, path: str | os.PathLike[str], image: Any = None, style: "Style | None" = None) -> None:
        """Write `draw` to a file of the format that its suffix says: .png, .jpg, .webp, .bmp or .tif.

        A file of that name is replaced. Errors are those of `draw`, `InvalidOptionError` for another suffix, and
        `OSError` of the disk.
        """
        from facelandmarks.images import write_image

        write_image(Path(path), self.draw(image, style))

    def show(self, image: Any = None, style: "Style | None" = None) -> None:
        """Show `draw` in a notebook, else in a window until a key is pressed or it is closed.

        Errors are those of `draw` and, without a screen, of `facelandmarks.draw.check_windows`.
        """
        from facelandmarks.draw import show_image

        show_image(self.draw(image, style))


NOT_READ: dict[str, Any] = {"width": None, "height": None, "scheme": None, "detector": None, "faces": []}


def image_record(
    image: str | os.PathLike[str], model: str, faces: Landmarks | None, error: str | None
) -> dict[str, Any]:
    r"""Return the record of one image; without `faces` it could not be read, and `error` says why.

    Bytes of a path that are not UTF-8 become `\xff`, in `error` too, as text that every file can hold.
    """
    found = faces.to_dict() if faces is not None else NOT_READ
    path, why = (each and os.fsencode(each).decode("utf-8", "backslashreplace") for each in (image, error))
    return {"image": path, "model": model, **found, "error": why}


def joined(parts: Sequence[Any], names: Sequence[str]) -> dict[str, NDArray[Any] | None]:
    """Return arrays of several objects, joined along their first axes; None where an object has None."""
    columns = {name: [getattr(part, name) for part in parts] for name in names}
    return {
        name: None if any(array is None for array in column) else np.concatenate(column)
        for name, column in columns.items()
    }


def _shapes(landmarks: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of a face in each array of `Landmarks`."""
    arrays = {"points": (landmarks, 2), "scores": (landmarks,), "boxes": (4,), "box_scores": ()}
    return {**arrays, "detector_points": (5, 2), "depth": (landmarks,), "expected_error": (landmarks,)}


def _at(array: NDArray[np.float32] | None, rows: Any) -> Any:
    return None if array is None else array[rows]


def _rounded(array: NDArray[np.floating], digits: int = 3) -> Any:
    rounded = np.round(array.astype(np.float64), digits)
    unknown = np.isnan(rounded)
    return np.where(unknown, None, rounded).tolist() if unknown.any() else rounded.tolist()  # type: ignore[call-overload]


def _size(image_size: Any) -> tuple[int, int]:
    try:
        width, height = (int(operator.index(side)) for side in image_size)
    except (TypeError, ValueError) as error:
        raise InvalidOptionError(f"an image has a size of (width, height) pixels, not {image_size!r:.99}") from error
    if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        raise InvalidOptionError(f"an image cannot have {width} x {height} pixels")
    return width, height


def _stack(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Return float32 (N, *shape), NaN where a value is None."""
    found = np.array(values, object) if values else np.zeros((0, *shape), object)
    if found.shape != (len(values), *shape) or not all(isinstance(value, Real | NoneType) for value in found.flat):
        raise ValueError(f"expected numbers of shape {shape} per face, got shape {found.shape[1:]} or no numbers")
    array = found.astype(np.float64)
    if (np.abs(array) > np.finfo(np.float32).max).any():
        raise ValueError("a number is infinite, or beyond float32")
    return array.astype(np.float32)
