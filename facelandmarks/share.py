"""Write a model as a folder or as a repository of the Hub, from which `load_model` loads it on any machine."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facelandmarks import __version__
from facelandmarks._files import sha256_of, whole_file, write_file
from facelandmarks.api import find_source
from facelandmarks.engines.graph import filled_network
from facelandmarks.errors import InvalidOptionError
from facelandmarks.pipeline import choose
from facelandmarks.schemes import Scheme
from facelandmarks.weights import addresses
from facelandmarks.weights.bundle import document_of, write_mirror
from facelandmarks.weights.cache import USUAL, Access
from facelandmarks.weights.card import mirror_page, model_card
from facelandmarks.weights.folder import CONFIG, write_config, write_tensors
from facelandmarks.weights.load import Name, find_record, find_weights, model_facts
from facelandmarks.weights.load import Source as Weights
from facelandmarks.weights.load import Weights as FoundWeights
from facelandmarks.weights.manifest import FileRecord, load_manifest
from facelandmarks.zoo.own import WEIGHTS, spec_from_dict, spec_to_dict

CARD = "README.md"
# What holds for the published file and not for the one that is written.
_CONVERTED: dict[str, Any] = {
    "name": WEIGHTS,
    "dialect": "safetensors",
    "asset": False,
    **dict.fromkeys(("sources", "pages", "same_tensors"), ()),
    **dict.fromkeys(("sha256_prefix", "prefix_trust", "git_blob_sha1")),
}


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
    path = folder / WEIGHTS
    written = replace(file, **_CONVERTED, bytes=path.stat().st_size, sha256=sha256_of(path))
    own = Path(weights).name if isinstance(weights, str | os.PathLike) else "tensors"
    made_from = {"file": file.name if weights is None else own, "sha256": found.sha256}
    config = write_config(spec, document_of([written], manifest), made_from, f"facelandmarks-zoo {__version__}")
    write_file(folder / CARD, model_card(spec, written, manifest, made_from, address).encode())
    write_file(folder / CONFIG, config)
    return [path, folder / CONFIG, folder / CARD]


def push_model(name: Name, address: str, *, private: bool | None = None, **options: Any) -> str:
    """Write a model to a repository of the Hub (`hf://owner/repository`), which is made if it is missing.

    Other parameters are those of `write_model`. The address of the commit is returned; `DownloadError` if the Hub
    refuses, for want of a token, say.
    """
    from facelandmarks.weights.hub import upload

    check_address(address)
    with tempfile.TemporaryDirectory() as folder:
        write_model(name, folder, address=address, **options)
        return upload(Path(folder), address, f"Push {name if isinstance(name, str) else 'a model'}", private=private)


def push_mirror(files: Sequence[tuple[FileRecord, Path]], address: str, *, private: bool | None = None) -> str:
    """Write verified files by name, their manifest and a page on them to a repository, which may serve as a mirror.

    The address of the commit is returned; errors as in `push_model`.
    """
    from facelandmarks.weights.hub import upload

    check_address(address)
    with tempfile.TemporaryDirectory() as folder:
        records = write_mirror(Path(folder), files)
        write_file(Path(folder) / CARD, mirror_page(records, load_manifest(), address).encode())
        return upload(Path(folder), address, f"Mirror {len(records)} files", private=private)


def check_address(address: str) -> None:
    """Refuse what is not the address of a repository, before anything is read: an `InvalidOptionError`."""
    match = addresses.HUB_FORM.fullmatch(address)
    if match is None or match["path"]:
        raise InvalidOptionError(f"expected {addresses.HUB}owner/repository, got {address!r}")
