"""Rows of many images in one file, which appears whole or not at all; an interrupted run can continue. And drawings."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from facelandmarks import __version__
from facelandmarks._files import Journal, distinct, exclusive, whole_file
from facelandmarks._opencv import cv2
from facelandmarks.bulk.stream import IMAGES, Batches, check_counts, predict_batches
from facelandmarks.bulk.tables import Record, check_table, paths_of, status_of, to_rows, write_openface, write_table
from facelandmarks.draw import Style
from facelandmarks.errors import FaceLandmarksError, InvalidOptionError
from facelandmarks.finding import Find
from facelandmarks.formats import carried_by
from facelandmarks.images import write_image
from facelandmarks.measures.pose import openface_columns
from facelandmarks.model import STANDARD, Model
from facelandmarks.results import Landmarks, image_record
from facelandmarks.schemes import Scheme, get_scheme
from facelandmarks.stream import usable_cpus
from facelandmarks.zoo.own import deciding

SCHEMA = "facelandmarks-journal/3"
ERRORS = 3  # that `Counts` keeps: enough to see what is wrong with all of them


@dataclass
class Counts:
    """What a run found: images, faces, images without a face, failed images, and the reasons of the first of those."""

    images: int = 0
    faces: int = 0
    without: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one image."""
        status = status_of(record)
        self.images += 1
        self.faces += len(record["faces"])
        self.without += status == "no_face"
        self.failed += status == "failed"
        if status == "failed" and len(self.errors) < ERRORS:
            image, error = record["image"], record["error"]
            self.errors.append(error if image in error else f"{image}: {error}")


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
    return [Path(f"{name}.png") for name in distinct(stems)]


class Drawings:
    """Draws the faces of images into a folder, which is made.

    `InvalidOptionError` if a drawing would replace an image, or, without `overwrite`, another file.
    """

    def __init__(
        self, images: Sequence[str], folder: Path, style: Style | None, scheme: Scheme, *, overwrite: bool
    ) -> None:
        self._images, self._style, self._scheme = images, style, scheme
        self.paths = drawing_paths(images, folder)
        inputs = {os.path.realpath(image) for image in images}
        for path in self.paths:
            if os.path.realpath(path) in inputs:
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


def journal_path(out: Path) -> Path:
    """Return where the records of a run are kept until it is finished."""
    return out.with_name(f"{out.name}.journal")


def next_step(out: Path, *, resume: bool, overwrite: bool) -> Literal["start", "resume", "nothing"]:
    """Decide what a run that writes `out` has to do.

    `resume` continues an interrupted run if there is one, and leaves a finished one alone; `overwrite` starts again
    whatever is there; if neither says what to do with what is there, that is an `InvalidOptionError`.
    """
    if out.exists() and not out.is_file():
        raise InvalidOptionError(f"{out} is a folder, pipe or device: rows are written to a plain file")
    journal = journal_path(out)
    if resume and journal.exists():
        return "resume"
    if resume and out.exists() and not overwrite:
        return "nothing"
    if journal.exists() and not overwrite:
        raise InvalidOptionError(f"{journal} is of an interrupted run: --resume it, or start again with --force")
    if out.exists() and not overwrite:
        raise InvalidOptionError(f"{out} exists: move it away, or overwrite it with --force")
    return "start"


