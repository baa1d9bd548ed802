"""facelandmarks-predict: landmarks of the faces of pictures and videos."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from facelandmarks.cli import predict_video
from facelandmarks.cli.common import run_command
from facelandmarks.detection import DETECTORS
from facelandmarks.engines.choose import DTYPES, ENGINES
from facelandmarks.zoo import DEFAULT_MODEL

EPILOG = """\
Pictures by name: with neither --json nor --draw, NAME_landmarks.png and NAME_landmarks.json are written to the current
folder. With --out, or for a folder, a pattern or a list: one row a face in one file (docs/bulk.md).
Videos: with neither --out nor --draw, NAME_landmarks.mp4 and NAME_landmarks.jsonl (docs/video.md).
Exit codes: 0 done (no face found is done), 1 some pictures failed, 2 wrong usage, 3 weights or network,
4 nothing could be done, 130 interrupted.
"""
# What each kind of input is done by: a module of this package with `run(args) -> exit code`.
RUNNERS = {"scheme": "schemes", "pictures": "predict_pictures", "many": "predict_bulk", "video": "predict_video"}


def kind_of(args: argparse.Namespace) -> str:
    """Tell inputs apart: which of `RUNNERS` they are for. There is no other place that does."""
    if args.scheme is not None:
        return "scheme"
    if any(predict_video.is_video(image) for image in args.images):
        return "video"
    from facelandmarks.bulk.inputs import is_many

    if args.out is not None or any(is_many(image) for image in args.images):
        return "many"
    return "pictures"


def run(args: argparse.Namespace) -> int:
    """The command."""
    code: int = import_module(f"facelandmarks.cli.{RUNNERS[kind_of(args)]}").run(args)
    return code


def parse_box(text: str) -> tuple[float, ...]:
    """x1,y1,x2,y2 as four numbers."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected four numbers x1,y1,x2,y2, got {text!r}")
    return values


def parse_count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


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
        description="Find the faces of pictures or of a video, and the landmarks of each face.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "images",
        nargs="*",
        type=Path,
        metavar="IMAGE",
        help="picture file; or a folder, a pattern such as 'photos/**/*.jpg', or a list of paths in a file *.txt; or a "
        "video file, or the number of a camera",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a model (default: %(default)s)")
    parser.add_argument(
        "--bbox",
        action="append",
        type=parse_box,
        metavar="X1,Y1,X2,Y2",
        help="box of a face in pixels, in place of detection; may be repeated; one picture only",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to one JSON file; - is stdout")
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="FILE|DIR",
        help="draw the landmarks on the picture; a folder for several",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write one row a face to a .parquet, .jsonl or .csv file; of a video, one line a frame to a .jsonl file",
    )
    parser.add_argument("--resume", action="store_true", help="with --out: go on with a run that was broken off")
    parser.add_argument(
        "--batch-size", type=parse_count, default=32, metavar="N", help="with --out: pictures a batch (%(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=parse_count,
        metavar="N",
        help="with --out: threads that read pictures (one a core, 16 at most)",
    )
    parser.add_argument(
        "--scheme",
        metavar="NAME",
        help="no pictures: print the numbering of a point scheme (wflw98, ibug68, ...), and draw it with --draw",
    )
    parser.add_argument("--detector", choices=DETECTORS, default="auto", help="finds the faces (default: %(default)s)")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="a checkpoint of the model, in place of the published file"
    )
    parser.add_argument("--offline", action="store_true", default=None, help="do not use the network")
    parser.add_argument(
        "--allow-unverified", action="store_true", help="take a file of weights that has no published digest"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", help="what runs the network (default: %(default)s)"
    )
    parser.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="number type of the network (default: %(default)s)"
    )
    parser.add_argument(
        "--min-score", type=parse_score, metavar="S", help="leave out faces found with a lower score (0 to 1)"
    )
    parser.add_argument("--threads", type=parse_count, metavar="N", help="CPU threads")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    predict_video.add_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if not args.images and args.scheme is None:
        parser.error("give pictures, or --scheme NAME")
    if args.resume and args.out is None:
        parser.error("--resume goes with --out")
    if args.scheme is not None and (args.images or args.bbox or args.json or args.out):
        parser.error("--scheme goes with --draw, --force and --quiet: there is no picture to find faces in")
    return run_command(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
