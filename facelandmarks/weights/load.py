"""Find the weights of a network, published or brought by the user, and read their tensors."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks._files import sha256_of
from facelandmarks.errors import CheckpointError, ChecksumError
from facelandmarks.weights.cache import USUAL, Access, Place, is_good_copy, keep_copy, read_pin
from facelandmarks.weights.manifest import ASSETS, DIALECTS, FileRecord, get_record

if TYPE_CHECKING:
    from facelandmarks.weights.checkpoint import State

CONVERSION = 1  # increase it when names or numbers of converted tensors change
Source = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """A verified file of the manifest."""

    record: FileRecord
    path: Path
    sha256: str
    folder: Path | None  # for what is made from it; None: nothing is

    @property
    def graph(self) -> Path | None:
        """Return the file of a built-in model, which engines other than PyTorch open as it is."""
        return verified_asset(self.record) if self.record.asset else None

    def state(self) -> "State":
        """Read the tensors: float32 arrays under the names of `facelandmarks.nn`.

        The first load of a pickle reads the file; later ones read a safetensors copy beside it.

        Raises
        ------
        CheckpointError, ChecksumError
            If the file holds anything but a network's tensors; is missing from the package, or damaged.
        """
        from facelandmarks.weights.checkpoint import read_checkpoint

        if self.record.asset:
            return read_checkpoint(verified_asset(self.record), self.record.dialect)
        if DIALECTS[self.record.dialect].format != "torch":
            return read_checkpoint(self.path, self.record.dialect)
        copy = Place(self.path.parent, self.record.name).converted(self.sha256, CONVERSION)
        if is_good_copy(copy):
            return read_checkpoint(copy.file, "safetensors")
        state = read_checkpoint(self.path, self.record.dialect)
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        tensors = {key: value.copy(order="C") for key, value in state.items()}
        keep_copy(copy, lambda path: save_file(tensors, path), (OSError, SafetensorError))
        return state


@dataclass(frozen=True)
class Given:
    """Weights that the user brings, as for `read_given`; nothing made from them is kept."""

    source: Source
    folder: None = None
    graph: None = None

    @property
    def sha256(self) -> str | None:
        """Return the SHA-256 of a file; None for tensors, and for a missing file, which `state` reports."""
        if isinstance(self.source, Mapping) or not Path(self.source).is_file():
            return None
        return sha256_of(Path(self.source))

    def state(self) -> "State":
        """Read the tensors: float32 arrays under the names of `facelandmarks.nn`."""
        return read_given(self.source)


def find_weights(name: str, given: Source | None = None, access: Access = USUAL) -> Published | Given:
    """Return the user's own weights, or else the published file `name`, obtained as by `fetch.obtain`."""
    if given is not None:
        return Given(given)
    record = get_record(name)
    if record.asset and record.sha256 is not None:
        return Published(record, ASSETS / name, record.sha256, None)
    from facelandmarks.weights.fetch import obtain

    path = obtain(record, access)
    pin = read_pin(Place(path.parent, name))
    return Published(record, path, pin.sha256 if pin else sha256_of(path), path.parent)


def verified_asset(record: FileRecord) -> Path:
    """Return the path of a built-in model, or raise `ChecksumError` if it is missing or damaged."""
    path = ASSETS / record.name
    if not path.is_file():
        raise ChecksumError(f"{path} is missing from this installation: please install the package again")
    digest = sha256_of(path)
    if digest != record.sha256:
        raise ChecksumError(
            f"{path} is damaged: its SHA-256 is {digest}, not {record.sha256}. Please install the package again"
        )
    return path


def read_given(source: Source) -> "State":
    """Read tensors that a user brings: float32 arrays under the names of `facelandmarks.nn`.

    Parameters
    ----------
    source
        Path of a checkpoint (`torch.save` in either format, safetensors, or the ONNX file of a built-in model), or
        tensors or arrays by name. Names may be those of MMPose 0.x or 1.x, of the official HRNet repository, or ours,
        each also with `module.` in front, and in an outer "state_dict".

    Raises
    ------
    CheckpointError
        If the file is missing, cannot be read, names code, or holds anything but a network's tensors.
    """
    from facelandmarks.weights.checkpoint import from_tensors, read_raw

    if isinstance(source, Mapping):
        inner = source.get("state_dict")
        tensors: Mapping[str, Any] = inner if isinstance(inner, Mapping) else source
        where = "weights"
    else:
        path = Path(source)
        if not path.is_file():
            raise CheckpointError(f"no such weights file: {path}")
        of_suffix = {dialect.suffix: name for name, dialect in DIALECTS.items()}
        tensors, where = read_raw(path, of_suffix.get(path.suffix.lower(), "mmpose1x")), str(path)
    names = [str(name).removeprefix("module.") for name in tensors]
    if any(name.startswith(("backbone.", "keypoint_head.")) for name in names):
        dialect = "mmpose0x"  # leaves names of 1.x, which are ours, alone
    else:
        dialect = "hrnet_official" if any(name.startswith("stage4.") for name in names) else "mmpose1x"
    return from_tensors(where, tensors, dialect)
