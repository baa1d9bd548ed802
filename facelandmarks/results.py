"""What a prediction is made of: the crops a network sees, and the landmarks that come out."""

import json
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.schemes import Scheme

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True, eq=False)
class Crops:
    """Regions of an image, warped to the input size of a network.

    Attributes
    ----------
    pixels
        uint8 (N, H, W, 3), RGB.
    center, scale
        float64 (N, 2): middle of each region in pixels of the image; its width and height along the crop's own axes.
    rotation
        float64 (N,), radians: the image turned clockwise by this angle shows the region upright; left out: all 0.
    """

    pixels: NDArray[np.uint8]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if not len(self.rotation):
            object.__setattr__(self, "rotation", np.zeros(len(self.pixels)))

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
            return cls(np.zeros((0, 0, 0, 3), np.uint8), np.zeros((0, 2)), np.zeros((0, 2)))
        if len(parts) == 1:
            return parts[0]
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("pixels", "center", "scale", "rotation")
            )
        )


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a network says of crops.

    Attributes
    ----------
    points
        float32 (N, K, 2) in pixels of the image.
    scores
        float32 (N, K).
    depth
        float32 (N, K): z in the unit of the points, for models that have it.
    expected_error
        float32 (N, K) in pixels of the image, for models that are calibrated for it.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    depth: NDArray[np.float32] | None = None
    expected_error: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Any) -> "Decoded":
        return Decoded(*(None if part is None else part[rows] for part in self.parts()))  # type: ignore[arg-type]

    def copy(self) -> "Decoded":
        """Return the same in memory of its own."""
        return Decoded(*(None if part is None else part.copy() for part in self.parts()))  # type: ignore[arg-type]

    def parts(self) -> tuple[NDArray[np.float32] | None, ...]:
        """Return all arrays, in the order of the attributes."""
        return self.points, self.scores, self.depth, self.expected_error

    @classmethod
    def join(cls, parts: "Sequence[Decoded]") -> "Decoded":
        """Return the faces of several batches as one."""
        joined = (
            None if any(array is None for array in arrays) else np.concatenate(arrays)
            for arrays in zip(*(part.parts() for part in parts), strict=True)
        )
        return cls(*joined)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Face:
    """One face: `points` (K, 2), `scores` (K,), `box` (4,), `box_score` (NaN for a box that was given)."""

    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    box: NDArray[np.float32]
    box_score: float
    scheme: Scheme

    def __repr__(self) -> str:
        corners = ", ".join(f"{value:.1f}" for value in self.box)
        return (
            f"Face({len(self.points)} points of {self.scheme.name!r}, box ({corners}), box_score {self.box_score:.2f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, as in the JSON files: pixels to 0.001, scores to 0.0001; NaN becomes None."""
        return {
            "box": _rounded(self.box),
            "box_score": _rounded(np.array(self.box_score), 4),
            "points": _rounded(self.points),
            "scores": _rounded(self.scores, 4),
        }

    def to_pts(self) -> str:
        """The points as a `.pts` file of 300-W, which counts pixels from 1 and has neither box nor scores."""
        from facelandmarks.formats.pts import to_pts

        return to_pts(self.points)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The faces of one picture.

    Attributes
    ----------
    points
        float32 (N, K, 2): x right, y down, in pixels of the upright picture;
        (0, 0) is the centre of the top-left pixel.
    scores
        float32 (N, K): how sure the network is of each point, 0 to 1; NaN if read from a file that does not say.
    boxes
        float32 (N, 4): xyxy, as given or as detected, in the convention of the model.
    box_scores
        float32 (N,): the detector's score of each face; NaN for boxes that were given.
    scheme
        Names, mirror pairs and contours of the K points.
    image_size
        Width and height of the upright picture in pixels.
    detector
        Name of the detector that found the faces; None for boxes that were given.
    detector_points
        float32 (N, 5, 2): right eye, left eye, nose, right and left corner of the mouth, as the detector found them;
        None if it gives no points.
    depth
        float32 (N, K): z of the points in pixels, for models that have it, else None.
    expected_error
        float32 (N, K): the error to be expected of each point in pixels, for models that are calibrated for it, else
        None.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    scheme: Scheme
    image_size: tuple[int, int]
    detector: str | None = None
    detector_points: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    expected_error: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        size = "{} x {}".format(*self.image_size)
        found = "boxes given" if self.detector is None else f"found by {self.detector!r}"
        faces = "1 face" if len(self) == 1 else f"{len(self)} faces"
        return f"Landmarks({faces}, {len(self.scheme)} points of {self.scheme.name!r}, picture {size}, {found})"

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Face]:
        return (self._face(index) for index in range(len(self)))

    def __getitem__(self, index: Any) -> "Face | Landmarks":
        """A `Face` for a whole number, `Landmarks` for a slice, a mask or a list of indices."""
        try:
            number = operator.index(index)
        except TypeError:
            return self._select(index)
        return self._face(number)

    def _face(self, index: int) -> Face:
        return Face(
            self.points[index], self.scores[index], self.boxes[index], float(self.box_scores[index]), self.scheme
        )

    def _select(self, index: Any) -> "Landmarks":
        rows = index if isinstance(index, slice) else np.asarray(index)
        return replace(
            self,
            points=self.points[rows],
            scores=self.scores[rows],
            boxes=self.boxes[rows],
            box_scores=self.box_scores[rows],
            detector_points=None if self.detector_points is None else self.detector_points[rows],
            depth=None if self.depth is None else self.depth[rows],
            expected_error=None if self.expected_error is None else self.expected_error[rows],
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers: `width`, `height`, `scheme`, `detector`, `faces`."""
        width, height = self.image_size
        faces = [face.to_dict() for face in self]
        scheme, detector = self.scheme.name, self.detector
        return {"width": width, "height": height, "scheme": scheme, "detector": detector, "faces": faces}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Landmarks":
        """What `to_json` wrote; errors as in `facelandmarks.formats.json.from_dict`."""
        from facelandmarks.formats.json import from_json

        return from_json(text)

    def to_csv(self) -> str:
        """A table: a head, then one line a face, with the numbers of `to_dict`."""
        from facelandmarks.formats.csv import to_csv

        return to_csv(self)

    @classmethod
    def from_csv(cls, text: str) -> "Landmarks":
        """What `to_csv` wrote; errors as in `facelandmarks.formats.csv.from_csv`."""
        from facelandmarks.formats.csv import from_csv

        return from_csv(text)

    def to_pts(self) -> list[str]:
        """One `.pts` file a face (`Face.to_pts`)."""
        return [face.to_pts() for face in self]

    @classmethod
    def from_pts(cls, texts: Sequence[str], scheme: str, image_size: tuple[int, int]) -> "Landmarks":
        """Faces from `.pts` files, without scores; arguments and errors as in `facelandmarks.formats.pts.from_pts`."""
        from facelandmarks.formats.pts import from_pts

        return from_pts(texts, scheme, image_size)

    def to_coco(self, file_name: str) -> str:
        """A COCO keypoints document of this picture; for several see `facelandmarks.formats.coco.to_coco`."""
        from facelandmarks.formats.coco import to_coco

        return to_coco({file_name: self})

    @classmethod
    def from_coco(cls, text: str) -> "dict[str, Landmarks]":
        """The pictures of a COCO document by file name; errors as in `facelandmarks.formats.coco.from_coco`."""
        from facelandmarks.formats.coco import from_coco

        return from_coco(text)

    def to_supervision(self) -> "supervision.KeyPoints":
        """As key points of the `supervision` package (extra `supervision`)."""
        from facelandmarks.formats.supervision import to_supervision

        return to_supervision(self)

    def draw(self, image: Any) -> NDArray[np.uint8]:
        """A copy of the picture with these landmarks on it: uint8 RGB (H, W, 3). `image` as in `Model.predict`."""
        from facelandmarks.draw import draw_landmarks
        from facelandmarks.images import load_image

        return draw_landmarks(load_image(image), self)


def _rounded(array: NDArray[np.floating], digits: int = 3) -> Any:
    rounded = np.round(array.astype(np.float64), digits)
    unknown = np.isnan(rounded)
    return np.where(unknown, None, rounded).tolist() if unknown.any() else rounded.tolist()  # type: ignore[call-overload]
