"""facelandmarks-weights: fetch, verify and register weights files, and move them to other machines."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from facelandmarks.cli.common import DONE, SOME_FAILED, USAGE, WEIGHTS, complain, run_command
from facelandmarks.detection import YUNET_FILE
from facelandmarks.errors import DownloadError, FaceLandmarksError, UnknownNameError, lookup
from facelandmarks.weights.cache import USUAL, Access, Place, leftovers, read_pin
from facelandmarks.weights.fetch import add_file, by_hand, cached, obtain, verify
from facelandmarks.weights.manifest import ASSETS, FileRecord, load_manifest
from facelandmarks.weights.trust import digest_kind
from facelandmarks.zoo import MODELS

EPILOG = """\
NAME is a model (facelandmarks.list_models()), yunet, or the name of a file. Files are kept in --cache-dir, else
FACELANDMARKS_CACHE, else $XDG_CACHE_HOME/facelandmarks, else the platform's cache folder.
Exit codes: 0 done, 1 some files failed, 2 wrong usage, 3 weights or network, 4 nothing could be done, 130 interrupted.
"""
FILES = {**{name: spec.weights for name, spec in sorted(MODELS.items())}, "yunet": YUNET_FILE}  # by name of the model


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="facelandmarks-weights",
        description="Weights files: fetch, verify, register by hand, move to machines without network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cache-dir", type=Path, metavar="DIR", help="folder of the cache")
    parser.set_defaults(offline=None, allow_unverified=False, quiet=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str, names: str | int | None = None) -> argparse.ArgumentParser:
        some = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        if names is not None:
            some.add_argument("names", nargs=names, metavar="NAME")
        if name in ("fetch", "add", "bundle"):
            some.add_argument("--allow-unverified", action="store_true", help="accept files without a published digest")
        return some

    some = command("list", "list files: size, whether cached, digest, licence and terms")
    some.add_argument("--dataset", help="files trained on this data set only")
    some = command("fetch", "fetch and verify files", names="*")
    some.add_argument("--all", action="store_true", help="every file that can be fetched")
    some.add_argument("--dataset", help="every file trained on this data set")
    some.add_argument("--offline", action="store_true", default=None, help="do not use the network")
    some.add_argument("--quiet", action="store_true", help="no progress")
    command("verify", "read cached files whole and check their digests (default: all)", names="*")
    some = command("add", "register a file that was fetched by hand", names=1)
    some.add_argument("file", type=Path, metavar="FILE")
    command("path", "print where a cached file is", names=1)
    command("url", "print where to fetch a file by hand, its digest, and where it goes", names=1)
    some = command("bundle", "pack files and their digests for a machine without network")
    some.add_argument("out", type=Path, metavar="OUT.zip")
    some.add_argument("names", nargs="+", metavar="NAME")
    command("unbundle", "take the files of a bundle into the cache").add_argument("file", type=Path)
    some = command("lock", "for maintainers: fill in sizes and digests of verified files in a manifest")
    some.add_argument("manifest", type=Path, metavar="MANIFEST")
    some = command("clean", "remove files; without NAME, what interrupted downloads left", names="*")
    some.add_argument("--all", action="store_true", help="every file of the manifest")
    return parser


def record_of(name: str) -> FileRecord:
    """Return the record of a model's file, or of a file by its own name."""
    files = load_manifest().files
    return lookup({**files, **{model: files[file] for model, file in FILES.items()}}, name, "model or file")


def names_of_dataset(dataset: str | None) -> list[str]:
    """Return the names of the models and files outside of the wheel: those of one data set, or all.

    Raises
    ------
    UnknownNameError
        If no file was trained on that data set.
    """
    models = {file: name for name, file in FILES.items()}
    records = [record for record in load_manifest().files.values() if not record.asset]
    found = [models.get(r.name, r.name) for r in records if dataset is None or dataset in r.training_data]
    if not found:
        known = sorted({data for record in records for data in record.training_data})
        raise UnknownNameError(f"no file was trained on {dataset!r}; data sets: {', '.join(known)}")
    return found


def run_list(args: argparse.Namespace, access: Access) -> int:
    """Print a table of files."""
    in_wheel = [name for name in FILES if record_of(name).asset and args.dataset is None]
    rows = [("name", "MB", "here", "digest", "licence", "training data and its terms")]
    for name in [*in_wheel, *names_of_dataset(args.dataset)]:
        record, data = record_of(name), load_manifest().training_data
        file = Place(access.folder, record.name).file
        size = file.stat().st_size if file.is_file() else record.bytes
        here = "wheel" if record.asset else "cached" if file.is_file() else "-"
        terms = "; ".join(f"{key}: {data[key]['terms'] or 'no terms published'}" for key in record.training_data)
        rows.append((name, f"{size / 1e6:.1f}" if size else "?", here, digest_kind(record), record.licence, terms))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]))
    return DONE


def run_fetch(args: argparse.Namespace, access: Access) -> int:
    """Fetch files, one after another; one that fails does not stop the others."""
    if bool(args.names) + args.all + (args.dataset is not None) != 1:
        complain("give either names, or --all, or --dataset")
        return USAGE

    def fetch(name: str) -> str:
        record = record_of(name)
        return f"{name}: {'in the wheel' if record.asset else obtain(record, access)}"

    return for_each(args.names or names_of_dataset(args.dataset), fetch)


