"""facelandmarks-predict with pictures by name: a JSON file and drawings of each."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks._files import write_file
from facelandmarks.cli.common import (
    DONE,
    NOTHING_DONE,
    SOME_FAILED,
    USAGE,
    check_outputs,
    complain,
    encode_png,
    load_chosen_model,
)
from facelandmarks.errors import DownloadError, InvalidBoxError, InvalidImageError, MissingDependencyError

if TYPE_CHECKING:
    from facelandmarks.model import Model
    from facelandmarks.results import Landmarks

SCHEMA = "facelandmarks-predictions/2"
STDOUT = Path("-")


@dataclass(frozen=True)
class Targets:
    """Where the results of one picture go; None is nowhere."""

    image: Path
    picture: Path | None
    json: Path | None


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


def to_json(entries: Sequence[dict[str, Any]]) -> bytes:
    """The JSON file."""
    document = {"schema": SCHEMA, "images": list(entries)}
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def predict_one(model: "Model", args: argparse.Namespace, target: Targets) -> dict[str, Any]:
    """Predict, print and write one picture."""
    from facelandmarks.bulk.records import record_of
    from facelandmarks.images import load_image

    picture = load_image(target.image)
    faces = model.predict(
        picture,
        args.bbox,
        box_convention=args.box_convention,
        detector=args.detector,
        min_score=args.min_score,
        rotations=args.rotations,
    )
    record = record_of(target.image, args.model, faces, None)
    if target.picture:
        write_file(target.picture, encode_png(faces.draw(picture)))
    if target.json:
        write_file(target.json, to_json([record]))
    if not args.quiet:
        written = [str(path) for path in (target.picture, target.json) if path]
        arrow = f" -> {', '.join(written)}" if written else ""
        print(describe(faces, target.image) + arrow, file=sys.stderr if args.json == STDOUT else sys.stdout)
    return record


def run(args: argparse.Namespace) -> int:
    """Predict picture by picture."""
    targets = plan_targets(args.images, args.json, args.draw)
    problem = check_usage(args, targets)
    if problem:
        complain(problem)
        return USAGE
    model = load_chosen_model(args)
    if args.draw and not args.draw.suffix:
        args.draw.mkdir(parents=True, exist_ok=True)
    from facelandmarks.bulk.records import named, record_of

    records = []
    for target in targets:
        try:
            records.append(predict_one(model, args, target))
        except (InvalidBoxError, DownloadError):
            raise  # not this picture's fault
        except (InvalidImageError, MissingDependencyError, OSError) as error:
            complain(named(str(target.image), str(error)))
            records.append(record_of(target.image, args.model, None, str(error)))
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
