"""Derived annotations in JSON, as the SPIGA repository distributes them: a list of faces, counted from 0."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facelandmarks._files import parse_json
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.files import read_text
from facelandmarks.evaluation.datasets.form import Faces
from facelandmarks.evaluation.datasets.sample import Sample


def read_spiga(path: Path, points: int) -> Faces:
    """Faces of one file: `imgpath`, `bbox` (x, y, width, height), `landmarks`.

    Raises
    ------
    DatasetError
        If it is no such file, or a face is not as it should be.
    """
    try:
        samples = [_sample(face, points) for face in parse_json(read_text(path))]
    except (LookupError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is no annotation file of SPIGA's: {error!r}") from error
    return len(samples), iter(samples)


def _sample(face: Mapping[str, Any], points: int) -> Sample:
    x, y, width, height = (float(value) for value in face["bbox"])
    return Sample(
        name=face["imgpath"],
        image=Path(face["imgpath"]),
        points=np.array(face["landmarks"], np.float64).reshape(points, 2),
        visible=np.ones(points, bool),
        box=np.array([x, y, x + width, y + height]),
    )
