"""Tensors of a published file. The first load reads the checkpoint; later ones read a safetensors copy beside it."""

from facelandmarks.weights.builtin import load_builtin
from facelandmarks.weights.cache import Place
from facelandmarks.weights.checkpoint import State, read_checkpoint
from facelandmarks.weights.copies import is_good_copy, keep_copy
from facelandmarks.weights.locate import Located
from facelandmarks.weights.manifest import get_record

CONVERSION = 1  # to be counted up when names or numbers of converted tensors change
CONVERTED = ("mmpose0x", "mmpose1x", "hrnet_official")  # dialects that are pickles


def load_published(name: str, file: Located) -> State:
    """Tensors of a file of the manifest, by our names; converted as needed.

    Parameters
    ----------
    name
        Key of the manifest.
    file
        Where it is (`facelandmarks.weights.locate`).

    Raises
    ------
    CheckpointError
        If it cannot be read, names code, or holds something else than a network's tensors.
    """
    record = get_record(name)
    if record.asset:
        return load_builtin(name)
    if record.dialect not in CONVERTED:
        return read_checkpoint(file.path, record.dialect)
    copy = Place(file.copies, name).converted(file.sha256, CONVERSION)
    if is_good_copy(copy):
        return read_checkpoint(copy.file, "safetensors")
    state = read_checkpoint(file.path, record.dialect)
    _keep(state, copy)
    return state


def _keep(state: State, copy: Place) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    tensors = {key: value.copy(order="C") for key, value in state.items()}
    keep_copy(copy, lambda path: save_file(tensors, path), (OSError, SafetensorError))
