"""facelandmarks-weights: fetch, verify and register weights files, and move them to other machines."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from facelandmarks import detection
from facelandmarks.cli.common import (
    DONE,
    WEIGHTS,
    check_outputs,
    chosen,
    complain,
    counted,
    exit_code,
    new_parser,
    parse_weights,
    refuse,
    run_command,
)
from facelandmarks.errors import DownloadError, FaceLandmarksError, UnknownNameError, lookup
from facelandmarks.weights.cache import USUAL, Access, Place, leftovers, read_pin
from facelandmarks.weights.fetch import add_file, by_hand, cached, obtain, verify
from facelandmarks.weights.hub import pin_path
from facelandmarks.weights.manifest import ASSETS, HUB, KINDS, PREFIX_TRUST, FileRecord, FileSource, load_manifest
from facelandmarks.weights.trust import digest_kind
from facelandmarks.zoo import MODELS

EPILOG = """\
NAME is a model (facelandmarks.list_models()), a detector (yunet, blazeface_short, blazeface_full), or the name of a
file. Files are kept in --cache-dir, else FACELANDMARKS_CACHE, else $XDG_CACHE_HOME/facelandmarks, else the platform's
cache folder. In the list, ? is a size that nobody has published.
Exit codes: 0 done, 1 some files failed, 2 wrong usage, 3 weights or network, 4 nothing could be done, 130 interrupted,
141 nobody read the output.
"""
# By name of the model or detector.
FILES = {**{name: spec.weights for name, spec in sorted(MODELS.items())}, **detection.FILES}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    what = "Fetch, verify and register weights files, and move them to machines without network."
    parser = new_parser("facelandmarks-weights", what, EPILOG)
    parser.add_argument("--cache-dir", type=Path, metavar="DIR", help="cache folder")
    parser.set_defaults(offline=None, allow_unverified=False, allow_third_party=False, quiet=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = {}
    for name, (_, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        add[name] = command.add_argument
    add["list"]("--dataset", help="only files trained on this dataset")
    add["bundle"]("out", type=Path, metavar="OUT.zip")
    add["bundle"]("names", nargs="+", metavar="NAME")
    add["bundle"]("--force", action="store_true", help="overwrite a file that exists")
    for name in ("fetch", "verify", "clean"):
        add[name]("names", nargs="*", metavar="NAME")
    for name in ("add", "path", "url"):
        add[name]("names", nargs=1, metavar="NAME")
    add["add"]("file", type=Path, metavar="FILE")
    add["unbundle"]("file", type=Path)
    add["lock"]("manifest", type=Path, metavar="MANIFEST")
    for name in ("fetch", "add", "bundle", "mirror", "push"):
        add[name]("--allow-unverified", action="store_true", help="accept files without a published digest")
    for name in ("fetch", "bundle", "mirror", "push"):
        text = "accept anyone's copy of files for which the authors published no digest"
        add[name]("--third-party", dest="allow_third_party", action="store_true", help=text)
    add["mirror"]("names", nargs="*", metavar="NAME", help="models or files (default: all)")
    add["mirror"]("--to", required=True, metavar="DIR|hf://OWNER/REPOSITORY", help="folder or repository to fill")
    add["push"]("model", metavar="MODEL", help="name of a model, or a folder, repository or record of your own")
    add["push"]("address", nargs="?", metavar="hf://OWNER/REPOSITORY", help="created if it does not exist")
    add["push"]("--to", type=Path, metavar="DIR", help="write into this folder, to check it first; nothing is sent")
    add["push"]("--weights", type=parse_weights, metavar="FILE", help="your own checkpoint of the model")
    add["push"]("--scheme", metavar="FILE.json|NAME", help="the points of --weights, if they differ from the model's")
    add["push"]("--name", dest="rename", metavar="NAME", help="new name of the model")
    for name in ("mirror", "push"):
        add[name]("--private", action="store_true", default=None, help="make a new repository private")
    add["fetch"]("--all", action="store_true", help="every file that can be fetched")
    add["fetch"]("--dataset", help="every file trained on this dataset")
    add["fetch"]("--offline", action="store_true", default=None, help="do not use the network")
    add["fetch"]("--quiet", action="store_true", help="no progress")
    add["clean"]("--all", action="store_true", help="every file of the manifest")
    return parser


def record_of(name: str) -> FileRecord:
    """Return the record of a model's file, or of a file by its own name."""
    files = load_manifest().files
    return lookup({**files, **{model: files[file] for model, file in FILES.items()}}, name, "model or file")


