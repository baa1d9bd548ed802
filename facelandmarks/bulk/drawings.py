"""Drawings of many images, in a folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from facelandmarks._files import distinct
from facelandmarks._opencv import cv2
from facelandmarks.bulk.tables import Record
from facelandmarks.draw import STANDARD, Style
from facelandmarks.errors import FaceLandmarksError, InvalidOptionError
from facelandmarks.images import write_image
from facelandmarks.results import Landmarks, image_record
from facelandmarks.schemes import Scheme

SUFFIX = ".png"


def drawing_paths(images: Sequence[str], folder: Path) -> list[Path]:
    """Return where the drawing of each image goes.

    Drawings lie below `folder` as the images do below the folder that holds them all; they are called
    NAME_landmarks.png, and numbered where two would have one name.
    """
    folders = [Path(os.path.abspath(image)).parent for image in images]  # noqa: PTH100 (links are not followed)
    try:
        top = os.path.commonpath(folders)
        below = [folder / place.relative_to(top) for place in folders]
    except ValueError:  # on several drives of Windows
        below = [folder] * len(folders)
    stems = [str(place / f"{Path(image).stem}_landmarks") for place, image in zip(below, images, strict=True)]
    return [Path(f"{name}{SUFFIX}") for name in distinct(stems)]


class Drawings:
    """Draws the faces of images into a folder, which is made.

    `InvalidOptionError` if a drawing would replace an image, or, without `overwrite`, another file.
    """

    def __init__(
        self, images: Sequence[str], folder: Path, style: Style | None, scheme: Scheme, *, overwrite: bool
    ) -> None:
        self._images, self._style, self._scheme = images, style or STANDARD, scheme
        self.paths = drawing_paths(images, folder)
        inputs = {os.path.abspath(image) for image in images}  # noqa: PTH100
        for path in self.paths:
            if os.path.abspath(path) in inputs:  # noqa: PTH100
                raise InvalidOptionError(f"{path} is an input: write the drawings to another folder")
            if not overwrite and path.exists():
                raise InvalidOptionError(f"{path} exists: choose another folder, or overwrite it with --force")

    def draw(self, number: int, record: Record) -> Record:
        """Draw image `number`; return its record, a failed one where it cannot be read again."""
        if record["error"] is not None:
            return record
        image, path = self._images[number], self.paths[number]
        try:
            drawn = Landmarks.from_dict(record, self._scheme).draw(image, self._style)
        except (FaceLandmarksError, cv2.error) as error:
            return image_record(image, record["model"], None, str(error))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, drawn)
        return record
