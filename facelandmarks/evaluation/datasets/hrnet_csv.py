"""Derived lists in CSV, as the official HRNet repository distributes them for 300-W, AFLW and WFLW."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.files import malformed, read_text, to_numbers
from facelandmarks.evaluation.datasets.form import SCALE_UNIT, Faces, Form, Request
from facelandmarks.evaluation.datasets.sample import Sample


def hrnet_form(
    files: Mapping[str, str],
    folders: tuple[str, ...],
    points: int,
    *,
    box_size: bool = False,
    counts_from: int = 0,
) -> Form:
    """Files of HRNet.

    Parameters
    ----------
    files
        Name of the file by subset, in the root or in `annotations/`.
    folders, counts_from
        See `Form`.
    points
        How many points a face has.
    box_size
        Whether the lists have the column `box_size` (AFLW).
    """

    def load(request: Request) -> Faces:
        return read_hrnet_csv(request.found, points, box_size=box_size, counts_from=counts_from)

    return Form({subset: (name, f"annotations/{name}") for subset, name in files.items()}, load, counts_from, folders)


def read_hrnet_csv(path: Path, points: int, *, box_size: bool = False, counts_from: int = 0) -> Faces:
    """Faces of one list: picture, scale, box_size if there is one, centre, points; columns go by position.

    Raises
    ------
    DatasetError
        Naming file and line, for rows of another length and numbers that are not finite.
    """
    try:
        rows = list(enumerate(csv.reader(read_text(path).splitlines()), 1))[1:]  # the first names the columns
    except csv.Error as error:
        raise DatasetError(f"{path} is no CSV file: {error}") from error
    samples = [_sample(row, path, line, points, box_size, counts_from) for line, row in rows if row]
    return len(samples), iter(samples)


def _sample(row: list[str], path: Path, line: int, points: int, box_size: bool, counts_from: int) -> Sample:
    first = 5 if box_size else 4  # column of the first x
    if len(row) != first + 2 * points:
        raise malformed(path, line, f"expected {first + 2 * points} columns, found {len(row)}")
    numbers = to_numbers(row[1:], path, line)
    return Sample(
        name=row[0],
        image=Path(row[0]),
        points=numbers[first - 1 :].reshape(points, 2) - counts_from,
        visible=np.ones(points, bool),
        center=numbers[first - 3 : first - 1] - counts_from,
        scale=np.full(2, SCALE_UNIT * numbers[0]),
        box_size=float(numbers[1]) if box_size else None,
    )
