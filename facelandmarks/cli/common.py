"""What the commands share: exit codes, and errors as one line on stderr."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks.errors import (
    CheckpointError,
    DeviceError,
    DownloadError,
    FaceLandmarksError,
    InvalidBoxError,
    InvalidOptionError,
    UnknownModelError,
)

if TYPE_CHECKING:
    from facelandmarks.model import Model

DONE, SOME_FAILED, USAGE, WEIGHTS, NOTHING_DONE, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = (
    ((DownloadError, CheckpointError), WEIGHTS),
    ((UnknownModelError, InvalidOptionError, InvalidBoxError, DeviceError), USAGE),
    ((FaceLandmarksError,), NOTHING_DONE),
)


def complain(message: object) -> None:
    """One line on stderr."""
    print(f"error: {message}", file=sys.stderr)


def run_command(command: Callable[[], int]) -> int:
    """Run a command; an error of ours becomes a line on stderr and an exit code, Ctrl-C becomes 130."""
    try:
        return command()
    except FaceLandmarksError as error:
        complain(error)
        return next(code for classes, code in EXIT_CODES if isinstance(error, classes))
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED


def check_outputs(files: Sequence[Path], force: bool, made: Path | None) -> str | None:
    """Why these files cannot be written, or None; `made` is a folder that will be made."""
    existing = [path for path in files if path.exists()]
    if existing and not force:
        return f"{existing[0]} exists: move it away, or overwrite it with --force"
    missing = [path.parent for path in files if not path.parent.is_dir() and path.parent != made]
    return f"no such folder: {missing[0]}" if missing else None


def encode_png(picture: Any, options: Sequence[int] = ()) -> bytes:
    """An RGB picture as PNG, with OpenCV's options for writing."""
    import cv2

    return cv2.imencode(".png", picture[..., ::-1], options)[1].tobytes()


def load_chosen_model(args: argparse.Namespace) -> "Model":
    """The model that the options of facelandmarks-predict name."""
    from facelandmarks.api import load_model

    return load_model(
        args.model,
        device=args.device,
        engine=args.engine,
        dtype=args.dtype,
        threads=args.threads,
        weights=args.weights,
        offline=args.offline,
        allow_unverified=args.allow_unverified,
        progress=False if args.quiet else None,
    )


def parse_count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)
