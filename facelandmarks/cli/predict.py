"""facelandmarks-predict: landmarks of the faces in images and videos."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from facelandmarks.cli.common import (
    add_engine_options,
    add_weights_options,
    parse_count,
    parse_number,
    run_command,
)
from facelandmarks.detection import DETECTORS
from facelandmarks.errors import InvalidOptionError
from facelandmarks.zoo import DEFAULT_MODEL

UPRIGHT = (0,)  # as in `rotations`, which needs NumPy: too slow an import for --help
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".ogv")
EPILOG = """\
Images by name: without --json and --draw, NAME_landmarks.png and NAME_landmarks.json are written to the current
folder. With --out, or for a folder, a pattern or a list: one row a face in one file (docs/bulk.md).
Videos: without --out and --draw, NAME_landmarks.mp4 and NAME_landmarks.jsonl (docs/video.md).
Exit codes: 0 done (no face found is done), 1 some images failed, 2 wrong usage, 3 weights or network,
4 nothing could be done, 130 interrupted.
"""


def parse_box(text: str) -> tuple[float, ...]:
    """Parse x1,y1,x2,y2."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected four numbers x1,y1,x2,y2, got {text!r}")
    return values


def parse_convention(text: str) -> str:
    """Parse the name of a box convention."""
    from facelandmarks.boxes import get_convention  # here: NumPy is not loaded for --help

    try:
        return get_convention(text).name
    except InvalidOptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_rotations(text: str) -> tuple[int, ...]:
    """Parse degrees with commas between them."""
    from facelandmarks.rotations import check_rotations

    try:
        rotations = tuple(int(part) for part in text.split(","))
        check_rotations(rotations)
    except ValueError as error:  # InvalidOptionError is one, too
        raise argparse.ArgumentTypeError(f"expected some of 0,90,180,270, got {text!r}") from error
    return rotations


def parse_score(text: str) -> float:
    """Parse a number from 0 to 1."""
    return parse_number(text, 0, 1, "a number from 0 to 1")


def parse_seconds(text: str) -> float:
    """Parse a number of seconds."""
    return parse_number(text, 0, sys.float_info.max, "a number of seconds")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="facelandmarks-predict",
        usage="%(prog)s IMAGE... [options]      (all options: --help)",
        description="Find the faces in images or in a video, and the landmarks of each face.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "images",
        nargs="*",
        type=Path,
        metavar="IMAGE",
        help="image files, folders, patterns such as 'photos/**/*.jpg', or lists of paths in files *.txt; or one "
        "video file, or the number of a camera",
    )
    group = parser.add_argument_group("results")
    add = group.add_argument
    add("--json", type=Path, metavar="FILE", help="write all results to one JSON file; - is stdout")
    add("--draw", type=Path, metavar="FILE|DIR", help="draw the landmarks; a folder for several images")
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="write one row a face to a .parquet, .jsonl or .csv file; of a video, one line a frame to a .jsonl file",
    )
    add("--force", action="store_true", help="overwrite files that exist")
    add("--quiet", action="store_true", help="print errors only")
    add(
        "--scheme",
        metavar="NAME",
        help="print the numbering of a point scheme (wflw98, ibug68, ...), and draw it with --draw; takes no images",
    )
    group = parser.add_argument_group("faces")
    add = group.add_argument
    add(
        "--bbox",
        action="append",
        type=parse_box,
        metavar="X1,Y1,X2,Y2",
        help="box of a face in pixels, in place of detection; may be repeated; one image only",
    )
    add(
        "--box-convention",
        type=parse_convention,
        metavar="NAME",
        help="what --bbox holds: tight, yunet, retinaface, mediapipe, dlib, ... (docs/coordinates.md); without it, "
        "boxes are taken as the model's own",
    )
    add(
        "--rotations",
        type=parse_rotations,
        default=UPRIGHT,
        metavar="DEGREES",
        help="clockwise turns of an image to try, the best is kept: 0,90,180,270 for images that may lie on their "
        "side; each costs as much as one image (default: 0)",
    )
    add("--detector", choices=DETECTORS, default="auto", help="finds the faces (default: %(default)s)")
    add("--min-score", type=parse_score, metavar="S", help="leave out faces found with a lower score (0 to 1)")
    group = parser.add_argument_group("model")
    group.add_argument("--model", default=DEFAULT_MODEL, help="name of a model (default: %(default)s)")
    add_weights_options(group)
    add_engine_options(group)
    group = parser.add_argument_group("many images (with --out)")
    add = group.add_argument
    add("--resume", action="store_true", help="continue a run that was interrupted")
    add("--batch-size", type=parse_count, default=32, metavar="N", help="images a batch (default: %(default)s)")
    add("--workers", type=parse_count, metavar="N", help="threads that read images (default: one a core, 16 at most)")
    group = parser.add_argument_group("videos (CLIP.mp4, or 0 for the first camera)")
    add = group.add_argument
    add("--detect-every", type=parse_count, default=5, metavar="N", help="detect every N frames (default: %(default)s)")
    add(
        "--keep-lost",
        type=parse_seconds,
        default=3.0,
        metavar="S",
        help="seconds for which a face that is covered or away keeps its number (default: %(default)s)",
    )
    add("--no-smoothing", action="store_true", help="points as the model finds them")
    add("--frames", type=parse_count, metavar="N", help="stop after N frames")
    return parser


def check_usage(args: argparse.Namespace) -> str | None:
    """Say what is wrong with the options taken together, whatever the inputs are, or None."""
    if not args.images and args.scheme is None:
        return "give images, or --scheme NAME"
    if args.resume and args.out is None:
        return "--resume goes with --out"
    if args.box_convention is not None and not args.bbox:
        return "--box-convention says what --bbox holds: detected faces have the boxes of their detector"
    if args.scheme is not None and (args.images or args.bbox or args.json or args.out):
        return "--scheme goes with --draw, --force and --quiet only: it takes no images"
    return None


def is_camera(path: Path) -> bool:
    """Tell whether an argument is the number of a camera, and not a file."""
    return str(path).isdecimal() and not path.exists()


def module_for(args: argparse.Namespace) -> str:
    """Tell inputs apart: name the module of this package whose `run(args)` handles them."""
    if args.scheme is not None:
        return "schemes"
    if any(image.suffix.lower() in VIDEOS or is_camera(image) for image in args.images):
        return "predict_video"
    from facelandmarks.bulk.inputs import is_many

    return "bulk" if args.out is not None or any(is_many(image) for image in args.images) else "images"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if problem := check_usage(args):
        parser.error(problem)
    return run_command(lambda: import_module(f"facelandmarks.cli.{module_for(args)}").run(args))


if __name__ == "__main__":
    sys.exit(main())
