"""State dicts of the golden models, made from names alone; the recipe is in the goldens' README.

Every tensor is drawn from a generator seeded by the model's name and its own; statistics of batch norms and the scale
of the output layer come from a calibration file, without which the maps of the HRNets would be far too large.
"""

import hashlib
from pathlib import Path

import numpy as np
from golden_files import arrays, document

# The first of these that a model has; RTMPose's final_layer is not its last.
OUTPUT_LAYERS = (("head.cls_x", "head.cls_y"), ("head.final_layer",), ("head.fc",), ("head.3",))


def keys_of(folder: Path, model: str) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a golden model, in the file's order; `folder` is one of the goldens' three."""
    content = document(folder / "keys" / f"{model}.json")
    entries = content["keys"] if isinstance(content, dict) else content
    return [(key, tuple(shape)) for key, shape, _ in entries]


def golden_weights(folder: Path, model: str) -> dict[str, np.ndarray]:
    """The calibrated state dict of a model with goldens, under upstream's names."""
    entries = keys_of(folder, model)
    norms = {key.removesuffix(".running_mean") for key, _ in entries if key.endswith(".running_mean")}
    calibration = arrays(folder / "calibration" / f"{model}.npz")
    state = {}
    for key, shape in entries:
        if key.endswith("num_batches_tracked"):
            state[key] = np.zeros(shape, np.int64)
        elif key in calibration:
            state[key] = calibration[key].astype(np.float32)
        else:
            state[key] = drawn(model, key, shape, norms)
    scale_output(state, calibration)
    return state


def drawn(model: str, key: str, shape: tuple[int, ...], norms: set[str]) -> np.ndarray:
    """One tensor by the rules: evaluated in float64, rounded once."""
    digest = hashlib.sha256(f"facelandmarks-golden-1/{model}/{key}".encode()).digest()
    z = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little"))).standard_normal(shape)
    owner, leaf = key.rsplit(".", 1)
    if leaf in {"bias", "beta"}:
        value = 0.1 * z
    elif leaf in {"g", "gamma", "scale"}:  # of RTMPose's head
        value = 1 + 0.1 * z
    elif owner not in norms:
        value = z * np.sqrt(2 / np.prod(shape[1:]))
    else:
        value = 0.5 + 0.05 * z if ends_branch(owner, norms) else 1 + 0.1 * z
    return value.astype(np.float32)


def ends_branch(norm: str, norms: set[str]) -> bool:
    """Whether a norm is the last of a residual branch; blocks are numbered, which the stem is not."""
    block, _, name = norm.rpartition(".")
    if not block.rpartition(".")[2].isdigit():
        return False
    return name == "bn3" or (name == "bn2" and f"{block}.bn3" not in norms)


def scale_output(state: dict[str, np.ndarray], calibration: dict[str, np.ndarray]) -> None:
    """Scale and shift the output layers, in place; MMPose 0.x's goldens round once, the others after each step."""
    scale, shift = calibration["final_scale"], calibration.get("final_shift", np.float32(0))
    if "final_weight_key" in calibration:
        layers = (str(calibration["final_weight_key"]).removesuffix(".weight"),)
    else:
        layers = next(names for names in OUTPUT_LAYERS if f"{names[0]}.weight" in state)
    work = scale.dtype  # float64 in MMPose 0.x's files, float32 in the others
    for layer in layers:
        state[f"{layer}.weight"] = (state[f"{layer}.weight"].astype(work) * scale).astype(np.float32)
        if f"{layer}.bias" in state:
            bias = state[f"{layer}.bias"].astype(work) * scale + shift.astype(work)
            state[f"{layer}.bias"] = bias.astype(np.float32)


def digest_of(state: dict[str, np.ndarray]) -> str:
    """SHA-256 over all floating tensors as little-endian float32, in order."""
    digest = hashlib.sha256()
    for value in state.values():
        if value.dtype == np.float32:
            digest.update(np.ascontiguousarray(value, "<f4").tobytes())
    return digest.hexdigest()
