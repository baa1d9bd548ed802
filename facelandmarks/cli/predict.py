"""facelandmarks-predict: landmarks of the faces in images and videos."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import facelandmarks.errors as errors
from facelandmarks._files import VIDEO_SUFFIXES, distinct, is_many, write_file
from facelandmarks.cli import common
from facelandmarks.cli.common import STDOUT
from facelandmarks.detection import DETECTORS
from facelandmarks.zoo import DEFAULT_MODEL, MODELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facelandmarks.model import Model
    from facelandmarks.results import Landmarks

UPRIGHT = (0,)  # as in `finding`, which needs NumPy: too slow an import for --help
SCHEMA = "facelandmarks-predictions/2"
EPILOG = """\
Images by name: without --json, --draw and --show, NAME_landmarks.png and NAME_landmarks.json are written to the
current folder. A folder, a pattern or a list: --out writes one row per face into one file, --draw a drawing of each
image (docs/bulk.md).
Without images, --scheme prints the numbering of a point scheme (wflw98, ibug68, FILE.json), and draws it with --draw.
Videos: without --out, --draw and --show, NAME_landmarks.mp4 and NAME_landmarks.jsonl are written (docs/video.md).
Exit codes: 0 done (no face found is done), 1 some images failed, 2 wrong usage, 3 weights or network,
4 nothing could be done, 130 interrupted, 141 nobody read the output.
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
    except errors.InvalidOptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_rotations(text: str) -> tuple[int, ...]:
    """Parse degrees with commas between them."""
    from facelandmarks.finding import check_rotations

    try:
        rotations = tuple(int(part) for part in text.split(","))
        check_rotations(rotations)
    except ValueError as error:  # InvalidOptionError is one, too
        raise argparse.ArgumentTypeError(f"expected some of 0,90,180,270, got {text!r}") from error
    return rotations


def parse_color(text: str) -> str:
    """Parse a colour: a name, #rrggbb, or R,G,B."""
    from facelandmarks.draw import parse_color as parse

    text = f"rgb({text})" if "," in text and "(" not in text else text
    try:
        parse(text)
    except errors.InvalidOptionError as error:
        raise argparse.ArgumentTypeError(f"expected a color such as red, #ff3c3c or 255,60,60, got {text!r}") from error
    return text


parse_score = partial(common.parse_number, least=0, most=1, meaning="a number from 0 to 1")
parse_side = partial(common.parse_number, least=sys.float_info.min, most=sys.float_info.max, meaning="a number above 0")
parse_size = partial(common.parse_number, least=0.1, most=1000, meaning="a radius of 0.1 to 1000 pixels")
parse_seconds = partial(common.parse_number, least=0, most=sys.float_info.max, meaning="a number of seconds")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    what = "Find the faces in images or in a video, and the landmarks of each face."
    usage = "%(prog)s IMAGE... [options]      (all options: --help)"
    parser = common.new_parser("facelandmarks-predict", what, EPILOG, usage)
    inputs = (
        "image files, folders, patterns such as 'photos/**/*.jpg', or lists of paths in files *.txt; or one "
        "video file, or the number of a camera"
    )
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help=inputs)
    add = parser.add_argument_group("results").add_argument
    add("--json", type=Path, metavar="FILE", help="write all results to one JSON file; - is stdout")
    draw = "draw the landmarks, as the suffix of FILE says (.png, .jpg, ...); into a folder, DIR/, for several images"
    add("--draw", type=common.parse_drawing, metavar="FILE|DIR/", help=draw)
    out = "write one row per face to a .parquet, .jsonl or .csv file; for a video, one line per frame to a .jsonl file"
    add("--out", type=Path, metavar="FILE", help=out)
    columns = "openface: CSV with the columns of OpenFace, of images or a video (default: all)"
    add("--columns", choices=("all", "openface"), default="all", help=columns)
    add("--force", action="store_true", help="overwrite files that exist")
    add("--quiet", action="store_true", help="print errors only")
    add = parser.add_argument_group("faces").add_argument
    box = (
        "box of a face in pixels, instead of detection: --bbox 120,80,310,290, or --bbox=-12,20,200,220; may be "
        "repeated; one image only"
    )
    add("--bbox", action="append", type=parse_box, metavar="X1,Y1,X2,Y2", help=box)
    convention = (
        "kind of --bbox: tight, yunet, retinaface, mediapipe, dlib, ... (docs/coordinates.md; default: the model's own)"
    )
    add("--box-convention", type=parse_convention, metavar="NAME", help=convention)
    turns = (
        "clockwise rotations to try, of which the best is kept: 0,90,180,270 for images that may lie on their "
        "side; each costs as much as one image (default: 0)"
    )
    add("--rotations", type=parse_rotations, default=UPRIGHT, metavar="DEGREES", help=turns)
    add("--detector", choices=DETECTORS, default="auto", help="detector that finds the faces (default: %(default)s)")
    add("--min-score", type=parse_score, metavar="S", help="leave out faces found with a lower score (0 to 1)")
    smallest = "leave out faces with a smaller longer side, in pixels, or below 1 a share of the image's: saves time"
    add("--min-face", type=parse_side, metavar="PX|SHARE", help=smallest)
    add("--max-faces", type=common.parse_count, metavar="N", help="keep the N faces with the best scores of each image")
    add("--largest", action="store_true", help="keep the largest face of each image, or the --max-faces largest")
    doubted = "keep faces whose landmarks do not look like a face's, too (docs/limits.md)"
    add("--no-confirm", dest="confirm", action="store_false", help=doubted)
    group = parser.add_argument_group("model")
    model = "name of a model, or a folder, hf:// repository or record (*.json) of your own (default: %(default)s)"
    group.add_argument("--model", default=DEFAULT_MODEL, help=model)
    common.add_weights_options(group)
    common.add_engine_options(group)
    add = parser.add_argument_group("drawings (with --draw or --show)").add_argument
    add("--show", action="store_true", help="show images, a video or a camera in a window; q or Esc ends it")
    color = "color of the contours: a name, #rrggbb or R,G,B (default: light blue)"
    add("--color", type=parse_color, metavar="COLOR", help=color)
    size = "radius of the points in pixels (default: fits each face)"
    add("--point-size", type=parse_size, metavar="PX", help=size)
    add("--indices", action="store_true", help="write the number of each point beside it")
    add("--no-boxes", action="store_true", help="draw no boxes")
    add("--no-contours", action="store_true", help="draw points only")
    number = common.parse_count
    add = parser.add_argument_group("many images (with --out)").add_argument
    add("--resume", action="store_true", help="continue a run that was interrupted")
    add("--batch-size", type=number, default=32, metavar="N", help="images per batch (default: %(default)s)")
    readers = "threads that read images (default: one per core, at most 16)"
    add("--workers", type=common.parse_threads, metavar="N", help=readers)
    add = parser.add_argument_group("videos (CLIP.mp4, or 0 for the first camera)").add_argument
    add("--detect-every", type=number, default=5, metavar="N", help="detect every N frames (default: %(default)s)")
    lost = "seconds for which a covered or absent face keeps its number (default: %(default)s)"
    add("--keep-lost", type=parse_seconds, default=3.0, metavar="S", help=lost)
    add("--no-smoothing", action="store_true", help="do not smooth the points")
    add("--frames", type=number, metavar="N", help="stop after N frames")
    return parser


