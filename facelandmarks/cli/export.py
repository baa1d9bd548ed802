"""facelandmarks-export: a model as an ONNX file, with what other programs need to know beside it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facelandmarks.cli import common

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facelandmarks.model import Model
    from facelandmarks.results import Crops

LOADING = ("variant", *common.LOADING)
EPILOG = """\
FILE.json, beside FILE.onnx, describes the input, the region of an image that a crop shows, and how the output becomes
points. The metadata of the graph hold the same text.
Exit codes: 0 done, 1 --verify found more than --tolerance, 2 wrong usage, 3 weights or network, 4 nothing could be
done, 130 interrupted, 141 nobody read the output.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    what = "Write a model as an ONNX file: crops uint8 (n, H, W, 3) RGB in, raw output or points out."
    parser = common.new_parser("facelandmarks-export", what, EPILOG)
    add = parser.add_argument
    add("model", metavar="MODEL", help="name of a model, or a folder, hf:// repository or record (*.json) of your own")
    add("file", type=Path, metavar="FILE.onnx", help="the file to write")
    add("--decode", action="store_true", help="decode in the graph, which then returns points and scores")
    images = "run the file in ONNX Runtime on the faces of these images, and compare with PyTorch"
    add("--verify", nargs="+", type=Path, metavar="IMAGE", help=images)
    largest = "largest distance that --verify accepts, in pixels (default: %(default)s)"
    add("--tolerance", type=float, default=0.01, metavar="PX", help=largest)
    add("--variant", metavar="NAME", help="upstream implementation to follow, if there are two")
    common.add_weights_options(parser)
    add("--force", action="store_true", help="overwrite files that exist")
    add("--quiet", action="store_true", help="print errors only")
    return parser


def run(args: argparse.Namespace) -> int:
    """Write the file, and verify it if asked to."""
    common.refuse(common.find_address(args.verify or ()))
    files = [args.file, args.file.parent / f"{args.file.stem}.json"]
    common.refuse(common.check_outputs(files, args.force, inputs=args.verify or ()))
    from facelandmarks.export import export_model
    from facelandmarks.images import load_image

    images = [load_image(path) for path in args.verify or ()]  # before the work of minutes
    progress = False if args.quiet else None
    written = export_model(
        args.model, args.file, decode_in_graph=args.decode, progress=progress, **common.chosen(args, *LOADING)
    )
    if not args.quiet:
        print(" ".join(str(path) for path in written))
    return verify(args, images) if images else common.DONE


def verify(args: argparse.Namespace, images: Sequence["NDArray[np.uint8]"]) -> int:
    """Compare the file with PyTorch on real faces; return the exit code."""
    from facelandmarks.api import load_model
    from facelandmarks.export import verify_export

    model = load_model(args.model, engine="torch", device="cpu", flip_test=False, **common.chosen(args, *LOADING))
    found = verify_export(args.file, model, crops_of(model, images))
    good = found.largest <= args.tolerance
    if not (args.quiet and good):
        print(
            f"{'agrees' if good else 'DOES NOT AGREE'} with PyTorch: largest distance {found.largest:.4f} px, mean "
            f"{found.mean:.5f} px, over {found.landmarks} landmarks (tolerance {args.tolerance:g} px)",
            file=sys.stdout if good else sys.stderr,
        )
    return common.DONE if good else common.SOME_FAILED


def crops_of(model: "Model", images: Sequence["NDArray[np.uint8]"]) -> "Crops":
    """Return the faces of images; each whole image, where no detector finds what a model wants."""
    from facelandmarks.boxes import CONVENTIONS
    from facelandmarks.results import Crops

    found = []
    for pixels in images:
        whole = (0, 0, pixels.shape[1], pixels.shape[0])
        boxes = model.find(pixels, None if model.spec.box_convention in CONVENTIONS else whole).boxes
        found.append(model.prepare(pixels, boxes))
    return Crops.join(found)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return common.run_command(lambda words: run(build_parser().parse_args(words)), argv)


if __name__ == "__main__":
    sys.exit(main())