def names_of_dataset(dataset: str | None) -> list[str]:
    """Return the names of the models and files outside of the wheel: those trained on one dataset, or all."""
    models = {file: name for name, file in FILES.items()}
    records = [record for record in load_manifest().files.values() if not record.asset]
    found = [models.get(r.name, r.name) for r in records if dataset is None or dataset in r.training_data]
    if not found:
        known = sorted({data for record in records for data in record.training_data})
        raise UnknownNameError(f"no file was trained on {dataset!r}; datasets: {', '.join(known)}")
    return found


def run_list(args: argparse.Namespace, access: Access) -> int:
    """Print a table of files."""
    in_wheel = [name for name in FILES if record_of(name).asset and args.dataset is None]
    rows = [("name", "MB", "here", "digest", "sources", "licence", "training data and its terms")]
    for name in [*in_wheel, *names_of_dataset(args.dataset)]:
        record, data = record_of(name), load_manifest().training_data
        cached_size = size_in(access.folder, record)
        size = cached_size or record.bytes
        here = "wheel" if record.asset else "cached" if cached_size else "-"
        terms = "; ".join(f"{key}: {data[key]['terms'] or 'no terms published'}" for key in record.training_data)
        mb, digest = f"{size / 1e6:.1f}" if size else "?", digest_kind(record)
        rows.append((name, mb, here, digest, count_sources(record), record.licence, terms))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[6]]))
    return DONE


def count_sources(record: FileRecord) -> str:
    """Return how many sources of each kind a program can use: "1 original, 1 third-party"."""
    counts = {kind: sum(source.kind == kind for source in record.sources) for kind in KINDS}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "-"


def size_in(folder: Path, record: FileRecord) -> int | None:
    """Return the bytes of a file of the cache; None if it is not there, or the folder is somebody else's."""
    with suppress(OSError):
        file = Place(folder, record.name).file
        return file.stat().st_size if file.is_file() else None
    return None


def run_fetch(args: argparse.Namespace, access: Access) -> int:
    """Fetch files, one after another; one that fails does not stop the others."""
    if bool(args.names) + args.all + (args.dataset is not None) != 1:
        refuse("give NAME..., --all or --dataset NAME")

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
    """Raise `CheckpointError` if a file cannot be read, or does not fit the models that use it."""
    if record.dialect == "yunet_onnx":
        from facelandmarks.detection.yunet import YuNetDetector

        with tempfile.TemporaryDirectory() as folder:  # OpenCV tells the kind of a file by its name
            YuNetDetector(shutil.copyfile(path, Path(folder) / record.name))
        return
    from facelandmarks.api import find_source
    from facelandmarks.detection.blazeface import SPECS, network_source
    from facelandmarks.engines.graph import filled_network
    from facelandmarks.weights.checkpoint import read_checkpoint

    state = read_checkpoint(path, record.dialect)
    for blazeface in SPECS.values():
        if blazeface.weights == record.name:
            filled_network(network_source(blazeface, state, USUAL))
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
        begins = f"begins with {record.sha256_prefix}" if record.sha256_prefix else "not published"
        trust = f" ({PREFIX_TRUST[record.prefix_trust]})" if record.prefix_trust else ""
        lines = [f"file      {record.name}", *(f"url       {describe_source(each)}" for each in record.sources)]
        lines += [f"page      {p['url']}" + (f"  ({p['note']})" if "note" in p else "") for p in record.pages]
        lines += [f"bytes     {record.bytes or 'not published'}", f"sha256    {record.sha256 or begins}{trust}"]
        if record.asset:
            lines += [f"place     {ASSETS / record.name} (in the wheel)"]
        else:
            lines += [f"place     {access.folder / record.name}", f"register  facelandmarks-weights add {name} FILE"]
        return "\n".join(lines)

    return for_each(args.names, describe)


def describe_source(source: FileSource) -> str:
    """Return an address, with what a person has to know of it."""
    digest = source.sha256 or (f"Git's digest {source.git_blob_sha1}" if source.git_blob_sha1 else None)
    about = [source.kind, f"member {source.member} of a tar" if source.member else None, digest, source.note]
    return f"{source.url}  ({'; '.join(each for each in about if each)})"


