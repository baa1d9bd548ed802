"""facelandmarks-predict with images by name: a JSON file, and a drawing of each."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks._files import write_file
from facelandmarks.bulk.records import named, record_of
from facelandmarks.cli.common import (
    DONE,
    NOTHING_DONE,
    SOME_FAILED,
    USAGE,
    check_outputs,
    complain,
    counted,
    encode_png,
    load_chosen_model,
)
from facelandmarks.errors import DownloadError, InvalidBoxError, InvalidImageError, MissingDependencyError
from facelandmarks.images import load_image

if TYPE_CHECKING:
    from facelandmarks.model import Model
    from facelandmarks.results import Landmarks

SCHEMA = "facelandmarks-predictions/2"
STDOUT = Path("-")


@dataclass(frozen=True)
class Targets:
    """Where the results of one image go; None is nowhere."""

    image: Path
    drawing: Path | None
    json: Path | None


def plan_targets(images: Sequence[Path], json_file: Path | None, draw: Path | None) -> list[Targets]:
    """Decide where everything goes, before anything is read."""
    if draw is None and json_file is not None:
        return [Targets(image, None, None) for image in images]
    if draw is not None and not draw.is_dir() and draw.suffix:
        return [Targets(image, draw, None) for image in images]
    stems = distinct([f"{image.stem}_landmarks" for image in images])
    if draw is None:
        return [Targets(i, Path(f"{s}.png"), Path(f"{s}.json")) for i, s in zip(images, stems, strict=True)]
    return [Targets(image, draw / f"{stem}.png", None) for image, stem in zip(images, stems, strict=True)]


def distinct(names: Sequence[str]) -> list[str]:
    """Number names that occur twice, so that no result overwrites another."""
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
    """Say what is wrong with the options taken together, or None."""
    if args.bbox and len(args.images) > 1:
        return f"--bbox goes with one image, got {len(args.images)}"
    if args.draw and len(args.images) > 1 and not args.draw.is_dir() and args.draw.suffix:
        return f"--draw {args.draw} is one file for {len(args.images)} images: give a folder"
    outputs = [t.drawing for t in targets] + [t.json for t in targets] + [args.json]
    files = [path for path in outputs if path is not None and path != STDOUT]
    same = {image.resolve() for image in args.images} & {path.resolve() for path in files}
    if same:
        return f"{same.pop()} is an input: results must go elsewhere"
    return check_outputs(files, args.force, args.draw)


def describe(faces: "Landmarks", image: Path) -> str:
    """Return one line for people."""
    if not len(faces):
        return f"{image}: no face found"
    boxes = ["({:.0f}, {:.0f})-({:.0f}, {:.0f})".format(*box) for box in faces.boxes[:4]]
    shown = ", ".join(boxes) + (", ..." if len(faces) > 4 else "")
    return f"{image}: {counted(len(faces), 'face')}, {faces.points.shape[1]} landmarks each, at {shown}"


def to_json(records: Sequence[dict[str, Any]]) -> bytes:
    """Return the content of the JSON file."""
    return (json.dumps({"schema": SCHEMA, "images": list(records)}, indent=1, allow_nan=False) + "\n").encode()


def predict_one(model: "Model", args: argparse.Namespace, target: Targets) -> dict[str, Any]:
    """Predict, print and write one image."""
    pixels = load_image(target.image)
    faces = model.predict(
        pixels,
        args.bbox,
        box_convention=args.box_convention,
        detector=args.detector,
        min_score=args.min_score,
        rotations=args.rotations,
    )
    record = record_of(target.image, args.model, faces, None)
    if target.drawing:
        write_file(target.drawing, encode_png(faces.draw(pixels)))
    if target.json:
        write_file(target.json, to_json([record]))
    if not args.quiet:
        written = [str(path) for path in (target.drawing, target.json) if path]
        arrow = f" -> {', '.join(written)}" if written else ""
        print(describe(faces, target.image) + arrow, file=sys.stderr if args.json == STDOUT else sys.stdout)
    return record


def run(args: argparse.Namespace) -> int:
    """Predict image by image."""
    targets = plan_targets(args.images, args.json, args.draw)
    if problem := check_usage(args, targets):
        complain(problem)
        return USAGE
    model = load_chosen_model(args)
    if args.draw and not args.draw.suffix:
        args.draw.mkdir(parents=True, exist_ok=True)
    records = []
    for target in targets:
        try:
            records.append(predict_one(model, args, target))
        except (InvalidBoxError, DownloadError):
            raise  # not this image's fault
        except (InvalidImageError, MissingDependencyError, OSError) as error:
            complain(named(str(target.image), str(error)))
            records.append(record_of(target.image, args.model, None, str(error)))
    failed = sum(record["error"] is not None for record in records)
    if args.json and failed < len(records):
        if args.json == STDOUT:
            sys.stdout.buffer.write(to_json(records))
            sys.stdout.flush()
        else:
            write_file(args.json, to_json(records))
    return DONE if not failed else SOME_FAILED if failed < len(records) else NOTHING_DONE
