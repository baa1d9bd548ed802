"""facelandmarks-predict with a folder, a pattern, a list, or --out: rows of many pictures in one file."""

import argparse
import hashlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facelandmarks.cli.common import (
    DONE,
    INTERRUPTED,
    NOTHING_DONE,
    SOME_FAILED,
    USAGE,
    complain,
    load_chosen_model,
)
from facelandmarks.errors import FaceLandmarksError


class Progress:
    """A bar on stderr with rate and remaining time; it starts with the first number of pictures that it is told."""

    def __init__(self, total: int, quiet: bool) -> None:
        self._total, self._quiet, self._done = total, quiet, 0
        self._bar: Any = None

    def __call__(self, done: int) -> None:
        """So many pictures are done by now."""
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=self._total, initial=done, unit=" pictures", disable=self._quiet)
        self._bar.update(done - self._bar.n)
        self._done = done

    def close(self) -> str:
        """How far it came."""
        if self._bar is None:
            return "before the first picture"
        self._bar.close()
        return f"after {self._done} of {self._total} pictures; --resume goes on from there"


def check_usage(args: argparse.Namespace) -> str | None:
    """What is wrong with the options taken together, or None."""
    from facelandmarks.bulk.inputs import is_many

    if args.out is None:
        many = next(image for image in args.images if is_many(image))
        return f"{many} may be many pictures, which need --out FILE: --out faces.jsonl, say, or .csv or .parquet"
    if args.bbox or args.json or args.draw:
        return "--out goes without --bbox, --json and --draw: those are for pictures by name"
    return None if args.out.parent.is_dir() else f"no such folder: {args.out.parent}"


def run(args: argparse.Namespace) -> int:
    """Predict many pictures."""
    problem = check_usage(args)
    if problem:
        complain(problem)
        return USAGE
    from facelandmarks.bulk.inputs import find_pictures
    from facelandmarks.bulk.run import next_step
    from facelandmarks.bulk.tables import check_table

    check_table(args.out)
    if next_step(args.out, resume=args.resume, overwrite=args.force) == "nothing":
        tell(args, f"{args.out} is finished: nothing to resume")
        return DONE
    with terminated_as_interrupted():
        return predict(args, find_pictures(args.images))


def predict(args: argparse.Namespace, images: list[str]) -> int:
    """Load the model, and write the rows."""
    from facelandmarks.bulk.run import predict_to_file

    progress = Progress(len(images), args.quiet)
    try:
        counts = predict_to_file(
            load_chosen_model(args),
            images,
            args.out,
            detector=args.detector,
            min_score=args.min_score,
            rotations=args.rotations,
            batch_size=args.batch_size,
            workers=args.workers,
            resume=args.resume,
            overwrite=args.force,
            weights=digest_of(args.weights),
            progress=progress,
        )
    except KeyboardInterrupt:
        complain(f"interrupted {progress.close()}")
        return INTERRUPTED
    except FaceLandmarksError:
        raise  # `run_command` knows what it means; some are an OSError, too
    except OSError as error:  # the disk is full, or nothing may be written there
        complain(f"{error}; stopped {progress.close()}")
        return NOTHING_DONE
    progress.close()
    if counts is None:  # another run has finished it meanwhile
        return DONE
    for reason in counts.errors:
        complain(reason)
    if counts.failed > len(counts.errors):
        complain(f"and {counts.failed - len(counts.errors)} more: the rows with status failed say why")
    found = f"{counted(counts.faces, 'face')}, {counts.without} without a face, {counts.failed} failed"
    tell(args, f"{counted(counts.pictures, 'picture')}: {found} -> {args.out}")
    return DONE if not counts.failed else SOME_FAILED if counts.failed < counts.pictures else NOTHING_DONE


def counted(number: int, name: str) -> str:
    """A number and what it counts."""
    return f"{number} {name}{'s' * (number != 1)}"


def tell(args: argparse.Namespace, message: str) -> None:
    """One line for people."""
    if not args.quiet:
        print(message)


def digest_of(weights: Path | None) -> str | None:
    """SHA-256 of a file of weights, if one is given and there."""
    if weights is None or not weights.is_file():
        return None  # `load_model` says what is wrong
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, as job schedulers send it, ends the work as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
