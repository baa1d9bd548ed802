"""The options of facelandmarks-predict."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from facelandmarks.cli import predict_video
from facelandmarks.cli.common import parse_count
from facelandmarks.detection import DETECTORS
from facelandmarks.engines.choose import DTYPES, ENGINES
from facelandmarks.errors import InvalidOptionError
from facelandmarks.zoo import DEFAULT_MODEL

EPILOG = """\
Pictures by name: with neither --json nor --draw, NAME_landmarks.png and NAME_landmarks.json are written to the current
folder. With --out, or for a folder, a pattern or a list: one row a face in one file (docs/bulk.md).
Videos: with neither --out nor --draw, NAME_landmarks.mp4 and NAME_landmarks.jsonl (docs/video.md).
Exit codes: 0 done (no face found is done), 1 some pictures failed, 2 wrong usage, 3 weights or network,
4 nothing could be done, 130 interrupted.
"""


def parse_box(text: str) -> tuple[float, ...]:
    """x1,y1,x2,y2 as four numbers."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected four numbers x1,y1,x2,y2, got {text!r}")
    return values


def parse_convention(text: str) -> str:
    """The name of a box convention."""
    from facelandmarks.boxes import get_convention  # here: NumPy is not loaded for --help

    try:
        return get_convention(text).name
    except InvalidOptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_rotations(text: str) -> tuple[int, ...]:
    """Degrees, with commas between."""
    from facelandmarks.rotations import check_rotations

    try:
        rotations = tuple(int(part) for part in text.split(","))
        check_rotations(rotations)
    except ValueError as error:  # InvalidOptionError is one, too
        raise argparse.ArgumentTypeError(f"expected some of 0,90,180,270, got {text!r}") from error
    return rotations


def parse_score(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="facelandmarks-predict",
        usage="%(prog)s IMAGE... [options]      (all options: --help)",
        description="Find the faces of pictures or of a video, and the landmarks of each face.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "images",
        nargs="*",
        type=Path,
        metavar="IMAGE",
        help="pictures: files, folders, patterns such as 'photos/**/*.jpg', or lists of paths in files *.txt; or one "
        "video file, or the number of a camera",
    )
    _add_results(parser)
    _add_faces(parser)
    _add_model(parser)
    _add_many(parser)
    predict_video.add_arguments(parser)
    return parser


def _add_results(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("results")
    group.add_argument("--json", type=Path, metavar="FILE", help="write all results to one JSON file; - is stdout")
    group.add_argument(
        "--draw",
        type=Path,
        metavar="FILE|DIR",
        help="draw the landmarks on the picture or the video; a folder for several pictures",
    )
    group.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write one row a face to a .parquet, .jsonl or .csv file; of a video, one line a frame to a .jsonl file",
    )
    group.add_argument("--force", action="store_true", help="overwrite files that exist")
    group.add_argument("--quiet", action="store_true", help="print errors only")
    group.add_argument(
        "--scheme",
        metavar="NAME",
        help="no pictures: print the numbering of a point scheme (wflw98, ibug68, ...), and draw it with --draw",
    )


def _add_faces(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faces")
    group.add_argument(
        "--bbox",
        action="append",
        type=parse_box,
        metavar="X1,Y1,X2,Y2",
        help="box of a face in pixels, in place of detection; may be repeated; one picture only",
    )
    group.add_argument(
        "--box-convention",
        type=parse_convention,
        metavar="NAME",
        help="whose boxes --bbox gives: tight, yunet, retinaface, mediapipe, dlib, ... (docs/coordinates.md); without "
        "it they are taken as the model's own",
    )
    group.add_argument(
        "--rotations",
        type=parse_rotations,
        default=predict_video.UPRIGHT,
        metavar="DEGREES",
        help="turns of a picture to try, clockwise, the best is kept: 0,90,180,270 for pictures that may lie on their "
        "side; each costs as much as a picture (default: 0)",
    )
    group.add_argument("--detector", choices=DETECTORS, default="auto", help="finds the faces (default: %(default)s)")
    group.add_argument(
        "--min-score", type=parse_score, metavar="S", help="leave out faces found with a lower score (0 to 1)"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", default=DEFAULT_MODEL, help="name of a model (default: %(default)s)")
    group.add_argument(
        "--weights", type=Path, metavar="FILE", help="a checkpoint of the model, in place of the published file"
    )
    group.add_argument("--offline", action="store_true", default=None, help="do not use the network")
    group.add_argument(
        "--allow-unverified", action="store_true", help="take a file of weights that has no published digest"
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    group.add_argument("--engine", choices=ENGINES, default="auto", help="what runs the network (default: %(default)s)")
    group.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="number type of the network (default: %(default)s)"
    )
    group.add_argument("--threads", type=parse_count, metavar="N", help="CPU threads (default: the engine's choice)")


def _add_many(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many pictures (with --out)")
    group.add_argument("--resume", action="store_true", help="go on with a run that was broken off")
    group.add_argument(
        "--batch-size", type=parse_count, default=32, metavar="N", help="pictures a batch (default: %(default)s)"
    )
    group.add_argument(
        "--workers", type=parse_count, metavar="N", help="threads that read pictures (default: one a core, 16 at most)"
    )


def check_words(args: argparse.Namespace) -> str | None:
    """What is wrong with the words taken together, whatever the inputs are, or None."""
    if not args.images and args.scheme is None:
        return "give pictures, or --scheme NAME"
    if args.resume and args.out is None:
        return "--resume goes with --out"
    if args.box_convention is not None and not args.bbox:
        return "--box-convention says what --bbox holds: faces that are found have the boxes of their detector"
    if args.scheme is not None and (args.images or args.bbox or args.json or args.out):
        return "--scheme goes with --draw, --force and --quiet: there is no picture to find faces in"
    return None


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The words of the command; wrong ones end it with exit code 2."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if problem := check_words(args):
        parser.error(problem)
    return args
