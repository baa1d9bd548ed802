"""Find the record and the weights of a model, published or the user's own, and read the tensors.

Models in a folder or a repository of the Hub are `model.safetensors` and `config.json`: a record of the zoo, and of its
file what the manifest says. It is checked value by value; what it says of digests and accuracy is no proof.
"""

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks._files import parse_json, sha256_of
from facelandmarks._rules import first_problem, hexadecimal, is_text, object_of, of_type, one_of, or_null, table_of
from facelandmarks.errors import (
    CheckpointError,
    ChecksumError,
    FaceLandmarksError,
    MissingCheckpointError,
    UnknownNameError,
    hint_at,
    import_of,
)
from facelandmarks.weights.cache import MOST_BYTES, USUAL, Access, Place, is_good_copy, keep_copy, read_pin
from facelandmarks.weights.hub import pinned
from facelandmarks.weights.manifest import (
    ASSETS,
    DIALECTS,
    HUB,
    TABLES,
    FileRecord,
    FileSource,
    Manifest,
    check_manifest,
    get_record,
    hub_parts,
    load_manifest,
    manifest_from,
)
from facelandmarks.weights.manifest import SCHEMA as MANIFEST_SCHEMA
from facelandmarks.zoo import MODELS
from facelandmarks.zoo.own import WEIGHTS, spec_from_dict, spec_to_dict
from facelandmarks.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from facelandmarks.weights.checkpoint import Shapes, State

CONVERSION = 1  # increase it when names or numbers of converted tensors change
NOT_STATED = "not stated"  # licence of weights of which nothing is known
CONFIG = "config.json"
SCHEMA = "facelandmarks-model/1"
MOST_CONFIG = 1_000_000  # bytes
_RULES = {
    "schema": (repr(SCHEMA), one_of((SCHEMA,))),
    "model": ("an object with the fields of a model's record", of_type(dict)),
    **dict.fromkeys(("files", *TABLES), ("an object of objects", table_of(of_type(dict)))),
    "made_from": (
        "an object of file and sha256, or null",
        or_null(object_of({"file": is_text, "sha256": or_null(hexadecimal("64"))})),
    ),
    "made_by": ("a text", is_text),
}
Name = str | os.PathLike[str] | ModelSpec
Source = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class Weights:
    """The weights of a network, verified or the user's own, still to be read."""

    state: Callable[[], "State"]  # reads the tensors: float32 arrays under the names of `facelandmarks.nn`
    sha256: str | None = None  # of the file; None for tensors
    folder: Path | None = None  # for what is made from them; None: nothing is
    graph: Path | None = None  # a built-in model, which engines other than PyTorch open as it is
    shapes: "Callable[[], Shapes] | None" = None  # reads names and shapes alone, of what nobody vouches for


def read_record(name: Name, access: Access) -> ModelSpec:
    """Return the record of a model, without its weights; `name` is as in `facelandmarks.load_model`."""
    return find_record(name, {}, access)[0]


def find_record(name: Name, weights: Source | None, access: Access) -> tuple[ModelSpec, Source | Weights | None]:
    """Return the record of a model, and its weights: those that are given, its own, or None for the published ones."""
    if isinstance(name, ModelSpec):
        return name, weights
    if isinstance(name, str) and name in MODELS:
        return MODELS[name], weights
    home, config = _find_config(name, access)
    if weights is not None:
        return config.spec, weights
    path, sha256 = _obtain(home, config.spec.weights, access)
    said = config.file.sha256 if config.file else None
    if said not in (None, sha256):
        raise ChecksumError(f"{path} is damaged: its SHA-256 is {sha256}, and {CONFIG} says {said}")

    def shapes() -> "Shapes":
        from facelandmarks.weights.checkpoint import read_shapes

        return read_shapes(path)

    def state() -> "State":
        from facelandmarks.weights.checkpoint import read_checkpoint

        return read_checkpoint(path, "safetensors")

    # Nobody vouches for them: shapes are compared before memory is taken.
    return config.spec, Weights(state, sha256, access.folder, shapes=shapes)


