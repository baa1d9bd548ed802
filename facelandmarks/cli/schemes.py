"""facelandmarks-predict --scheme: the numbering of a scheme, as a table and as a drawing."""

import argparse
from pathlib import Path

from facelandmarks.cli.common import DONE, check_drawing, check_outputs, refuse
from facelandmarks.schemes import Scheme
from facelandmarks.zoo.own import find_scheme


def run(args: argparse.Namespace) -> int:
    """Print the table; with --draw, write the drawing to that file or, as NAME.png, into that folder."""
    scheme = find_scheme(args.scheme)
    target = None
    if args.draw:
        refuse(check_drawing(args.draw))
        target = args.draw.path / f"{scheme.name}.png" if args.draw.folder else args.draw.path
        refuse(check_outputs([target], args.force, args.draw.path if args.draw.folder else None))
        write_drawing(scheme, target)
    if not args.quiet:
        print("\n".join(table(scheme)) + (f"\n-> {target}" if target else ""))
    return DONE


def write_drawing(scheme: Scheme, target: Path) -> None:
    """Draw a scheme into a file, a PNG of the highest compression; its folder is created."""
    from facelandmarks._opencv import cv2
    from facelandmarks.draw.schemes import draw_scheme
    from facelandmarks.images import write_image

    target.parent.mkdir(parents=True, exist_ok=True)
    write_image(target, draw_scheme(scheme), (cv2.IMWRITE_PNG_COMPRESSION, 9) if target.suffix == ".png" else ())


def table(scheme: Scheme) -> list[str]:
    """Return the lines of the table, one per point: index, name, and the index of its mirror image."""
    width = max(len(name) for name in scheme.names)
    head = [f"{scheme.name}: {len(scheme)} points, {len(scheme.pairs)} pairs", f"index  {'name':{width}}  mirror"]
    rows = zip(scheme.names, scheme.mirror.tolist(), strict=True)
    return head + [f"{index:5}  {name:{width}}  {mirror:6}" for index, (name, mirror) in enumerate(rows)]
