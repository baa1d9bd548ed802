"""facelandmarks-predict with a folder, a pattern, a list, or --out: rows of many images, or drawings."""

import argparse
from typing import Any

from facelandmarks._files import is_many
from facelandmarks.bulk.run import Counts, draw_images, next_step, predict_to_file
from facelandmarks.bulk.tables import check_table, find_images
from facelandmarks.cli import common
from facelandmarks.errors import FaceLandmarksError
from facelandmarks.finding import Find


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
        return f"after {self._done} of {self._total} images"


def check_usage(args: argparse.Namespace) -> str | None:
    """Say what is wrong with the options taken together, or None."""
    if args.out is None and args.draw is None:
        many = next(image for image in args.images if is_many(image))
        files = "--out FILE (faces.jsonl, say, or .csv or .parquet)"
        return f"{many} may be many images: give {files} for their landmarks, --draw DIR/ for drawings, or both"
    if args.bbox or args.json or args.show:
        return "--bbox, --json and --show are for single images; the landmarks of many go to --out FILE"
    if args.draw is not None and not args.draw.folder:
        return f"--draw {args.draw.path} is one file for many images: give a folder, such as {args.draw.path.stem}/"
    parents = [path.parent for path in (args.out, args.draw and args.draw.path) if path is not None]
    missing = [parent for parent in parents if not parent.is_dir()]
    if missing:
        return f"no such folder: {missing[0]}"
    # Whether the table may be overwritten is said by `next_step`.
    return common.check_outputs([args.out], force=True, made=args.draw and args.draw.path) if args.out else None


def run(args: argparse.Namespace) -> int:
    """Predict many images."""
    common.refuse(check_usage(args))
    if args.out is not None:
        check_table(args.out, args.columns)
        step = next_step(args.out, resume=args.resume, overwrite=args.force)
        if step == "nothing" and args.draw is None:  # before images are looked for
            return say_finished(args)
    return predict(args, find_images(args.images))


def say_finished(args: argparse.Namespace) -> int:
    """Say that there is nothing left to do."""
    if not args.quiet:
        print(f"{args.out} is finished: nothing to resume")
    return common.DONE


def predict(args: argparse.Namespace, images: list[str]) -> int:
    """Load the model, write rows and drawings, and say how it went."""
    progress = Progress(len(images), args.quiet)
    again = "" if args.out is None else "; --resume continues from there"
    try:
        counts = write(args, images, progress)
    except KeyboardInterrupt:
        common.complain(f"interrupted {progress.close()}{again}")
        return common.INTERRUPTED
    except (FaceLandmarksError, BrokenPipeError):
        raise  # `run_command` knows their exit codes
    except OSError as error:  # the disk is full, or nothing may be written there
        common.complain(f"{error}; stopped {progress.close()}{again}")
        return common.NOTHING_DONE
    progress.close()
    if counts is None:
        return say_finished(args)
    for reason in counts.errors:
        common.complain(reason)
    if counts.failed > len(counts.errors):
        where = "" if args.out is None else ": the rows with status failed say why"
        common.complain(f"and {counts.failed - len(counts.errors)} more{where}")
    if not args.quiet:
        found = f"{common.counted(counts.faces, 'face')}, {counts.without} without a face, {counts.failed} failed"
        written = ", ".join(str(path) for path in (args.out, args.draw and args.draw.path) if path is not None)
        print(f"{common.counted(counts.images, 'image')}: {found} -> {written}")
    return common.exit_code(counts.failed, counts.images)


def write(args: argparse.Namespace, images: list[str], progress: Progress) -> Counts | None:
    """Write rows, drawings or both; None if another run has done it meanwhile."""
    find = Find(**common.chosen(args, *common.FINDING))
    options: dict[str, Any] = {**common.chosen(args, "batch_size", "workers"), "overwrite": args.force}
    options |= {"find": find, "progress": progress}
    if args.draw is not None:
        options["style"] = common.chosen_style(args)
    model = common.load_chosen_model(args)
    if args.out is None:
        return draw_images(model, images, args.draw.path, **options)
    folder = args.draw and args.draw.path
    options |= {"draw": folder, "columns": args.columns, "resume": args.resume}
    return predict_to_file(model, images, args.out, **options)