def model_facts(name: Name | None, access: Access) -> tuple[FileRecord, Manifest]:
    """Return what is known of the file of a model's weights (None: the user's own), and the manifest it refers to."""
    if isinstance(name, str) and name in MODELS:
        return get_record(MODELS[name].weights), load_manifest()
    config = None if name is None or isinstance(name, ModelSpec) else _find_config(name, access)[1]
    if config is not None and config.file is not None:
        return config.file, config.manifest
    return FileRecord(name=WEIGHTS, dialect="safetensors", licence=NOT_STATED), manifest_from({})


@dataclass(frozen=True)
class Config:
    """A model's record, and what is said of its file of weights, if anything."""

    spec: ModelSpec
    file: FileRecord | None
    manifest: Manifest  # of that file and what it refers to


def read_config(content: bytes, where: object) -> Config:
    """Return what a `config.json` says; a `CheckpointError` names the first value that is wrong."""
    try:
        document = parse_json(content)
    except ValueError as error:
        raise CheckpointError(f"{where} is not JSON: {error}") from error
    if problem := first_problem(document, _RULES, _RULES.keys() - {"schema", "model"}):
        raise CheckpointError(f"{where}: {problem}")
    said = {name: document.get(name, {}) for name in ("files", *TABLES)}
    check_manifest({"schema": MANIFEST_SCHEMA, **said}, where)
    try:
        spec = spec_from_dict(document["model"])
    except FaceLandmarksError as error:
        raise CheckpointError(f"{where}: {error}") from error
    manifest = manifest_from(said)
    return Config(spec, manifest.files.get(spec.weights), manifest)


