"""facelandmarks-predict: landmarks of the faces of pictures."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks.cli import predict_video
from facelandmarks.cli.common import (
    DONE,
    NOTHING_DONE,
    SOME_FAILED,
    USAGE,
    check_outputs,
    complain,
    encode_png,
    run_command,
)
from facelandmarks.detection import DETECTORS
from facelandmarks.errors import DownloadError, InvalidBoxError, InvalidImageError, MissingDependencyError
from facelandmarks.files import write_file
from facelandmarks.zoo import DEFAULT_MODEL

if TYPE_CHECKING:
    from facelandmarks.model import Model
    from facelandmarks.results import Landmarks

SCHEMA = "facelandmarks-predictions/1"
STDOUT = Path("-")
NOT_READ: dict[str, Any] = {"width": None, "height": None, "scheme": None, "detector": None, "faces": []}
EPILOG = """\
With neither --json nor --draw, NAME_landmarks.png and NAME_landmarks.json are written to the current folder.
Exit codes: 0 done (no face found is done), 1 some pictures failed, 2 wrong usage, 3 weights or network,
4 nothing could be done, 130 interrupted.
"""


@dataclass(frozen=True)
class Targets:
    """Where the results of one picture go; None is nowhere."""

    image: Path
    picture: Path | None
    json: Path | None


def parse_box(text: str) -> tuple[float, ...]:
    """x1,y1,x2,y2 as four numbers."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected four numbers x1,y1,x2,y2, got {text!r}")
    return values


def parse_threads(text: str) -> int:
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
        description="Find the faces of pictures and the landmarks of each face.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="picture file")
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
        "--min-score", type=parse_score, metavar="S", help="leave out faces found with a lower score (0 to 1)"
    )
    parser.add_argument("--threads", type=parse_threads, metavar="N", help="CPU threads")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a video's landmarks as .jsonl; - is stdout")
    predict_video.add_arguments(parser)
    return parser


def plan_targets(images: Sequence[Path], json_file: Path | None, draw: Path | None) -> list[Targets]:
    """Decide where everything goes, before anything is read."""
    if json_file is None and draw is None:
        stems = _distinct([f"{image.stem}_landmarks" for image in images])
        return [Targets(i, Path(f"{s}.png"), Path(f"{s}.json")) for i, s in zip(images, stems, strict=True)]
    if draw is None:
        return [Targets(image, None, None) for image in images]
    if not draw.is_dir() and draw.suffix:
        return [Targets(image, draw, None) for image in images]
    stems = _distinct([f"{image.stem}_landmarks" for image in images])
    return [Targets(image, draw / f"{stem}.png", None) for image, stem in zip(images, stems, strict=True)]


def _distinct(names: Sequence[str]) -> list[str]:
    """Pictures of one name from two folders get numbers, so that none overwrites another."""
    taken: set[str] = set()
    found = []
    for name in names:
        number = 1
        while (candidate := name if number == 1 else f"{name}_{number}") in taken:
            number += 1
        taken.add(candidate)
        found.append(candidate)
    return found


def check_usage(args: argparse.Namespace, targets: Sequence[Targets]) -> str | None:
    """What is wrong with the options taken together, or None."""
    if args.bbox and len(args.images) > 1:
        return f"--bbox goes with one picture, got {len(args.images)}"
    if args.draw and len(args.images) > 1 and not args.draw.is_dir() and args.draw.suffix:
        return f"--draw {args.draw} is one file for {len(args.images)} pictures: give a folder"
    outputs = [t.picture for t in targets] + [t.json for t in targets] + [args.json]
    files = [path for path in outputs if path is not None and path != STDOUT]
    same = {image.resolve() for image in args.images} & {path.resolve() for path in files}
    if same:
        return f"{same.pop()} is an input: results must go elsewhere"
    return check_outputs(files, args.force, args.draw)


def describe(faces: "Landmarks", image: Path) -> str:
    """One line for people."""
    if not len(faces):
        return f"{image}: no face found"
    boxes = ["({:.0f}, {:.0f})-({:.0f}, {:.0f})".format(*face.box) for face in faces]
    shown = ", ".join(boxes[:4]) + (", ..." if len(boxes) > 4 else "")
    count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    return f"{image}: {count}, {faces.points.shape[1]} landmarks each, at {shown}"


def entry(image: Path, model: str, faces: "Landmarks | None", error: str | None) -> dict[str, Any]:
    """The record of one picture in the JSON file (docs/json.md)."""
    found = faces.to_dict() if faces is not None else NOT_READ
    return {"image": str(image), "model": model, **found, "error": error}


def to_json(entries: Sequence[dict[str, Any]]) -> bytes:
    """The JSON file."""
    document = {"schema": SCHEMA, "images": list(entries)}
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def predict_one(model: "Model", args: argparse.Namespace, target: Targets) -> dict[str, Any]:
    """Predict, print and write one picture."""
    from facelandmarks.draw import draw_landmarks
    from facelandmarks.images import load_image

    picture = load_image(target.image)
    faces = model.predict(picture, args.bbox, detector=args.detector, min_score=args.min_score)
    record = entry(target.image, args.model, faces, None)
    if target.picture:
        write_file(target.picture, encode_png(draw_landmarks(picture, faces)))
    if target.json:
        write_file(target.json, to_json([record]))
    if not args.quiet:
        written = [str(path) for path in (target.picture, target.json) if path]
        arrow = f" -> {', '.join(written)}" if written else ""
        print(describe(faces, target.image) + arrow, file=sys.stderr if args.json == STDOUT else sys.stdout)
    return record


def run(args: argparse.Namespace) -> int:
    """The command."""
    if args.scheme is not None:
        from facelandmarks.cli.schemes import run_scheme

        return run_scheme(args)
    if predict_video.is_video(args.images[0]):
        return predict_video.run(args)
    targets = plan_targets(args.images, args.json, args.draw)
    problem = check_usage(args, targets)
    if problem:
        complain(problem)
        return USAGE
    from facelandmarks.api import load_model

    model = load_model(
        args.model,
        device=args.device,
        threads=args.threads,
        weights=args.weights,
        offline=args.offline,
        allow_unverified=args.allow_unverified,
        progress=False if args.quiet else None,
    )
    if args.draw and not args.draw.suffix:
        args.draw.mkdir(parents=True, exist_ok=True)
    records = []
    for target in targets:
        try:
            records.append(predict_one(model, args, target))
        except (InvalidBoxError, DownloadError):
            raise  # not this picture's fault
        except (InvalidImageError, MissingDependencyError, OSError) as error:
            complain(f"{target.image}: {error}")
            records.append(entry(target.image, args.model, None, str(error)))
    failed = sum(record["error"] is not None for record in records)
    if args.json and failed < len(records):
        write_json(args.json, to_json(records))
    return DONE if not failed else SOME_FAILED if failed < len(records) else NOTHING_DONE


def write_json(path: Path, content: bytes) -> None:
    """To a file, or to stdout."""
    if path == STDOUT:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        write_file(path, content)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if not args.images and args.scheme is None:
        parser.error("give pictures, or --scheme NAME")
    if args.scheme is not None and (args.images or args.bbox or args.json):
        parser.error("--scheme goes with --draw, --force and --quiet: there is no picture to find faces in")
    return run_command(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
