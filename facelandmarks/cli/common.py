"""What the commands share: exit codes, errors as one line on stderr, options about models and engines."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import facelandmarks.errors as errors
from facelandmarks.engines.choose import DTYPES, ENGINES

if TYPE_CHECKING:
    from facelandmarks.model import Model

DONE, SOME_FAILED, USAGE, WEIGHTS, NOTHING_DONE, INTERRUPTED = 0, 1, 2, 3, 4, 130

LOADING = ("weights", "scheme", "offline", "allow_unverified", "allow_third_party")  # of `add_weights_options`
EXIT_CODES = (
    ((errors.DownloadError, errors.CheckpointError), WEIGHTS),
    ((errors.InvalidOptionError, errors.InvalidBoxError, errors.DeviceError), USAGE),
    (errors.FaceLandmarksError, NOTHING_DONE),
)


def complain(message: object) -> None:
    """Print one line on stderr."""
    print(f"error: {message}", file=sys.stderr)


def run_command(command: Callable[[], int]) -> int:
    """Run a command; an error of ours becomes a line on stderr and an exit code, Ctrl-C becomes 130."""
    try:
        return command()
    except errors.FaceLandmarksError as error:
        complain(error)
        return next(code for classes, code in EXIT_CODES if isinstance(error, classes))
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED


def refuse(problem: str | None) -> None:
    """Raise what is wrong with the options, if anything; `run_command` makes wrong usage of it."""
    if problem:
        raise errors.InvalidOptionError(problem)


def new_parser(name: str, description: str, epilog: str, usage: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of a command, whose epilog is printed as it stands."""
    form = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(name, usage, description, epilog, formatter_class=form)


def check_outputs(files: Sequence[Path], force: bool, made: Path | None = None) -> str | None:
    """Say why these files cannot be written, or None; `made` is a folder that will be made."""
    existing = [path for path in files if path.exists()]
    if existing and not force:
        return f"{existing[0]} exists: move it away, or overwrite it with --force"
    missing = [path.parent for path in files if not path.parent.is_dir() and path.parent != made]
    return f"no such folder: {missing[0]}" if missing else None


def exit_code(failed: int, of: int, all_failed: int = NOTHING_DONE) -> int:
    """Return the exit code where so many of so many inputs failed."""
    return DONE if not failed else SOME_FAILED if failed < of else all_failed


def encode_png(image: Any, options: Sequence[int] = ()) -> bytes:
    """Return an RGB image as PNG, with OpenCV's options for writing."""
    import cv2

    return cv2.imencode(".png", image[..., ::-1], options)[1].tobytes()


def counted(number: int, name: str) -> str:
    """Return a number and what it counts: "1 face", "2 faces"."""
    return f"{number} {name}{'s' * (number != 1)}"


def parse_count(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def parse_number(text: str, *, least: float, most: float, meaning: str) -> float:
    """Parse a number from `least` to `most`; `meaning` says in the error what was expected."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"expected {meaning}, got {text!r}")
    return value


def parse_weights(text: str) -> Path | str:
    """Parse the path of a file, or an address of the Hub."""
    return text if text.startswith("hf://") else Path(text)


def add_weights_options(group: argparse._ActionsContainer) -> None:
    """Add the options that say where weights come from."""
    own = "your own checkpoint of the model; hf://owner/repository@revision/file for one on the Hugging Face Hub"
    group.add_argument("--weights", type=parse_weights, metavar="FILE", help=own)
    points = "the points of --weights, if they are others than the model's: a JSON file, or the name of a scheme"
    group.add_argument("--scheme", metavar="FILE.json|NAME", help=points)
    group.add_argument("--offline", action="store_true", default=None, help="do not use the network")
    text = "accept published weights that have no published digest"
    group.add_argument("--allow-unverified", action="store_true", help=text)
    text = "accept anybody's copy of published weights that have no digest of their authors"
    group.add_argument("--third-party", dest="allow_third_party", action="store_true", help=text)


def add_engine_options(group: argparse._ActionsContainer) -> None:
    """Add the options that say what runs the network."""
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    group.add_argument("--engine", choices=ENGINES, default="auto", help="runs the network (default: %(default)s)")
    group.add_argument("--dtype", choices=DTYPES, default="float32", help="of the network (default: %(default)s)")
    group.add_argument("--threads", type=parse_count, metavar="N", help="CPU threads (default: the engine's choice)")
    group.add_argument("--cache-dir", type=Path, metavar="DIR", help="folder of the cache (docs/weights.md)")


def chosen(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return some options by name, as the arguments of a call."""
    return {name: getattr(args, name) for name in names}


def load_chosen_model(args: argparse.Namespace) -> "Model":
    """Load the model that the options name."""
    from facelandmarks.api import load_model

    options = chosen(args, *LOADING, "device", "engine", "dtype", "threads", "cache_dir")
    return load_model(args.model, progress=False if args.quiet else None, **options)
