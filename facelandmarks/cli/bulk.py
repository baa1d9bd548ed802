"""facelandmarks-predict with a folder, a pattern, a list, or --out: rows of many images in one file."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facelandmarks.bulk.inputs import find_images, is_many
from facelandmarks.bulk.run import next_step, predict_to_file
from facelandmarks.bulk.tables import check_table
from facelandmarks.cli import common
from facelandmarks.errors import FaceLandmarksError


class Progress:
    """A bar on stderr with rate and remaining time; it starts with the first number of images that it is told."""

    def __init__(self, total: int, quiet: bool) -> None:
        self._total, self._quiet, self._done = total, quiet, 0
        self._bar: Any = None

    def __call__(self, done: int) -> None:
        """Show how many images are done."""
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=self._total, initial=done, unit=" images", disable=self._quiet)
        self._bar.update(done - self._bar.n)
        self._done = done

    def close(self) -> str:
        """Close the bar; say how far the run came."""
        if self._bar is None:
            return "before the first image"
        self._bar.close()
        return f"after {self._done} of {self._total} images; --resume continues from there"


def check_usage(args: argparse.Namespace) -> str | None:
    """Say what is wrong with the options taken together, or None."""
    if args.out is None:
        many = next(image for image in args.images if is_many(image))
        return f"{many} may be many images, which need --out FILE: --out faces.jsonl, say, or .csv or .parquet"
    if args.bbox or args.json or args.draw:
        return "--out goes without --bbox, --json and --draw: those are for images by name"
    return None if args.out.parent.is_dir() else f"no such folder: {args.out.parent}"


def run(args: argparse.Namespace) -> int:
    """Predict many images."""
    common.refuse(check_usage(args))
    check_table(args.out)
    if next_step(args.out, resume=args.resume, overwrite=args.force) == "nothing":
        if not args.quiet:
            print(f"{args.out} is finished: nothing to resume")
        return common.DONE
    with terminated_as_interrupted():
        return predict(args, find_images(args.images))


def predict(args: argparse.Namespace, images: list[str]) -> int:
    """Load the model, and write the rows."""
    progress = Progress(len(images), args.quiet)
    try:
        model = common.load_chosen_model(args)
        options = common.chosen(args, "detector", "min_score", "rotations", "batch_size", "workers", "resume")
        counts = predict_to_file(model, images, args.out, overwrite=args.force, progress=progress, **options)
    except KeyboardInterrupt:
        common.complain(f"interrupted {progress.close()}")
        return common.INTERRUPTED
    except (FaceLandmarksError, BrokenPipeError):
        raise  # `run_command` knows their exit codes
    except OSError as error:  # the disk is full, or nothing may be written there
        common.complain(f"{error}; stopped {progress.close()}")
        return common.NOTHING_DONE
    progress.close()
    if counts is None:  # another run has finished it meanwhile
        return common.DONE
    for reason in counts.errors:
        common.complain(reason)
    if counts.failed > len(counts.errors):
        common.complain(f"and {counts.failed - len(counts.errors)} more: the rows with status failed say why")
    if not args.quiet:
        found = f"{common.counted(counts.faces, 'face')}, {counts.without} without a face, {counts.failed} failed"
        print(f"{common.counted(counts.images, 'image')}: {found} -> {args.out}")
    return common.exit_code(counts.failed, counts.images)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, as job schedulers send it, end the work as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
