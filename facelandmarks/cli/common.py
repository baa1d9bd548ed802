"""What the commands share: exit codes, errors as one line on stderr, options about models, engines and drawings."""

import argparse
import os
import re
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import facelandmarks.errors as errors
from facelandmarks import __version__
from facelandmarks._files import IMAGE_SUFFIXES, VIDEO_SUFFIXES, WRITTEN_SUFFIXES
from facelandmarks.engines.choose import DTYPES, ENGINES, MOST_THREADS

if TYPE_CHECKING:
    from facelandmarks.draw import Style
    from facelandmarks.model import Model

DONE, SOME_FAILED, USAGE, WEIGHTS, NOTHING_DONE, INTERRUPTED, CLOSED = 0, 1, 2, 3, 4, 130, 141

ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\\\]+")  # one letter is a drive of Windows

STDOUT = Path("-")
FINDING = ("detector", "min_score", "min_face", "max_faces", "largest", "rotations", "confirm")  # fields of `Find`
LOADING = ("weights", "scheme", "offline", "allow_unverified", "allow_third_party")  # of `add_weights_options`
EXIT_CODES = (
    ((errors.DownloadError, errors.CheckpointError), WEIGHTS),
    ((errors.InvalidOptionError, errors.InvalidBoxError, errors.DeviceError), USAGE),
    (errors.FaceLandmarksError, NOTHING_DONE),
    (KeyboardInterrupt, INTERRUPTED),
)


def complain(message: object) -> None:
    """Print one line on stderr."""
    print(f"error: {message}", file=sys.stderr)


def run_command(command: Callable[[list[str]], int], argv: Sequence[str] | None) -> int:
    """Run a command on the words of a command line (None: of this process); return its exit code.

    An error of ours, or of the disk, becomes a line on stderr; Ctrl-C and SIGTERM become 130; output that nobody reads,
    as in `... | head -1`, becomes 141 without a word. Characters that stdout cannot show are written as escapes.
    """
    ready_streams()
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_args, **_options: f"warning: {message}\n"  # not the place in the code
    try:
        try:
            words = list(sys.argv[1:] if argv is None else argv)
            if any(re.fullmatch("(--[a-z-]+=)?", word) for word in words):  # a path would be the current folder
                refuse("an argument is empty: leave it out, or give what it stands for (is a shell variable not set?)")
            with terminated_as_interrupted():
                return command(words)
        except (errors.FaceLandmarksError, KeyboardInterrupt) as error:
            complain("interrupted" if isinstance(error, KeyboardInterrupt) else error)
            return next(code for classes, code in EXIT_CODES if isinstance(error, classes))
        except BrokenPipeError:
            raise
        except OSError as error:
            complain(error if error.filename else f"cannot write the output: {error.strerror or error}")
            return NOTHING_DONE
        finally:
            warnings.formatwarning = before
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()  # here: the interpreter would complain at its end
    except BrokenPipeError:
        _drop_output()
        return CLOSED
    except OSError as error:  # stdout is a file on a full disk
        with suppress(OSError):
            complain(f"cannot write the output: {error.strerror or error}")
        _drop_output()
        return NOTHING_DONE


def ready_streams() -> None:
    """Let stdout and stderr take every character; what goes to one that was closed, as by `2>&-`, is dropped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (until the process ends)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Send what is still in the buffers of stdout and stderr nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # in tests they are no files
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, as job schedulers send it, end the work as Ctrl-C does: unfinished files are removed."""
    if threading.current_thread() is not threading.main_thread():  # where no signals arrive
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def refuse(problem: str | None) -> None:
    """Raise what is wrong with the options, if anything; `run_command` makes wrong usage of it."""
    if problem:
        raise errors.InvalidOptionError(problem)


class Parser(argparse.ArgumentParser):
    """A parser whose help does not hide that nobody reads it."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)


def new_parser(name: str, description: str, epilog: str, usage: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of a command, whose epilog is printed as it stands."""
    form = argparse.RawDescriptionHelpFormatter
    parser = Parser(name, usage, description, epilog, formatter_class=form)
    parser._negative_number_matcher = re.compile(r"-\.?\d")  # as in Python 3.14: `--bbox -12,20,..` is a value
    parser.add_argument("--version", action="version", version=f"{name} {__version__}")
    return parser


def find_address(paths: Iterable[Path]) -> str | None:
    """Say that one of these inputs is an address, or None: only weights are fetched, never a user's images."""
    for path in paths:
        match = ADDRESS.match(str(path))
        if match and not path.exists():
            url = f"{match[1]}://{str(path)[match.end() :]}"  # `Path` takes a slash away
            cure = f": curl -LO {shlex.quote(url)}" if match[1].lower() in ("http", "https") else ""
            return f"{url} is an address; download it first, and give the file{cure}"
    return None


