"""Rows of many pictures in one file, which is there whole or not at all; a run that was broken off can go on."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from facelandmarks import __version__
from facelandmarks._files import Journal, exclusive, whole_file
from facelandmarks.bulk.records import Record, Row, is_record, named, status_of, to_rows
from facelandmarks.bulk.stream import PICTURES, Batches, predict_batches
from facelandmarks.bulk.tables import check_table, write_table
from facelandmarks.errors import InvalidOptionError
from facelandmarks.model import Model
from facelandmarks.rotations import UPRIGHT

SCHEMA = "facelandmarks-journal/1"
ERRORS = 3  # that `Counts` keeps: enough to see what is wrong with all of them
Progress = Callable[[int], object]


@dataclass
class Counts:
    """What a run found: pictures, faces, pictures without a face, pictures that failed, why the first of them did."""

    pictures: int = 0
    faces: int = 0
    without: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one picture."""
        status = status_of(record)
        self.pictures += 1
        self.faces += len(record["faces"])
        self.without += status == "no_face"
        self.failed += status == "failed"
        if status == "failed" and len(self.errors) < ERRORS:
            self.errors.append(named(record["image"], record["error"]))


def journal_path(out: Path) -> Path:
    """Where the records of a run stand until it is finished."""
    return out.with_name(f"{out.name}.journal")


def next_step(out: Path, *, resume: bool, overwrite: bool) -> Literal["start", "resume", "nothing"]:
    """What a run has to do.

    Parameters
    ----------
    out
        The file of rows.
    resume
        Whether to go on with a run that was broken off, if there is one, and to leave one alone that is finished.
    overwrite
        Whether to start anew whatever is there.

    Raises
    ------
    InvalidOptionError
        If something is there, and neither says what to do with it.
    """
    journal = journal_path(out)
    if resume and journal.exists():
        return "resume"
    if resume and out.exists() and not overwrite:
        return "nothing"
    if journal.exists() and not overwrite:
        raise InvalidOptionError(f"{journal} is of a run that was broken off: --resume it, or start anew with --force")
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
    batch_size: int = PICTURES,
    workers: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    weights: str | None = None,
    progress: Progress | None = None,
) -> Counts | None:
    """Rows of many pictures in a file.

    While the run goes on the records stand in `OUT.journal`, whole batches only. At the end they become rows, and the
    file gets its name. A run that goes on has the rows of one that was never broken off.

    Parameters
    ----------
    model, images, detector, min_score, rotations, batch_size, workers
        As in `predict_batches`.
    out
        `.parquet` (extra `parquet`), `.jsonl` or `.csv`.
    resume, overwrite
        As in `next_step`.
    weights
        Digest of weights of the user's own: a run with others is another run.
    progress
        Called with the number of pictures that are done, first with that of the run that goes on.

    Returns
    -------
    Counts or None
        None if there was nothing to do.

    Raises
    ------
    InvalidOptionError
        If something is in the way (`next_step`), the run that should go on had other settings or pictures, another
        run is writing this file, or an option is out of its range (`predict_batches`).
    MissingDependencyError
        If pyarrow is needed and not installed.
    """
    check_table(out)
    with exclusive(out.with_name(f"{out.name}.lock"), busy=InvalidOptionError(f"another run is writing {out}")):
        step = next_step(out, resume=resume, overwrite=overwrite)
        if step == "nothing":
            return None
        journal = Journal(journal_path(out), _settings(model, images, detector, min_score, rotations, weights))
        done = _done(journal, model, images, batch_size) if step == "resume" else 0
        batches = predict_batches(
            model,
            images[done:],
            detector=detector,
            min_score=min_score,
            rotations=rotations,
            batch_size=batch_size,
            workers=workers,
        )
        if step == "start":
            journal.begin()
        _collect(batches, journal, done, progress or (lambda _: None))
        counts = _write(journal, out, len(model.scheme))
        journal.path.unlink()
        return counts


def _settings(
    model: Model,
    images: Sequence[str],
    detector: str,
    min_score: float | None,
    rotations: Sequence[int],
    weights: str | None,
) -> dict[str, Any]:
    """What the rows depend on."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(os.fsencode(image) + b"\0")
    spec, engine = model.spec, asdict(model.engine_info())
    del engine["threads"]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "model": spec.name,
        "variant": spec.variant,
        "decode": spec.decode,
        "flip_test": spec.flip_test,
        "weights": weights,
        **engine,
        "detector": model.detector(detector).name,
        "min_score": min_score,
        "rotations": list(rotations),
        "pictures": len(images),
        "inputs": digest.hexdigest(),
    }


def _done(journal: Journal, model: Model, images: Sequence[str], batch_size: int) -> int:
    """How many pictures of a broken run stay: whole batches, since a point's last digit may depend on its batch."""
    journal.check()
    whole = 0
    for whole, record in enumerate(journal.records(), 1):
        if whole > len(images) or not is_record(record, images[whole - 1], model.spec.name, model.spec.scheme):
            raise InvalidOptionError(f"{journal.path} is damaged in line {whole + 1}: start anew with --force")
    return journal.keep(len(images) if whole == len(images) else batch_size)


def _collect(batches: Batches, journal: Journal, done: int, progress: Progress) -> None:
    progress(done)
    with closing(batches):
        for batch in batches:
            journal.append(batch)
            done += len(batch)
            progress(done)


def _write(journal: Journal, out: Path, landmarks: int) -> Counts:
    """The file of rows from the records, under another name until it is whole."""
    counts = Counts()
    with whole_file(out) as partial, partial.open("xb") as file:
        write_table(out, file, _counted(journal.records(), counts), landmarks)
        file.flush()
        os.fsync(file.fileno())
    return counts


def _counted(records: Iterable[Record], counts: Counts) -> Iterator[Row]:
    for record in records:
        counts.add(record)
        yield from to_rows(record)
