"""Rows of many images in one file, which appears whole or not at all; an interrupted run can continue."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from facelandmarks import __version__
from facelandmarks._files import Journal, exclusive, whole_file
from facelandmarks.bulk.stream import IMAGES, predict_batches
from facelandmarks.bulk.tables import Row, check_table, status_of, to_rows, write_table
from facelandmarks.errors import InvalidOptionError
from facelandmarks.formats.csv import carried_by
from facelandmarks.model import Model
from facelandmarks.results import Landmarks, image_record
from facelandmarks.rotations import UPRIGHT
from facelandmarks.schemes import Scheme, get_scheme
from facelandmarks.schemes.own import scheme_to_dict

SCHEMA = "facelandmarks-journal/2"
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


def journal_path(out: Path) -> Path:
    """Return where the records of a run are kept until it is finished."""
    return out.with_name(f"{out.name}.journal")


def next_step(out: Path, *, resume: bool, overwrite: bool) -> Literal["start", "resume", "nothing"]:
    """Decide what a run that writes `out` has to do.

    `resume` continues an interrupted run if there is one, and leaves a finished one alone; `overwrite` starts again
    whatever is there; if neither says what to do with what is there, that is an `InvalidOptionError`.
    """
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
    images: Sequence[str],
    out: Path,
    *,
    detector: str = "auto",
    min_score: float | None = None,
    rotations: Sequence[int] = UPRIGHT,
    batch_size: int = IMAGES,
    workers: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Counts | None:
    """Write the rows of many images to a file.

    During the run the records are kept in `OUT.journal`, whole batches only. At the end they become rows, and the file
    gets its name. A continued run gives the rows of one that was never interrupted.

    Parameters
    ----------
    model, images, detector, min_score, rotations, batch_size, workers
        As in `predict_batches`.
    out
        `.parquet` (extra `parquet`), `.jsonl` or `.csv`.
    resume
        Continue an interrupted run of the same settings and images if there is one, and leave a finished one alone.
    overwrite
        Start again whatever is there.
    progress
        Called with the number of images done so far; first with that of the run that is continued.

    Returns
    -------
    Counts or None
        None if there was nothing to do.
    """
    check_table(out)
    with exclusive(out.with_name(f"{out.name}.lock"), busy=InvalidOptionError(f"another run is writing {out}")):
        step = next_step(out, resume=resume, overwrite=overwrite)
        if step == "nothing":
            return None
        journal = Journal(journal_path(out), _settings(model, images, detector, min_score, rotations))
        done = _records_kept(journal, model, images, batch_size) if step == "resume" else 0
        find: dict[str, Any] = {"detector": detector, "min_score": min_score, "rotations": rotations}
        batches = predict_batches(model, images[done:], batch_size=batch_size, workers=workers, **find)
        if step == "start":
            journal.begin()
        report = progress or (lambda _: None)
        report(done)
        with closing(batches):
            for batch in batches:
                journal.append(batch)
                done += len(batch)
                report(done)
        counts = _write_rows(journal, out, len(model.scheme))
        journal.path.unlink()
        return counts


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


def _settings(
    model: Model, images: Sequence[str], detector: str, min_score: float | None, rotations: Sequence[int]
) -> dict[str, Any]:
    """Return everything the rows depend on."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(os.fsencode(image) + b"\0")
    spec, engine = model.spec, asdict(model.engine_info())
    del engine["threads"]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "model": spec.name,
        "scheme": spec.scheme if isinstance(spec.scheme, str) else scheme_to_dict(spec.scheme),
        "variant": spec.variant,
        "decode": spec.decode,
        "flip_test": spec.flip_test,
        **engine,
        "detector": model.detector(detector).name,
        "min_score": min_score,
        "rotations": list(rotations),
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


def _write_rows(journal: Journal, out: Path, landmarks: int) -> Counts:
    """Turn the records into the file of rows, under another name until it is whole."""
    counts = Counts()

    def rows() -> Iterator[Row]:
        for record in journal.records():
            counts.add(record)
            yield from to_rows(record)

    with whole_file(out) as partial, partial.open("xb") as file:
        carried = carried_by(journal.records()) if out.suffix == ".csv" else []
        write_table(out, file, rows(), landmarks, carried)
        file.flush()
        os.fsync(file.fileno())
    return counts