def run_verify(args: argparse.Namespace, access: Access) -> int:
    """Check cached files."""

    def check(name: str) -> str:
        found = verify(record_of(name), access.folder)
        return f"{name}: good ({found.basis}), SHA-256 {found.sha256}"

    here = [name for name in names_of_dataset(None) if (access.folder / record_of(name).name).is_file()]
    return for_each(args.names or here, check)


def run_add(args: argparse.Namespace, access: Access) -> int:
    """Register a file, if its digest is right and it fits the models that use it."""

    def add(name: str) -> str:
        record = record_of(name)
        fits = partial(check_fit, record)
        path = add_file(record, args.file, access.folder, fits, allow_unverified=access.allow_unverified)
        pin = read_pin(Place(access.folder, record.name))
        return f"{name}: {path}" + (f" (accepted by: {pin.basis}; SHA-256 {pin.sha256})" if pin else "")

    return for_each(args.names, add)


def check_fit(record: FileRecord, path: Path) -> None:
    """Refuse a file whose content does not fit the models that use it.

    Raises
    ------
    CheckpointError
        If it does not fit, or cannot be read.
    """
    if record.dialect == "yunet_onnx":
        from facelandmarks.detection.yunet import YuNetDetector

        with tempfile.TemporaryDirectory() as folder:  # OpenCV tells the kind of a file by its name
            YuNetDetector(shutil.copyfile(path, Path(folder) / record.name))
        return
    from facelandmarks.api import find_source
    from facelandmarks.engines.graph import filled_network
    from facelandmarks.weights.checkpoint import read_checkpoint

    state = read_checkpoint(path, record.dialect)
    for spec in MODELS.values():
        if spec.weights == record.name:
            filled_network(find_source(spec, state, USUAL))


def run_path(args: argparse.Namespace, access: Access) -> int:
    """Print where a file is."""

    def locate(name: str) -> str:
        record, folder = record_of(name), access.folder
        found = ASSETS / record.name if record.asset else cached(record, Place(folder, record.name))
        if not found:
            raise DownloadError(f"{record.name} is not in {folder}. {by_hand(record, folder)}")
        return str(found)

    return for_each(args.names, locate)


def run_url(args: argparse.Namespace, access: Access) -> int:
    """Print how to fetch a file by hand."""

    def describe(name: str) -> str:
        record = record_of(name)
        digest = record.sha256 or record.sha256_prefix or "not published"
        begins = "begins with " if record.sha256 is None and record.sha256_prefix else ""
        lines = [f"file      {record.name}", *(f"url       {url}" for url in record.urls)]
        lines += [
            f"page      {page['url']}" + (f"  ({page['note']})" if "note" in page else "") for page in record.pages
        ]
        lines += [f"bytes     {record.bytes or 'not published'}"]
        lines += [f"sha256    {begins}{digest}" + (f" (trust: {record.prefix_trust})" if record.prefix_trust else "")]
        if record.asset:
            return "\n".join([*lines, f"place     {ASSETS / record.name} (in the wheel)"])
        register = f"register  facelandmarks-weights add {name} FILE"
        return "\n".join([*lines, f"place     {access.folder / record.name}", register])

    return for_each(args.names, describe)


def run_bundle(args: argparse.Namespace, access: Access) -> int:
    """Write a bundle of files, which are fetched if they are not in the cache."""
    from facelandmarks.weights.bundle import write_bundle

    records = list({record.name: record for record in map(record_of, args.names) if not record.asset}.values())
    write_bundle(args.out, [(record, obtain(record, access)) for record in records])
    print(f"{args.out}: {len(records)} files, {args.out.stat().st_size / 1e6:.1f} MB")
    return DONE


def run_unbundle(args: argparse.Namespace, access: Access) -> int:
    """Take the files of a bundle, and print where they are."""
    from facelandmarks.weights.bundle import unpack_bundle

    print("\n".join(map(str, unpack_bundle(args.file, access.folder))))
    return DONE


def run_lock(args: argparse.Namespace, access: Access) -> int:
    """Fill in a manifest, and print the names of the records that changed."""
    from facelandmarks.weights.bundle import lock_manifest

    changed = lock_manifest(args.manifest, access.folder)
    print("\n".join([f"{args.manifest}: {len(changed)} records filled in", *changed]))
    return DONE


def run_clean(args: argparse.Namespace, access: Access) -> int:
    """Remove files and all that belongs to them, or what interrupted downloads left."""

    def remove(name: object, paths: Sequence[Path]) -> str:
        for path in paths:
            path.unlink()
        return f"{name}: {len(paths)} files removed"

    if not args.names and not args.all:
        print(remove(access.folder, leftovers(access.folder)))
        return DONE
    names = args.names or names_of_dataset(None)
    return for_each(names, lambda name: remove(name, Place(access.folder, record_of(name).name).belongings()))


COMMANDS: dict[str, Callable[[argparse.Namespace, Access], int]] = {
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
        except UnknownNameError:
            raise
        except FaceLandmarksError as error:
            complain(f"{name}: {error}")
            failed += 1
    return DONE if not failed else SOME_FAILED if failed < len(names) else WEIGHTS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    args = build_parser().parse_args(argv)
    access = Access(args.cache_dir, args.offline, args.allow_unverified, False if args.quiet else None)
    return run_command(lambda: COMMANDS[args.command](args, access))


if __name__ == "__main__":
    sys.exit(main())