def check_usage(args: argparse.Namespace) -> str | None:
    """Say what is wrong with the options taken together, whatever the inputs are, or None."""
    if not args.images and args.scheme is None:
        return "give images, or --scheme NAME"
    if args.resume and args.out is None:
        return "--resume goes with --out"
    if args.columns != "all" and args.out is None:
        return "--columns goes with --out FILE.csv"
    if args.box_convention is not None and not args.bbox:
        return "--box-convention describes --bbox; detected faces have the boxes of their detector"
    if (address := common.find_address(args.images)) is not None:
        return address
    if args.images and args.scheme is not None and args.weights is None and args.model in MODELS:
        return "--scheme names the points of --weights; without images, it prints the numbering of a scheme"
    if not args.images and (args.bbox or args.json or args.out):
        return "--scheme without images goes with --draw, --force and --quiet only"
    return None


def is_camera(path: Path) -> bool:
    """Tell whether an argument is the number of a camera, and not a file."""
    return str(path).isdecimal() and not path.exists()


def module_for(args: argparse.Namespace) -> str:
    """Tell inputs apart: name the module of this package whose `run(args)` handles them."""
    if not args.images:
        return "schemes"
    if any(image.suffix.lower() in VIDEO_SUFFIXES or is_camera(image) for image in args.images):
        return "video"
    return "bulk" if args.out is not None or any(map(is_many, args.images)) else "predict"


@dataclass(frozen=True)
class Targets:
    """Where the results of one image go; None is nowhere."""

    image: Path
    drawing: Path | None
    json: Path | None


def plan_targets(
    images: Sequence[Path], json_file: Path | None, draw: common.Drawing | None, show: bool = False
) -> list[Targets]:
    """Decide where everything goes, before anything is read."""
    if draw is None and (show or json_file is not None):
        return [Targets(image, None, None) for image in images]
    if draw is not None and not draw.folder:
        return [Targets(image, draw.path, None) for image in images]
    stems = distinct([f"{image.stem}_landmarks" for image in images])
    if draw is None:
        return [Targets(i, Path(f"{s}.png"), Path(f"{s}.json")) for i, s in zip(images, stems, strict=True)]
    return [Targets(image, draw.path / f"{stem}.png", None) for image, stem in zip(images, stems, strict=True)]


