"""facelandmarks-weights: files of weights, fetched, verified, brought by hand, moved to other machines."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from facelandmarks.cli.common import DONE, SOME_FAILED, USAGE, WEIGHTS, complain, run_command
from facelandmarks.cli.weights_actions import (
    add,
    bundle,
    clean,
    describe_url,
    fetch,
    leftovers,
    list_lines,
    lock,
    names_of_dataset,
    path,
    record_of,
    unbundle,
    verify,
)
from facelandmarks.errors import FaceLandmarksError, UnknownModelError
from facelandmarks.weights.cache import cache_folder

EPILOG = """\
NAME is a model (facelandmarks.list_models()), yunet, or the name of a file. Files are kept in --cache-dir, else
FACELANDMARKS_CACHE, else $XDG_CACHE_HOME/facelandmarks, else the platform's cache folder.
Exit codes: 0 done, 1 some files failed, 2 wrong usage, 3 weights or network, 4 nothing could be done, 130 interrupted.
"""


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="facelandmarks-weights",
        description="Files of weights: fetch, verify, register by hand, move to machines without network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cache-dir", type=Path, metavar="DIR", help="folder of the cache")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    some = _command(commands, "list", "what there is: size, whether cached, digest, licence and terms")
    some.add_argument("--dataset", help="files trained on this data set only")
    some = _command(commands, "fetch", "fetch and verify files", names="*")
    some.add_argument("--all", action="store_true", help="every file that can be fetched")
    some.add_argument("--dataset", help="every file trained on this data set")
    some.add_argument("--offline", action="store_true", default=None, help="do not use the network")
    some.add_argument("--quiet", action="store_true", help="no progress")
    _allow_unverified(some)
    _command(commands, "verify", "read cached files whole and check their digests (default: all)", names="*")
    some = _command(commands, "add", "register a file that was fetched by hand", names=1)
    some.add_argument("file", type=Path, metavar="FILE")
    _allow_unverified(some)
    _command(commands, "path", "where a cached file is", names=1)
    _command(commands, "url", "what to fetch by hand, what its digest must be, and where it goes", names=1)
    some = _command(commands, "bundle", "pack files and their digests for a machine without network")
    some.add_argument("out", type=Path, metavar="OUT.zip")
    some.add_argument("names", nargs="+", metavar="NAME")
    _allow_unverified(some)
    _command(commands, "unbundle", "take the files of a bundle into the cache").add_argument("file", type=Path)
    some = _command(commands, "lock", "for maintainers: fill in sizes and digests of verified files in a manifest")
    some.add_argument("manifest", type=Path, metavar="MANIFEST")
    some = _command(commands, "clean", "remove files; without NAME, what broken downloads left", names="*")
    some.add_argument("--all", action="store_true", help="every file of the manifest")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    what: str,
    names: str | int | None = None,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    if names is not None:
        parser.add_argument("names", nargs=names, metavar="NAME")
    return parser


def _allow_unverified(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-unverified", action="store_true", help="take files that no published digest vouches for"
    )


def run(args: argparse.Namespace) -> int:
    """The command."""
    folder = cache_folder(args.cache_dir)
    return COMMANDS[args.command](args, folder)


def run_list(args: argparse.Namespace, folder: Path) -> int:
    """Print every file."""
    print("\n".join(list_lines(folder, args.dataset)))
    return DONE


def run_fetch(args: argparse.Namespace, folder: Path) -> int:
    """Fetch files, one after another; one that fails does not stop the others."""
    if bool(args.names) + args.all + (args.dataset is not None) != 1:
        complain("give either names, or --all, or --dataset")
        return USAGE
    names = args.names or names_of_dataset(args.dataset)
    progress = False if args.quiet else None
    return for_each(names, lambda name: fetch(name, folder, args.offline, args.allow_unverified, progress))


def run_verify(args: argparse.Namespace, folder: Path) -> int:
    """Check cached files."""
    names = args.names or [name for name in names_of_dataset(None) if (folder / record_of(name).name).is_file()]
    return for_each(names, lambda name: verify(name, folder))


def run_add(args: argparse.Namespace, folder: Path) -> int:
    """Register a file."""
    return for_each(args.names, lambda name: add(name, args.file, folder, args.allow_unverified))


def run_path(args: argparse.Namespace, folder: Path) -> int:
    """Print where a file is."""
    return for_each(args.names, lambda name: path(name, folder))


def run_url(args: argparse.Namespace, folder: Path) -> int:
    """Print how to fetch a file by hand."""
    return for_each(args.names, lambda name: describe_url(name, folder))


def run_bundle(args: argparse.Namespace, folder: Path) -> int:
    """Write a bundle."""
    print(bundle(args.out, args.names, folder, args.allow_unverified))
    return DONE


def run_unbundle(args: argparse.Namespace, folder: Path) -> int:
    """Take a bundle."""
    print(unbundle(args.file, folder))
    return DONE


def run_lock(args: argparse.Namespace, folder: Path) -> int:
    """Fill in a manifest."""
    print(lock(args.manifest, folder))
    return DONE


def run_clean(args: argparse.Namespace, folder: Path) -> int:
    """Remove files."""
    if not args.names and not args.all:
        print(leftovers(folder))
        return DONE
    return for_each(args.names or names_of_dataset(None), lambda name: clean(name, folder))


COMMANDS: dict[str, Callable[[argparse.Namespace, Path], int]] = {
    "list": run_list,
    "fetch": run_fetch,
    "verify": run_verify,
    "add": run_add,
    "path": run_path,
    "url": run_url,
    "bundle": run_bundle,
    "unbundle": run_unbundle,
    "lock": run_lock,
    "clean": run_clean,
}


def for_each(names: Sequence[str], action: Callable[[str], str]) -> int:
    """Do something for each name and print the outcome; errors go to stderr and into the exit code."""
    for name in names:
        record_of(name)  # a wrong name is wrong usage, before anything is done
    failed = 0
    for name in names:
        try:
            print(action(name), flush=True)
        except UnknownModelError:
            raise
        except FaceLandmarksError as error:
            complain(f"{name}: {error}")
            failed += 1
    return DONE if not failed else SOME_FAILED if failed < len(names) else WEIGHTS


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = build_parser().parse_args(argv)
    return run_command(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