def run_bundle(args: argparse.Namespace, access: Access) -> int:
    """Write a bundle of files, which are fetched if they are not in the cache."""
    from facelandmarks.weights.bundle import write_bundle

    refuse(check_outputs([args.out], args.force))
    records = list({record.name: record for record in map(record_of, args.names) if not record.asset}.values())
    write_bundle(args.out, [(record, obtain(record, access)) for record in records])
    print(f"{args.out}: {counted(len(records), 'file')}, {args.out.stat().st_size / 1e6:.1f} MB")
    return DONE


def run_mirror(args: argparse.Namespace, access: Access) -> int:
    """Fetch and verify files, and lay them out in a folder or a repository; one that fails does not stop the others."""
    from facelandmarks.weights.bundle import write_mirror

    names, found = args.names or names_of_dataset(None), {}

    def take(name: str) -> str:
        record = record_of(name)
        if not record.asset:
            found[record.name] = (record, obtain(record, access))
        return f"{name}: {'in the wheel' if record.asset else 'verified'}"

    code = for_each(names, take)
    if not found:
        return code
    if not args.to.startswith(HUB):
        records = write_mirror(Path(args.to), list(found.values()))
        files = counted(len(records), "file")
        print(f"{args.to}: {files}. Serve it over https, and set FACELANDMARKS_MIRROR to its address")
        return code
    from facelandmarks.share import push_mirror

    commit = push_mirror(list(found.values()), args.to, private=args.private)
    print(f"{commit}\n{counted(len(found), 'file')}; to use them: FACELANDMARKS_MIRROR={args.to}")
    return code


def run_push(args: argparse.Namespace, access: Access) -> int:
    """Write a model into a folder or a repository, from which load_model loads it."""
    from facelandmarks.share import push_model, write_model

    if args.to is None and args.address is None:
        refuse("give hf://OWNER/REPOSITORY, or --to DIR")
    options = {**chosen(args, "weights", "scheme", "rename"), "access": access}
    if args.to is None:
        print(push_model(args.model, args.address, private=args.private, **options))
        return DONE
    if args.to.is_dir() and any(args.to.iterdir()):
        refuse(f"{args.to} is not empty: give another folder")
    print("\n".join(map(str, write_model(args.model, args.to, address=args.address, **options))))
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
    print("\n".join([f"{args.manifest}: {counted(len(changed), 'record')} filled in", *changed]))
    return DONE


def run_clean(args: argparse.Namespace, access: Access) -> int:
    """Remove files and all that belongs to them, or what interrupted downloads left."""

    def remove(name: object, paths: Sequence[Path]) -> str:
        for path in paths:
            path.unlink()
        return f"{name}: {counted(len(paths), 'file')} removed"

    if not args.names and not args.all:
        print(remove(access.folder, leftovers(access.folder)))
        return DONE
    if len(args.names) == 1 and args.names[0].startswith(HUB):
        pin = pin_path(args.names[0], access.folder)
        print(remove(args.names[0], [pin] if pin.exists() else []))
        return DONE
    names = args.names or names_of_dataset(None)
    return for_each(names, lambda name: remove(name, Place(access.folder, record_of(name).name).belongings()))


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace, Access], int], str]] = {
    "list": (run_list, "list files: size, whether cached, digest, licence and terms"),
    "fetch": (run_fetch, "fetch and verify files"),
    "verify": (run_verify, "read cached files whole and check their digests (default: all)"),
    "add": (run_add, "register a file that you downloaded by hand"),
    "path": (run_path, "print where a cached file is"),
    "url": (run_url, "print where to fetch a file by hand, its digest, and where it goes"),
    "bundle": (run_bundle, "pack files and their digests for a machine without network"),
    "mirror": (run_mirror, "fetch, verify and lay out files in a folder or a repository of the Hugging Face Hub"),
    "push": (run_push, "write a model with its record and card to the Hugging Face Hub, or to a folder"),
    "unbundle": (run_unbundle, "take the files of a bundle into the cache"),
    "lock": (run_lock, "for maintainers: fill in sizes and digests of verified files in a manifest"),
    "clean": (run_clean, "remove files; without NAME, the remains of interrupted downloads"),
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
    return exit_code(failed, len(names), WEIGHTS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    return run_command(start, argv)


def start(words: Sequence[str]) -> int:
    """Parse the words of a command line, and run what they ask for."""
    args = build_parser().parse_args(words)
    progress = False if args.quiet else None
    access = Access(args.cache_dir, args.offline, args.allow_unverified, progress, args.allow_third_party)
    return COMMANDS[args.command][0](args, access)


if __name__ == "__main__":
    sys.exit(main())