def write_config(spec: ModelSpec, document: Mapping[str, Any], made_from: Mapping[str, Any] | None, by: str) -> bytes:
    """Return the content of a `config.json`; `document` is the manifest of the model's one file."""
    said = {name: document[name] for name in ("files", *TABLES)}
    config = {"schema": SCHEMA, "made_by": by, "model": spec_to_dict(spec), "made_from": made_from, **said}
    return (json.dumps(config, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_tensors(state: "State", path: Path) -> None:
    """Write the tensors of a network as safetensors."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file({key: value.copy(order="C") for key, value in state.items()}, path, {"format": "pt"})
    except SafetensorError as error:  # the disk is full, say
        raise OSError(errno.EIO, str(error), os.fspath(path)) from error


def _find_config(name: str | os.PathLike[str], access: Access) -> tuple[str | Path, Config]:
    """Return where the files of a model of the user's own are, and its config."""
    if not name or not isinstance(name, str | os.PathLike):
        raise UnknownNameError(f"no model {name!r}; give a name, a folder, hf://owner/repository or FILE.json")
    text = os.fspath(name)
    home: str | Path = text if text.startswith(HUB) else Path(text)
    file = CONFIG
    if isinstance(home, str) and hub_parts(home, need_path=False)[1]:
        raise CheckpointError(f"{text} is a file: a model is hf://owner/repository; a file goes into weights=")
    if isinstance(home, Path) and not home.is_dir():
        if home.suffix.lower() != ".json":
            hint = f"{hint_at(text, MODELS)}, or a folder, hf://owner/repository or FILE.json"
            raise UnknownNameError(f"no model {text!r}; {hint}")
        home, file = home.parent, home.name
    path, _ = _obtain(home, file, access, MOST_CONFIG)
    if path.stat().st_size > MOST_CONFIG:
        raise CheckpointError(f"{path} has more than {MOST_CONFIG} bytes")
    return home, read_config(path.read_bytes(), path)


def _obtain(home: str | Path, name: str, access: Access, most: int = MOST_BYTES) -> tuple[Path, str]:
    """Return the path of a model's file, and its SHA-256."""
    if isinstance(home, str):
        return pinned(f"{home}/{name}", access, most)
    path = home / name
    if path.is_file():
        return path, sha256_of(path)
    if path.suffix == ".safetensors":
        raise CheckpointError(f"no weights beside the record: {path} is missing; give weights=FILE (--weights FILE)")
    raise CheckpointError(f"no such file: {path}; facelandmarks-weights push --to DIR writes a folder with {CONFIG}")


def find_weights(name: str, given: Source | None = None, access: Access = USUAL) -> Weights:
    """Return the user's own weights, or else the published file `name`, obtained as by `fetch.obtain`."""
    if isinstance(given, str) and given.startswith(HUB):
        return find_on_hub(given, access)
    if isinstance(given, Mapping):
        return Weights(partial(read_given, given))
    if given is not None:
        try:
            path = Path(given)
        except TypeError as error:
            kind = type(given).__name__
            raise CheckpointError(
                f"weights are a file or a mapping (`state_dict()` of a module); got {kind}"
            ) from error
        if not path.is_file():
            raise MissingCheckpointError(f"no such weights file: {path}")
        return Weights(partial(read_given, path), sha256_of(path))
    record = get_record(name)
    if not record.asset:
        return obtained(record, access)
    asset = ASSETS / record.name
    digest = sha256_of(asset) if asset.is_file() else None
    if digest is None or digest != record.sha256:
        found = f"damaged: its SHA-256 is {digest}, not {record.sha256}" if digest else "missing from this installation"
        raise ChecksumError(f"{asset} is {found}. Please install the package again")
    return Weights(partial(read_verified, record, asset, digest), digest, graph=asset)


def obtained(record: FileRecord, access: Access) -> Weights:
    """Return the weights of a published file, obtained as by `fetch.obtain`."""
    from facelandmarks.weights.fetch import obtain

    path = obtain(record, access)
    pin = read_pin(Place(path.parent, record.name))
    sha256 = pin.sha256 if pin else sha256_of(path)
    return Weights(partial(read_verified, record, path, sha256), sha256, path.parent)


def find_on_hub(url: str, access: Access) -> Weights:
    """Return the weights at an `hf://` address: a file of the manifest, or safetensors that are pinned at first use."""
    name = hub_parts(url)[1].rpartition("/")[2]
    record = load_manifest().files.get(name)
    if record is not None and not record.asset:
        return obtained(replace(record, sources=(FileSource(url, "mirror"),)), access)
    if not name.endswith(".safetensors"):
        raise CheckpointError(
            f"{url}: {name} is not in the manifest, and of other repositories only *.safetensors are read. If you "
            "trust the file, fetch it yourself and give its path"
        )
    path, sha256 = pinned(url, access)
    return Weights(partial(read_given, path), sha256, access.folder)


def read_verified(record: FileRecord, path: Path, sha256: str) -> "State":
    """Read a published file; of a pickle, which is slow to read, a safetensors copy is kept beside it."""
    with import_of("torch"):
        from facelandmarks.weights.checkpoint import read_checkpoint
    if DIALECTS[record.dialect].format != "torch":
        return read_checkpoint(path, record.dialect)
    copy = Place(path.parent, record.name).converted(sha256, CONVERSION)
    if is_good_copy(copy):
        return read_checkpoint(copy.file, "safetensors")
    state = read_checkpoint(path, record.dialect)
    keep_copy(copy, partial(write_tensors, state))
    return state


def read_given(source: Source) -> "State":
    """Read what a user brings: a checkpoint of any dialect, or tensors by name, with what tools wrap around them."""
    with import_of("torch"):
        from facelandmarks.weights.checkpoint import from_tensors, read_raw
        from facelandmarks.weights.wrapped import find_tensors, unwrap_names
    if isinstance(source, Mapping):
        where = "weights"
        tensors: Mapping[str, Any] = find_tensors(source, where)
    else:
        of_suffix = {dialect.suffix: name for name, dialect in DIALECTS.items()}
        where = os.fspath(source)
        tensors = read_raw(where, of_suffix.get(Path(where).suffix.lower(), "mmpose1x"))
    tensors = unwrap_names(tensors, where)
    if any(name.startswith(("backbone.", "keypoint_head.")) for name in tensors):
        dialect = "mmpose0x"  # leaves names of 1.x, which are ours, alone
    else:
        dialect = "hrnet_official" if any(name.startswith("stage4.") for name in tensors) else "mmpose1x"
    return from_tensors(where, tensors, dialect)