def check_targets(args: argparse.Namespace, targets: Sequence[Targets]) -> str | None:
    """Say what is wrong with the options taken together, or None."""
    if args.bbox and len(args.images) > 1:
        return f"--bbox goes with one image, got {len(args.images)}"
    if args.draw and (problem := common.check_drawing(args.draw)):
        return problem
    if args.draw and len(args.images) > 1 and not args.draw.folder:
        path = args.draw.path
        return f"--draw {path} is one file for {len(args.images)} images: give a folder, such as {path.stem}/"
    outputs = [t.drawing for t in targets] + [t.json for t in targets] + [args.json]
    files = [path for path in outputs if path is not None]
    made = args.draw.path if args.draw and args.draw.folder else None
    return common.check_outputs(files, args.force, made, args.images)


def describe(faces: "Landmarks", image: Path) -> str:
    """Return one line for people."""
    if not len(faces):
        return f"{image}: no face found"
    boxes = ["({:.0f}, {:.0f})-({:.0f}, {:.0f})".format(*box) for box in faces.boxes[:4]]
    shown = ", ".join(boxes) + (", ..." if len(faces) > 4 else "")
    return f"{image}: {common.counted(len(faces), 'face')}, {faces.points.shape[1]} landmarks each, at {shown}"


def to_json(records: Sequence[dict[str, Any]]) -> bytes:
    """Return the content of the JSON file."""
    return (json.dumps({"schema": SCHEMA, "images": list(records)}, indent=1, allow_nan=False) + "\n").encode()


def predict_one(
    model: "Model", args: argparse.Namespace, target: Targets, pixels: "NDArray[np.uint8]"
) -> dict[str, Any]:
    """Predict, print and write one image."""
    from facelandmarks.results import image_record

    options = common.chosen(args, "box_convention", *common.FINDING)
    faces = model.predict(pixels, args.bbox, **options)
    record = image_record(target.image, model.spec.name, faces, None)
    if target.drawing:
        target.drawing.parent.mkdir(parents=True, exist_ok=True)  # there already, if it is not the folder of --draw
        faces.save(target.drawing, pixels, common.chosen_style(args))
    if target.json:
        write_file(target.json, to_json([record]))
    if not args.quiet:
        written = [str(path) for path in (target.drawing, target.json, args.json) if path not in (None, STDOUT)]
        arrow = f" -> {', '.join(written)}" if written else ""
        print(describe(faces, target.image) + arrow, file=sys.stderr if args.json == STDOUT else sys.stdout)
    if args.show:
        faces.show(pixels, common.chosen_style(args))
    return record


def failed(args: argparse.Namespace, image: Path, error: Exception) -> dict[str, Any]:
    """Say on stderr what is wrong with an image; return its record."""
    from facelandmarks.results import image_record

    reason = str(error).strip() or "not enough memory for this image"  # of a MemoryError; OpenCV's end in a new line
    common.complain(reason if str(image) in reason else f"{image}: {reason}")
    return image_record(image, args.model, None, reason)


def run(args: argparse.Namespace) -> int:
    """Predict image by image; return the exit code. The model is loaded when there is an image for it."""
    from facelandmarks._opencv import cv2
    from facelandmarks.boxes import check_boxes
    from facelandmarks.images import load_image

    of_image = (errors.InvalidImageError, errors.MissingDependencyError, OSError, MemoryError, cv2.error)
    targets = plan_targets(args.images, args.json, args.draw, args.show)
    common.refuse(check_targets(args, targets))
    if args.show:
        common.check_screen()
    model, records = None, []
    for target in targets:
        try:
            pixels = load_image(target.image)
        except of_image as error:
            records.append(failed(args, target.image, error))
            continue
        if model is None:
            check_boxes(args.bbox or (), pixels.shape[1], pixels.shape[0])  # before a model is fetched
            model = common.load_chosen_model(args)
        try:
            records.append(predict_one(model, args, target, pixels))
        except (errors.InvalidBoxError, errors.DownloadError, BrokenPipeError):
            raise  # not this image's fault
        except of_image as error:
            records.append(failed(args, target.image, error))
    for record in records:
        record["model"] = model.spec.name if model else args.model  # those that failed before it was loaded, too
    failures = sum(record["error"] is not None for record in records)
    if args.json and failures < len(records):
        if args.json == STDOUT:
            sys.stdout.buffer.write(to_json(records))
        else:
            write_file(args.json, to_json(records))
    return common.exit_code(failures, len(records))


def start(words: Sequence[str]) -> int:
    """Parse the words of a command line, and run what they ask for."""
    parser = build_parser()
    args = parser.parse_args(words)
    if problem := check_usage(args):
        parser.error(problem)
    module = module_for(args)
    return run(args) if module == "predict" else int(import_module(f"facelandmarks.cli.{module}").run(args))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return common.run_command(start, argv)


if __name__ == "__main__":
    sys.exit(main())
