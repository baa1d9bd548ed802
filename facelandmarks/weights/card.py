"""The card of a model on the Hugging Face Hub, and the page of a mirror: licences, terms, published numbers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facelandmarks.schemes import get_scheme
from facelandmarks.weights.hub import import_hub
from facelandmarks.weights.load import NOT_STATED
from facelandmarks.weights.manifest import FileRecord, Manifest
from facelandmarks.zoo.spec import ModelSpec

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
    return (
        f"---\n{yaml.to_yaml()}\n---\n\n"
        + MIRROR.format(address=address)
        + "\n".join(rows)
        + f"\n\n{TERMS}\n\n{bound}\n"
    )
