"""Measures a row: reads each subset, predicts its faces, and scores them by the row's protocol."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import Found, Sample, find, get_release, read
from facelandmarks.evaluation.finders import DetectedBoxes
from facelandmarks.evaluation.protocol import Cell, Row
from facelandmarks.evaluation.regions import as_upstream, truth_of
from facelandmarks.evaluation.scoring import Faces
from facelandmarks.evaluation.store import PredictionStore
from facelandmarks.evaluation.stream import Prediction, face_key, predict_faces
from facelandmarks.model import Model

# Predictions of faces, each with its key, in their order.
Predict = Callable[[Iterable[tuple[str, Sample]]], Iterator[list[tuple[str, Sample, Prediction]]]]
Progress = Callable[[int], object]
# Where the boxes are from: the annotations, or a detector.
Boxes = Literal["gt", "detector"]


@dataclass(frozen=True)
class Settings:
    """What a user chooses.

    Attributes
    ----------
    data_root
        Folder of the data set.
    subsets
        Which to measure; without any, those of the row.
    form
        Form of its files, in place of the protocol's.
    limit
        Only the first faces of each subset.
    allow_partial
        Whether to take an incomplete release.
    boxes
        Each gives a column of its own: `"gt"` the regions of the annotations, `"detector"` what the detector finds.
    detector
        Name of the detector.
    batch_size, workers
        Faces in one call of the network, and threads that read pictures.
    resume
        Folder where predictions are kept.
    """

    data_root: Path
    subsets: tuple[str, ...] = ()
    form: str | None = None
    limit: int | None = None
    allow_partial: bool = False
    boxes: tuple[Boxes, ...] = ("gt",)
    detector: str = "auto"
    batch_size: int = 32
    workers: int = 4
    resume: Path | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """The faces of a subset with their predictions.

    Attributes
    ----------
    faces
        What is scored.
    expected
        Numbers of faces that the published number may be of; empty if none is known.
    complete
        Whether it is one of them, and no face was left out on purpose.
    files
        Which files of annotations were read.
    digest
        SHA-256 over names, points and visibilities of the faces, as they were read.
    """

    faces: Faces
    expected: tuple[int, ...]
    complete: bool
    files: Found
    digest: str


def measure_row(
    row: Row, predict: Predict, store: PredictionStore, settings: Settings, *, pictures: bool = True, progress: Progress
) -> tuple[dict[str, Measured], dict[str, DatasetError]]:
    """Every subset of a row.

    Parameters
    ----------
    row
        What is measured.
    predict
        Gives the points of faces.
    store
        Takes them.
    settings
        The user's choices.
    pictures
        Whether the predictions need pictures.
    progress
        Called with the number of faces done since its last call.

    Returns
    -------
    measured, missing
        By subset; and why others could not be read.
    """
    measured, missing = {}, {}
    for subset in subsets_of(row, settings):
        cells = [cell for cell in row.protocol.cells if cell.subset == subset]
        try:
            measured[subset] = _measure(row, subset, cells, predict, store, settings, pictures, progress)
        except DatasetError as error:
            missing[subset] = error
    return measured, missing


def subsets_of(row: Row, settings: Settings) -> list[str]:
    """Subsets that are measured: those of cells with a published number, or of all cells if there are none."""
    cells = [cell for cell in row.protocol.cells if not row.values or cell.key in row.values]
    names = list(dict.fromkeys(cell.subset for cell in cells))
    return [name for name in names if not settings.subsets or name in settings.subsets]


def _measure(
    row: Row,
    subset: str,
    cells: Sequence[Cell],
    predict: Predict,
    store: PredictionStore,
    settings: Settings,
    pictures: bool,
    progress: Progress,
) -> Measured:
    protocol = row.protocol
    files, samples = read_subset(row, subset, settings, pictures=pictures)
    keyed = ((face_key(sample, files.form), as_upstream(sample, protocol, files.form)) for sample in samples)
    digest = hashlib.sha256()
    names, points, truth, visible, sizes = [], [], [], [], []
    for batch in predict(keyed):
        store.keep((key, made) for key, _, made in batch)
        for _, sample, made in batch:
            for part in (sample.name.encode(), sample.points.tobytes(), sample.visible.tobytes()):
                digest.update(part)
            names.append(sample.name)
            points.append(made.points)
            truth.append(truth_of(sample, protocol))
            visible.append(sample.visible)
            sizes.append(made.size)
        progress(len(batch))
    if not names:
        raise DatasetError(f"{get_release(protocol.dataset).title}, {subset}: {settings.data_root} holds no face of it")
    faces = Faces(tuple(names), np.stack(points), np.stack(truth), np.stack(visible), np.array(sizes, np.float32))
    expected = expected_faces(protocol.dataset, subset, cells)
    # Where the number of faces is not known, it is the user who says that they are all there.
    whole = len(names) in expected if expected else not settings.allow_partial
    complete = settings.limit is None and whole
    return Measured(faces, expected, complete, files, digest.hexdigest())


def expected_faces(dataset: str, subset: str, cells: Sequence[Cell]) -> tuple[int, ...]:
    """How many faces the numbers of a subset are of: those of the cells, else of the release."""
    stated = tuple(dict.fromkeys(count for cell in cells for count in cell.faces))
    return stated or get_release(dataset).faces[subset]


def read_subset(row: Row, subset: str, settings: Settings, *, pictures: bool = True) -> tuple[Found, Iterator[Sample]]:
    """The files of a subset, and its faces as far as they are wanted."""
    protocol = row.protocol
    forms = (settings.form,) if settings.form else protocol.forms
    files = find(protocol.dataset, settings.data_root, subset, forms)
    # Numbers of faces other than the release's are compared with those of the row.
    own_number = any(cell.faces for cell in protocol.cells if cell.subset == subset)
    samples = read(
        protocol.dataset,
        settings.data_root,
        subset,
        form=files.form,
        pictures=pictures,
        allow_partial=settings.allow_partial or settings.limit is not None or own_number,
    )
    return files, islice(samples, settings.limit)


def find_finder(model: Model, settings: Settings, boxes: Boxes) -> DetectedBoxes | None:
    """What finds faces in place of the annotations, if that is wanted.

    Raises
    ------
    InvalidOptionError
        If no detector finds boxes of the model's kind.
    """
    return DetectedBoxes(model.spec.box_convention, settings.detector) if boxes == "detector" else None


def model_predictions(
    model: Model, row: Row, store: PredictionStore, settings: Settings, finder: DetectedBoxes | None
) -> Predict:
    """Predictions of a model; those in the store are not made again."""

    def predict(samples: Iterable[tuple[str, Sample]]) -> Iterator[list[tuple[str, Sample, Prediction]]]:
        return predict_faces(
            model,
            row.protocol,
            samples,
            store,
            batch_size=settings.batch_size,
            workers=settings.workers,
            finder=finder,
        )

    return predict


def open_store(
    row: Row, model: Model, weights: str | None, settings: Settings, finder: DetectedBoxes | None
) -> PredictionStore:
    """What a model has predicted for a row before, if the user keeps it.

    Raises
    ------
    InvalidOptionError
        If it was kept by a run with other settings.
    """
    spec, engine, boxes = model.spec, model.engine_info(), "detector" if finder else "gt"
    settings_of_points = {
        "model": spec.name,
        "weights": weights,
        "engine": engine.engine,
        "dtype": engine.dtype,
        "protocol": row.protocol.name,
        "boxes": boxes,
        "detector": finder.name if finder else None,
        "decode": spec.decode,
        "variant": spec.variant,
        "flip_test": spec.flip_test,
    }
    name = f"{spec.name}-{row.protocol.name}-{boxes}.jsonl"
    return PredictionStore(settings.resume / name if settings.resume else None, settings_of_points)
