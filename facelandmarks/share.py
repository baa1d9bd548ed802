"""Write a model and its card as a folder or a repository of the Hub, for `load_model`; and the page of a mirror."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facelandmarks import __version__
from facelandmarks._files import sha256_of, whole_file, write_file
from facelandmarks.api import find_source
from facelandmarks.engines.graph import filled_network
from facelandmarks.errors import InvalidOptionError
from facelandmarks.pipeline import choose
from facelandmarks.schemes import Scheme, get_scheme
from facelandmarks.weights import manifest
from facelandmarks.weights.bundle import document_of, write_mirror
from facelandmarks.weights.cache import USUAL, Access
from facelandmarks.weights.hub import import_hub, upload
from facelandmarks.weights.load import (
    CONFIG,
    NOT_STATED,
    Name,
    find_record,
    find_weights,
    model_facts,
    write_config,
    write_tensors,
)
from facelandmarks.weights.load import Source as Weights
from facelandmarks.weights.load import Weights as FoundWeights
from facelandmarks.weights.manifest import FileRecord, Manifest, load_manifest
from facelandmarks.zoo.own import WEIGHTS, spec_from_dict, spec_to_dict
from facelandmarks.zoo.spec import ModelSpec

CARD = "README.md"
# What holds for the published file and for the one that is written.
_KEPT = ("licence", "training_data", "papers", "source", "published", "notes")


def write_model(
    name: Name,
    folder: str | os.PathLike[str],
    *,
    weights: Weights | None = None,
    scheme: str | os.PathLike[str] | Scheme | None = None,
    rename: str | None = None,
    address: str | None = None,
    access: Access = USUAL,
) -> list[Path]:
    """Write `model.safetensors`, `config.json` and a card into a folder, and return their paths.

    Parameters
    ----------
    name, weights, scheme
        As for `load_model`. Of weights of your own, the card says nothing that holds for the published ones.
    folder
        Made if it is missing; files of these names are replaced.
    rename
        Name of the model in its record; None keeps it.
    address
        Where the model will be (`hf://owner/repository`), for the example in the card.
    access
        How published weights may be obtained.
    """
    folder = Path(folder)
    record, given = find_record(name, weights, access)
    file, manifest = model_facts(name if weights is None else None, access)
    spec = replace(choose(record, scheme=scheme), name=rename or record.name, weights=WEIGHTS)
    if weights is not None:
        spec = replace(spec, title=f"{spec.name}: own weights, run like {record.title}", story="")
    spec = spec_from_dict(spec_to_dict(spec))  # what is written can be read
    found = given if isinstance(given, FoundWeights) else find_weights(record.weights, given, access)
    state = found.state()
    # Built once, so that a folder that cannot be loaded is not written.
    filled_network(find_source(spec, replace(found, state=lambda: state, graph=None), access))
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / WEIGHTS) as partial:
        write_tensors(state, partial)
    path, kept = folder / WEIGHTS, {key: getattr(file, key) for key in _KEPT}
    written = FileRecord(name=WEIGHTS, dialect="safetensors", bytes=path.stat().st_size, sha256=sha256_of(path), **kept)
    own = Path(weights).name if isinstance(weights, str | os.PathLike) else "tensors"
    made_from = {"file": file.name if weights is None else own, "sha256": found.sha256}
    config = write_config(spec, document_of([written], manifest), made_from, f"facelandmarks-zoo {__version__}")
    write_file(folder / CARD, model_card(spec, written, manifest, made_from, address).encode())
    write_file(folder / CONFIG, config)
    return [path, folder / CONFIG, folder / CARD]


def push_model(name: Name, address: str, *, private: bool | None = None, **options: Any) -> str:
    """Write a model to a repository of the Hub (`hf://owner/repository`), made if missing; return the commit's address.

    Other parameters are those of `write_model`. `DownloadError` if the Hub refuses, for want of a token, say.
    """
    check_address(address)
    with tempfile.TemporaryDirectory() as folder:
        write_model(name, folder, address=address, **options)
        return upload(Path(folder), address, f"Push {name if isinstance(name, str) else 'a model'}", private=private)


def push_mirror(files: Sequence[tuple[FileRecord, Path]], address: str, *, private: bool | None = None) -> str:
    """Write verified files, their manifest and a page to a repository, as a mirror; the rest is as in `push_model`."""
    check_address(address)
    with tempfile.TemporaryDirectory() as folder:
        records = write_mirror(Path(folder), files)
        write_file(Path(folder) / CARD, mirror_page(records, load_manifest(), address).encode())
        return upload(Path(folder), address, f"Mirror {len(records)} files", private=private)


def check_address(address: str) -> None:
    """Refuse what is not the address of a repository, before anything is read: an `InvalidOptionError`."""
    match = manifest.HUB_FORM.fullmatch(address)
    if match is None or match["path"]:
        raise InvalidOptionError(f"expected {manifest.HUB}owner/repository, got {address!r}")


TASK = "keypoint-detection"
TERMS = "Weights carry no licence of their own. What their use is bound to, as far as anything is published:"
EXAMPLE = """\
```python
import facelandmarks as fl  # pip install facelandmarks-zoo

model = fl.load_model("{}")
faces = model.predict("photo.jpg")
```"""
MIRROR = """\
# Weights for facelandmarks

