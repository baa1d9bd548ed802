"""Measure a row: read each subset and predict its faces."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import Found, Sample, find, get_release, read
from facelandmarks.evaluation.predict import Predict, PredictionStore, face_key
from facelandmarks.evaluation.protocols import Row, as_upstream, truth_of
from facelandmarks.evaluation.scoring import Faces

Progress = Callable[[int], object]
# Where the boxes are from: the annotations, or a detector.
Boxes = Literal["gt", "detector"]


@dataclass(frozen=True)
class Settings:
    """Everything that a user chooses for a run; the parameters of `facelandmarks.evaluation.evaluate`."""

    dataset: str
    data_root: Path
    models: tuple[str, ...] = ()
    predictions: Path | None = None
    subsets: tuple[str, ...] = ()
    protocol: str | None = None
    form: str | None = None
    limit: int | None = None
    allow_partial: bool = False
    boxes: tuple[Boxes, ...] = ("gt",)
    detector: str = "auto"
    device: str = "auto"
    engine: str = "auto"
    dtype: str = "float32"
    threads: int | None = None
    cache_dir: Path | None = None
    weights: str | None = None
    scheme: str | None = None
    fetch: bool = False
    batch_size: int = 32
    workers: int = 4
    resume: Path | None = None
    thumbnails: bool = False
    progress: bool = False


@dataclass(frozen=True, eq=False)
class Measured:
    """The faces of a subset with their predictions."""

    faces: Faces
    expected: tuple[int, ...]  # published face counts of the subset; empty if unknown
    complete: bool  # whether these are all faces of the subset
    whole: bool  # whether no limit was set
    attributes: tuple[frozenset[str], ...]  # of each face, as far as the files have them
    scores: tuple[float | None, ...]  # of each face: the mean over its points, if the model gives any
    files: Found  # the annotation files that were read
    digest: str  # SHA-256 over names, points and visibilities of the faces, as they were read


# By subset: its faces, or why there are none.
Subsets = tuple[dict[str, Measured], dict[str, DatasetError]]


def measure_row(row: Row, predict: Predict, store: PredictionStore, settings: Settings, progress: Progress) -> Subsets:
    """Measure every subset of a row; `progress` is called with the number of faces done since its last call."""
    measured, missing = {}, {}
    for subset in subsets_of(row, settings):
        try:
            measured[subset] = measure_subset(row, subset, predict, store, settings, progress)
        except DatasetError as error:
            missing[subset] = error
    return measured, missing


def measure_subset(
    row: Row, subset: str, predict: Predict, store: PredictionStore, settings: Settings, progress: Progress
) -> Measured:
    """Measure one subset of a row; `DatasetError` if its faces cannot be read."""
    protocol = row.protocol
    files, samples = read_subset(row, subset, settings)
    keyed = ((face_key(sample, files.form), as_upstream(sample, protocol, files.form)) for sample in samples)
    digest = hashlib.sha256()
    names, points, truth, visible, sizes, attributes, scores = [], [], [], [], [], [], []
    for batch in predict(keyed):
        store.keep((key, made) for key, _, made in batch)
        for _, sample, made in batch:
            name = sample.name.encode(errors="surrogatepass")  # names of files need not be UTF-8
            for part in (name, sample.points.tobytes(), sample.visible.tobytes()):
                digest.update(part)
            names.append(sample.name)
            points.append(made.points)
            truth.append(truth_of(sample, protocol))
            visible.append(sample.visible)
            sizes.append(made.size)
            attributes.append(sample.subsets - {subset})
            scores.append(made.score)
        progress(len(batch))
    if not names:
        raise DatasetError(f"{get_release(protocol.dataset).title}, {subset}: {settings.data_root} has no face of it")
    faces = Faces(tuple(names), np.stack(points), np.stack(truth), np.stack(visible), np.array(sizes, np.float32))
    expected = get_release(protocol.dataset).faces[subset]
    # Where the number of faces is unknown, the user says whether they are all there.
    complete = len(names) in expected if expected else not settings.allow_partial
    return Measured(
        faces,
        expected,
        settings.limit is None and complete,
        settings.limit is None,
        tuple(attributes),
        tuple(scores),
        files,
        digest.hexdigest(),
    )


def subsets_of(row: Row, settings: Settings) -> list[str]:
    """Return the subsets to measure: those of cells with a published number, or of all cells if there are none."""
    cells = [cell for cell in row.protocol.cells if not row.values or cell.key in row.values]
    names = list(dict.fromkeys(cell.subset for cell in cells))
    return [name for name in names if not settings.subsets or name in settings.subsets]


def is_here(row: Row, subset: str, settings: Settings) -> bool:
    """Return whether the files of a subset are there; they are not read."""
    forms = (settings.form,) if settings.form else row.protocol.forms
    try:
        find(row.protocol.dataset, settings.data_root, subset, forms)
    except DatasetError:
        return False
    return True


def read_subset(row: Row, subset: str, settings: Settings) -> tuple[Found, Iterator[Sample]]:
    """Find the files of a subset, and read its faces up to the limit; without images if nothing is predicted."""
    protocol = row.protocol
    forms = (settings.form,) if settings.form else protocol.forms
    files = find(protocol.dataset, settings.data_root, subset, forms)
    # Our own numbers were measured on fewer faces than the subset has.
    own_count = any(cell.faces for cell in protocol.cells if cell.subset == subset)
    samples = read(
        protocol.dataset,
        settings.data_root,
        subset,
        form=files.form,
        images=settings.predictions is None,
        allow_partial=settings.allow_partial or settings.limit is not None or own_count,
    )
    return files, islice(samples, settings.limit)
