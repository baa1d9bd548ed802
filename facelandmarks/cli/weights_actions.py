"""What facelandmarks-weights does for one name, as the text that it prints."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from facelandmarks._files import write_file
from facelandmarks.detection import YUNET_FILE
from facelandmarks.errors import ChecksumError, DownloadError, UnknownModelError, hint_at
from facelandmarks.weights.cache import Place
from facelandmarks.weights.fetch import cached, obtain
from facelandmarks.weights.manifest import ASSETS, FileRecord, get_record, load_manifest, read_document
from facelandmarks.weights.manifest_checks import check_manifest
from facelandmarks.weights.sources import by_hand
from facelandmarks.weights.trust import digest_kind, examine, judge, read_pin
from facelandmarks.zoo import MODELS

FILES = {**{name: spec.weights for name, spec in sorted(MODELS.items())}, "yunet": YUNET_FILE}  # by name of the model
LEFT_OVER = ("*.part", "*.part.json", ".*.tmp", "*.lock")


def record_of(name: str) -> FileRecord:
    """The record of a model's file, or of a file by its own name.

    Raises
    ------
    UnknownModelError
        If there is neither.
    """
    file = FILES.get(name, name)
    if file not in load_manifest().files:
        known = {*FILES, *load_manifest().files}
        raise UnknownModelError(f"no model or file {name!r}; {hint_at(name, known)}")
    return get_record(file)


def names_of_dataset(dataset: str | None) -> list[str]:
    """Models whose files are outside of the wheel, and files without a model; those of one data set, or all.

    Raises
    ------
    UnknownModelError
        If no file was trained on that data set.
    """
    files = load_manifest().files
    named = {file: name for name, file in FILES.items()}
    records = [record for record in files.values() if not record.asset]
    found = [named.get(r.name, r.name) for r in records if dataset is None or dataset in r.training_data]
    if not found:
        there = sorted({data for record in records for data in record.training_data})
        raise UnknownModelError(f"no file was trained on {dataset!r}; data sets: {', '.join(there)}")
    return found


def list_lines(folder: Path, dataset: str | None) -> list[str]:
    """A table of all files: columns of plain text, the last one as long as it is."""
    names = [name for name, file in FILES.items() if get_record(file).asset and dataset is None]
    rows = [("name", "MB", "here", "digest", "licence", "training data and its terms")]
    for name in [*names, *names_of_dataset(dataset)]:
        record, data = record_of(name), load_manifest().training_data
        file = Place(folder, record.name).file
        size = file.stat().st_size if file.is_file() else record.bytes
        here = "wheel" if record.asset else "cached" if file.is_file() else "-"
        terms = "; ".join(f"{key}: {data[key]['terms'] or 'no terms published'}" for key in record.training_data)
        rows.append((name, f"{size / 1e6:.1f}" if size else "?", here, digest_kind(record), record.licence, terms))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]) for row in rows]


def fetch(name: str, folder: Path, offline: bool | None, allow_unverified: bool, progress: bool | None) -> str:
    """Fetch a file if it is not here."""
    record = record_of(name)
    if record.asset:
        return f"{name}: in the wheel"
    path = obtain(record, cache_dir=folder, offline=offline, allow_unverified=allow_unverified, progress=progress)
    return f"{name}: {path}"


def verify(name: str, folder: Path) -> str:
    """Read a file whole, in the cache or in the wheel."""
    record = record_of(name)
    place = Place(ASSETS if record.asset else folder, record.name)
    if not place.file.is_file():
        raise DownloadError(f"{record.name} is not in {folder}: nothing to verify; fetch it first")
    found = examine(place.file)
    verdict = judge(record, found, read_pin(place))
    if verdict.action == "refuse":
        raise ChecksumError(verdict.reason)
    return f"{name}: good ({verdict.reason}), SHA-256 {found.sha256}"


def add(name: str, source: Path, folder: Path, allow_unverified: bool) -> str:
    """Register a file: its digest, then whether it fits the models that use it."""
    from facelandmarks.weights.register import add_file

    record = record_of(name)
    path = add_file(record, source, folder, lambda file: _check_fit(record, file), allow_unverified=allow_unverified)
    pin = read_pin(Place(folder, record.name))
    return f"{name}: {path}" + (f" (accepted by: {pin.basis}; SHA-256 {pin.sha256})" if pin else "")


def _check_fit(record: FileRecord, path: Path) -> None:
    """Whether a file is what its record says, and its tensors are those of the models that use it."""
    if record.dialect == "yunet_onnx":
        from facelandmarks.detection.yunet import YuNetDetector

        with tempfile.TemporaryDirectory() as folder:  # OpenCV tells the kind of a file by its name
            YuNetDetector(shutil.copyfile(path, Path(folder) / record.name))
        return
    from facelandmarks.api import load_model
    from facelandmarks.weights.checkpoint import read_checkpoint

    state = read_checkpoint(path, record.dialect)
    for model, file in FILES.items():
        if file == record.name:
            load_model(model, weights=state, device="cpu")


def path(name: str, folder: Path) -> str:
    """Where a verified file is."""
    record = record_of(name)
    if record.asset:
        return str(ASSETS / record.name)
    found = cached(record, Place(folder, record.name))
    if not found:
        raise DownloadError(f"{record.name} is not in {folder}. {by_hand(record, folder)}")
    return str(found)


def describe_url(name: str, folder: Path) -> str:
    """All that a person needs to fetch a file."""
    record = record_of(name)
    pages = [f"{page['url']}" + (f"  ({page['note']})" if "note" in page else "") for page in record.pages]
    digest = record.sha256 or record.sha256_prefix
    registered = [f"place     {folder / record.name}", f"register  facelandmarks-weights add {name} FILE"]
    places = [f"place     {ASSETS / record.name} (in the wheel)"] if record.asset else registered
    known = f"{'begins with ' if record.sha256 is None else ''}{digest}" if digest else "not published"
    return "\n".join(
        [
            f"file      {record.name}",
            *(f"url       {url}" for url in record.urls),
            *(f"page      {page}" for page in pages),
            f"bytes     {record.bytes or 'not published'}",
            f"sha256    {known}" + (f" (trust: {record.prefix_trust})" if record.prefix_trust else ""),
            *places,
        ]
    )


def bundle(out: Path, names: Sequence[str], folder: Path, allow_unverified: bool) -> str:
    """Pack files, fetched if need be."""
    from facelandmarks.weights.bundle import write_bundle

    records = list({record.name: record for record in map(record_of, names) if not record.asset}.values())
    files = [(record, obtain(record, cache_dir=folder, allow_unverified=allow_unverified)) for record in records]
    write_bundle(out, files)
    return f"{out}: {len(files)} files, {out.stat().st_size / 1e6:.1f} MB"


def unbundle(file: Path, folder: Path) -> str:
    """Take the files of a bundle."""
    from facelandmarks.weights.bundle import unpack_bundle

    return "\n".join(map(str, unpack_bundle(file, folder)))


def lock(manifest: Path, folder: Path) -> str:
    """Fill in what is known of verified files, in place."""
    document = read_document(manifest)
    check_manifest(document, manifest, {"training_data": load_manifest().training_data})
    changed = []
    for name, fields in document["files"].items():
        place = Place(folder, name)
        if fields.get("asset") or fields["sha256"] or name not in load_manifest().files or not place.file.is_file():
            continue
        cached(get_record(name), place)  # raises if it is another file
        found = examine(place.file)
        fields["bytes"], fields["sha256"] = found.bytes, found.sha256
        changed.append(name)
    if changed:
        write_file(manifest, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    return "\n".join([f"{manifest}: {len(changed)} records filled in", *changed])


def clean(name: str, folder: Path) -> str:
    """Remove a file and all that belongs to it."""
    found = Place(folder, record_of(name).name).belongings() if folder.is_dir() else []
    for item in found:
        item.unlink()
    return f"{name}: {len(found)} files removed"


def leftovers(folder: Path) -> str:
    """Remove what broken downloads left."""
    found = sorted({item for pattern in LEFT_OVER for item in folder.glob(pattern)}) if folder.is_dir() else []
    for item in found:
        item.unlink()
    return f"{folder}: {len(found)} files removed"
