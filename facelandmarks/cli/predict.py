"""facelandmarks-predict: landmarks of the faces of pictures and videos."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from facelandmarks.cli import predict_video
from facelandmarks.cli.common import run_command
from facelandmarks.cli.predict_options import parse

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


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse(argv)
    return run_command(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