Copies of published files, byte for byte, each verified when it was copied; `weights_manifest.json` has their digests.
To use them: `FACELANDMARKS_MIRROR={address}`. They are trusted no more than any other source.

| file | bytes | SHA-256 | licence | training data |
| --- | --- | --- | --- | --- |
"""


def model_card(
    spec: ModelSpec, record: FileRecord, manifest: Manifest, made_from: Mapping[str, Any], address: str | None = None
) -> str:
    """Return a model's card: metadata of the Hub in YAML, then text in Markdown.

    `record` describes the file of weights, `made_from` what that was converted from; `address` is the model's own.
    """
    scheme, (width, height) = get_scheme(spec.scheme), spec.input_size
    digest = f", SHA-256 `{made_from['sha256']}`" if made_from["sha256"] else ""
    what = (
        f"{len(scheme)} landmarks ({scheme}) of a crop of {width}x{height} pixels: network `{spec.network}`, crop "
        f"`{spec.geometry}`, decoding `{spec.decode}`. `config.json` says all that is needed to run it."
    )
    origin = (
        f"`model.safetensors` was converted from `{made_from['file']}`{digest}. The tensors are the same numbers; the "
        "digest is information, not proof."
    )
    head = f"---\n{metadata(spec, record)}\n---\n\n# {spec.title}"
    parts = [
        *(head, what, EXAMPLE.format(address or "DIR"), origin),
        "## Published accuracy",
        "\n".join(numbers(record, manifest)) or "Nothing is published.",
        "## Licence and terms",
        f"Published with code under: {record.licence}.",
    ]
    if record.training_data:
        parts += [TERMS, "\n".join(f"- {name}: {terms(manifest, name)}" for name in record.training_data)]
    story = [text for text in (spec.story, *record.notes) if text]
    return "\n\n".join([*parts, *(["## What to know", *story] if story else [])]) + "\n"


def metadata(spec: ModelSpec, record: FileRecord) -> str:
    """Return the card's YAML. The licence is `other` where terms of training data come on top of that of the code."""
    hub = import_hub()
    known = record.licence != NOT_STATED
    licence: dict[str, str] = {"license": record.licence.lower() if known else "unknown"}
    if record.training_data and known:
        licence = {"license": "other", "license_name": f"{record.licence.lower()}-with-terms-of-the-training-data"}
    results = [
        hub.EvalResult(
            task_type=TASK,
            dataset_type=slug(row["dataset"]),
            dataset_name=row["dataset"],
            dataset_split=subset,
            metric_type=row["metric"].lower(),
            metric_name=f"{row['metric']} ({row['unit']}), {row['source']}",
            metric_value=value,
        )
        for row in record.published
        for subset, value in row["values"].items()
    ]
    said = {"library_name": "facelandmarks-zoo", "pipeline_tag": TASK, "tags": ["facial-landmarks", "face-alignment"]}
    data = [slug(name) for name in record.training_data]
    facts = {"model_name": spec.name, "eval_results": results} if results else {}
    yaml: str = hub.ModelCardData(**licence, **said, **facts, **({"datasets": data} if data else {})).to_yaml()
    return yaml


def slug(name: str) -> str:
    """Return a name as the Hub takes it: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def numbers(record: FileRecord, manifest: Manifest) -> Iterator[str]:
    """Give the lines of a table of the published numbers."""
    for count, row in enumerate(record.published):
        if not count:
            yield "| dataset | subset | metric | value | source | divided by |\n| --- | --- | --- | --- | --- | --- |"
        divisor = (manifest.protocols.get(row["protocol"]) or {}).get("normaliser") or "unknown"
        for subset, value in row["values"].items():
            measure = f"{row['metric']} ({row['unit']})"
            yield f"| {row['dataset']} | {subset} | {measure} | {value} | {row['source']} | {divisor} |"


def terms(manifest: Manifest, name: str) -> str:
    """Return what binds the use of a dataset."""
    data = manifest.training_data[name]
    said = [data.get("terms") or "no terms published", data.get("note"), data.get("homepage")]
    return "; ".join(str(each) for each in said if each)


def mirror_page(records: Sequence[FileRecord], manifest: Manifest, address: str) -> str:
    """Return the page of a mirror, with the card's metadata that the Hub wants."""
    rows = (
        f"| {each.name} | {each.bytes} | `{each.sha256}` | {each.licence} | {', '.join(each.training_data)} |"
        for each in records
    )
    data = sorted({name for record in records for name in record.training_data})
    bound = "\n".join(f"- {name}: {terms(manifest, name)}" for name in data)
    yaml = import_hub().ModelCardData(
        license="other", license_name="several-with-terms-of-the-training-data", pipeline_tag=TASK
    )
    table = MIRROR.format(address=address) + "\n".join(rows)
    return f"---\n{yaml.to_yaml()}\n---\n\n{table}\n\n{TERMS}\n\n{bound}\n"
