"""What models there are, without loading any (and without torch)."""

from typing import Any

from facelandmarks.schemes import get_scheme
from facelandmarks.weights.manifest import Manifest, load_manifest
from facelandmarks.zoo import MODELS, get_spec


def list_models() -> list[str]:
    """Names for `load_model`."""
    return sorted(MODELS)


def model_info(name: str) -> dict[str, Any]:
    """What a model is, where it comes from, under which terms, and how good it is.

    Raises
    ------
    UnknownModelError
        If there is no such model; near matches are listed.
    """
    spec, manifest = get_spec(name), load_manifest()
    file = manifest.files[spec.weights]
    return {
        "name": spec.name,
        "title": spec.title,
        "scheme": spec.scheme,
        "landmarks": len(get_scheme(spec.scheme)),
        "input_size": spec.input_size,
        "geometry": spec.geometry,
        "box_convention": spec.box_convention,
        "box_padding": spec.box_padding,
        "decode": spec.decode,
        "decodes": sorted({spec.decode, *spec.decodes}),
        "flip_test": spec.flip_test,
        "variant": spec.variant,
        "variants": sorted(spec.variants),
        "story": spec.story,
        "weights": file.name,
        "source": dict(file.source),
        "published": [
            {**row, "values": dict(row["values"]), "normaliser": _normaliser(manifest, row["protocol"])}
            for row in file.published
        ],
        "licence": file.licence,
        "training_data": {data: dict(manifest.training_data[data]) for data in file.training_data},
        "papers": [dict(manifest.papers[paper]) for paper in file.papers],
        "notes": list(file.notes),
    }


def _normaliser(manifest: Manifest, protocol: str | None) -> str | None:
    """What the errors of a published row are divided by."""
    found: str | None = manifest.protocols[protocol]["normaliser"] if protocol else None
    return found