def predict_to_file(
    model: Model,
    images: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    find: Find = STANDARD,
    *,
    batch_size: int = IMAGES,
    workers: int | None = None,
    draw: str | os.PathLike[str] | None = None,
    style: Style | None = None,
    columns: str = "all",
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Counts | None:
    """Write the rows of many images to a file.

    During the run the records are kept in `OUT.journal`, whole batches only. At the end they become rows, and the file
    gets its name. A continued run gives the rows of one that was never interrupted.

    Parameters
    ----------
    model, images, find, batch_size, workers
        As in `predict_batches`; all paths are kept in memory.
    out
        `.parquet` (extra `parquet`), `.jsonl` or `.csv`.
    draw, style
        Folder for a drawing of each image, as in `draw_images`; None: no drawings.
    columns
        `"openface"` writes CSV with the columns of OpenFace.
    resume
        Continue an interrupted run of the same settings, images and drawings if there is one, and leave a finished one
        alone; `InvalidOptionError` if that made no drawings where `draw` wants some.
    overwrite
        Start again whatever is there.
    progress
        Called with the number of images done so far; first with that of the run that is continued.

    Returns
    -------
    Counts or None
        None if there was nothing to do.
    """
    out = Path(out)
    check_counts(batch_size, workers)  # before a journal is cut to whole batches
    check_table(out, columns)
    if columns == "openface":
        openface_columns(str(model.spec.scheme))  # refuses schemes without a head pose
    paths = list(paths_of(images))
    with exclusive(out.with_name(f"{out.name}.lock"), busy=InvalidOptionError(f"another run is writing {out}")):
        step = next_step(out, resume=resume, overwrite=overwrite)
        if step == "nothing":
            if draw is not None and not any(path.exists() for path in drawing_paths(paths, Path(draw))):
                raise InvalidOptionError(f"{out} is finished, without drawings in {draw}: make them without --out")
            return None
        made = {} if draw is None else {"draw": os.path.abspath(draw), "style": repr(style or Style())}  # noqa: PTH100
        journal = Journal(journal_path(out), {**_settings(model, paths, find), **made})
        done = _records_kept(journal, model, paths, batch_size) if step == "resume" else 0
        again = overwrite or step == "resume"  # of the same folder, where the interrupted run may have drawn more
        drawings = None if draw is None else Drawings(paths, Path(draw), style, model.scheme, overwrite=again)
        batches = predict_batches(model, paths[done:], find, batch_size=batch_size, workers=workers)
        if step == "start":
            journal.begin()
        for records in _drawn(batches, drawings, done, progress, workers):
            journal.append(records)
        counts = _write_rows(journal, out, model, columns)
        journal.path.unlink()
        return counts


def draw_images(
    model: Model,
    images: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    find: Find = STANDARD,
    *,
    style: Style | None = None,
    batch_size: int = IMAGES,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Counts:
    """Draw the faces of many images into a folder, which is made; what was done stays if the run is interrupted.

    Drawings are NAME_landmarks.png, and lie in the folder as the images lie below the folder that holds them all.
    Arguments are those of `predict_to_file`; `style` is that of `Landmarks.draw`.
    """
    paths = list(paths_of(images))
    drawings, counts = Drawings(paths, Path(folder), style, model.scheme, overwrite=overwrite), Counts()
    batches = predict_batches(model, paths, find, batch_size=batch_size, workers=workers)
    for records in _drawn(batches, drawings, 0, progress, workers):
        for record in records:
            counts.add(record)
    return counts


def _drawn(
    batches: Batches,
    drawings: Drawings | None,
    done: int,
    progress: Callable[[int], object] | None,
    workers: int | None,
) -> Iterator[list[Record]]:
    """Yield the batches after the first `done` images; each is drawn first, and reported once it has been used."""
    report = progress or (lambda _: None)
    report(done)
    with closing(batches), ThreadPoolExecutor(workers or usable_cpus()) as threads:
        for batch in batches:
            end = done + len(batch)
            yield list(threads.map(drawings.draw, range(done, end), batch)) if drawings else batch
            done = end
            report(done)


def is_record(record: Mapping[str, Any], image: str | os.PathLike[str], model: str, scheme: str | Scheme) -> bool:
    """Tell whether this is what `image_record` makes of the image, to the last digit."""
    error = record.get("error")
    try:
        faces = Landmarks.from_dict(record, get_scheme(scheme)) if error is None else None
    except InvalidOptionError:
        return False
    if not isinstance(error, str | None) or (faces is not None and faces.scheme.name != str(scheme)):
        return False
    return record == image_record(image, model, faces, error)


def _settings(model: Model, images: Sequence[str], find: Find) -> dict[str, Any]:
    """Return everything the rows depend on."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(os.fsencode(image) + b"\0")
    engine, detector = asdict(model.engine_info()), find.detector  # the engine has the digest of the weights
    del engine["threads"]
    return {
        "schema": SCHEMA,
        "package": __version__,  # "version" is that of the engine
        **engine,
        **vars(find),
        **deciding(model.spec),  # its "box_convention" is of the boxes that are found, that of `find` of given ones
        "detector": (model.detector(detector) if isinstance(detector, str) else detector).name,
        "images": len(images),
        "inputs": digest.hexdigest(),
    }


def _records_kept(journal: Journal, model: Model, images: Sequence[str], batch_size: int) -> int:
    """Check an interrupted run and return how many images of it stay.

    Whole batches stay, since the last digit of a point may depend on its batch.
    """
    journal.check()
    whole = 0
    for whole, record in enumerate(journal.records(), 1):
        if whole > len(images) or not is_record(record, images[whole - 1], model.spec.name, model.spec.scheme):
            raise InvalidOptionError(f"{journal.path} is damaged in line {whole + 1}: start again with --force")
    return journal.keep(len(images) if whole == len(images) else batch_size)


def _write_rows(journal: Journal, out: Path, model: Model, columns: str) -> Counts:
    """Turn the records into the file of rows, under another name until it is whole."""
    counts = Counts()

    def records() -> Iterator[Record]:
        for record in journal.records():
            counts.add(record)
            yield record

    with whole_file(out) as partial, partial.open("xb") as file:
        if columns == "openface":
            write_openface(file, records(), str(model.spec.scheme))
        else:
            carried = carried_by(journal.records()) if out.suffix == ".csv" else []
            rows = chain.from_iterable(map(to_rows, records()))
            write_table(out, file, rows, len(model.scheme), carried)
        file.flush()
        os.fsync(file.fileno())
    return counts