def check_outputs(
    files: Sequence[Path], force: bool, made: Path | None = None, inputs: Iterable[Path] = ()
) -> str | None:
    """Say why these files cannot be written, or None; `made` is a folder that will be made."""
    read = {os.path.realpath(path) for path in inputs}  # `Path.resolve` fails where links form a circle
    taken: set[str] = set()
    if STDOUT in files and getattr(sys.stdout, "name", None) == os.devnull:  # see `ready_streams`
        raise BrokenPipeError
    for path in files:
        if path == STDOUT:
            continue
        place = os.path.realpath(path)
        if place in read:
            return f"{path} is an input: write the results to another file"
        if place in taken:
            return f"{path} is named for two outputs: give each a file of its own"
        taken.add(place)
        if path == made or path.is_dir():
            return f"{path} is a folder: give the name of a file"
        if path.exists() and not path.is_file():  # a device, which a file would replace
            return f"{path} is not a plain file: give another name"
        if path.exists() and not force:
            return f"{path} exists: move it away, or overwrite it with --force"
        if path.parent != made and not path.parent.is_dir():
            return f"no such folder: {path.parent}"
    return None


def exit_code(failed: int, of: int, all_failed: int = NOTHING_DONE) -> int:
    """Return the exit code where so many of so many inputs failed."""
    return DONE if not failed else SOME_FAILED if failed < of else all_failed


class Drawing(NamedTuple):
    """Where drawings go: into one file, or into a folder."""

    path: Path
    folder: bool


def parse_drawing(text: str) -> Drawing:
    """Parse FILE or DIR: a folder ends in a separator, is there, or has no suffix of an image or a video."""
    path = Path(text)
    is_named = text.endswith(("/", os.sep)) or path.suffix.lower() not in IMAGE_SUFFIXES | VIDEO_SUFFIXES
    return Drawing(path, is_named or path.is_dir())


def check_drawing(drawing: Drawing) -> str | None:
    """Say why this is no place for drawings of images, or None."""
    if drawing.folder or drawing.path.suffix.lower() in WRITTEN_SUFFIXES:
        return None
    return f"--draw {drawing.path}: drawings of images are written as {', '.join(WRITTEN_SUFFIXES)}"


def counted(number: int, name: str) -> str:
    """Return a number and what it counts: "1 face", "2 faces"."""
    return f"{number} {name}{'s' * (number != 1)}"


def parse_count(text: str, most: int = 2**31 - 1) -> int:
    """Parse a whole number of at least 1; more than 2^31 of anything is a slip, and beyond some libraries."""
    if not text.isdecimal() or len(text) > 10 or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {most}, got {text!r:.40}")
    return int(text)


parse_threads = partial(parse_count, most=MOST_THREADS)


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
    points = "the points of --weights, if they differ from the model's: a JSON file, or the name of a scheme"
    group.add_argument("--scheme", metavar="FILE.json|NAME", help=points)
    group.add_argument("--offline", action="store_true", default=None, help="do not use the network")
    text = "accept published weights that have no published digest"
    group.add_argument("--allow-unverified", action="store_true", help=text)
    text = "accept anyone's copy of published weights for which the authors published no digest"
    group.add_argument("--third-party", dest="allow_third_party", action="store_true", help=text)


def add_engine_options(group: argparse._ActionsContainer) -> None:
    """Add the options that say what runs the network."""
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    group.add_argument("--engine", choices=ENGINES, default="auto", help="runtime (default: %(default)s)")
    group.add_argument("--dtype", choices=DTYPES, default="float32", help="number type (default: %(default)s)")
    group.add_argument("--threads", type=parse_threads, metavar="N", help="CPU threads (default: the engine's choice)")
    group.add_argument("--cache-dir", type=Path, metavar="DIR", help="cache folder (docs/weights.md)")


def chosen_style(args: argparse.Namespace) -> "Style":
    """Return how faces are drawn by the options."""
    from facelandmarks.draw import Style

    color = Style.color if args.color is None else args.color
    return Style(color, args.point_size, not args.no_boxes, not args.no_contours, args.indices)


def chosen(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return some options by name, as the arguments of a call."""
    return {name: getattr(args, name) for name in names}


def check_screen() -> None:
    """Raise an error if no window can be opened (`--show`): before anything is loaded."""
    from facelandmarks.draw import check_windows

    check_windows()


def load_chosen_model(args: argparse.Namespace) -> "Model":
    """Load the model that the options name."""
    from facelandmarks.api import load_model

    options = chosen(args, *LOADING, "device", "engine", "dtype", "threads", "cache_dir")
    return load_model(args.model, progress=False if args.quiet else None, **options)
