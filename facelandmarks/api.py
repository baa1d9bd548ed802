"""The functions at the top of the package."""

from typing import Any

from numpy.typing import ArrayLike

from facelandmarks.engines.torch import TorchEngine
from facelandmarks.errors import InvalidOptionError
from facelandmarks.model import Model
from facelandmarks.nn.build import build_network
from facelandmarks.results import Landmarks
from facelandmarks.weights.builtin import load_builtin
from facelandmarks.weights.checkpoint import load_state
from facelandmarks.zoo import DEFAULT_MODEL, get_spec

ENGINES = ("auto", "torch")


def load_model(
    name: str = DEFAULT_MODEL,
    *,
    device: str = "auto",
    engine: str = "auto",
    dtype: str = "float32",
    threads: int | None = None,
    flip_test: bool | None = None,
    decode: str | None = None,
) -> Model:
    """Load a model with its weights.

    Parameters
    ----------
    name
        One of `list_models()`.
    device
        `"auto"` (CUDA, then MPS, then CPU), or a device of PyTorch such as `"cuda:1"`.
    engine
        `"torch"`; `"auto"` picks it.
    dtype
        `"float32"`, `"bfloat16"` or `"float16"`.
    threads
        CPU threads of one prediction; None leaves PyTorch's setting.
    flip_test, decode
        Other than published: average the mirror image too; another way from heatmaps to points (`"argmax"` or
        `"dark"`, for models of heatmaps).

    Raises
    ------
    UnknownModelError
        If there is no such model; near matches are listed.
    DeviceError
        If the device cannot be had.
    InvalidOptionError
        If an option has no such value.
    ChecksumError, CheckpointError
        If the weights are damaged or do not fit.
    """
    spec = get_spec(name)
    if engine not in ENGINES:
        raise InvalidOptionError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    network = build_network(spec.network, spec.network_options)
    load_state(network, load_builtin(spec.weights), spec.name)
    runner = TorchEngine(network, spec.mean, spec.std, device=device, dtype=dtype, threads=threads)
    return Model(spec, runner, flip_test=flip_test, decode=decode)


def predict(image: Any, bbox: ArrayLike | None = None, **options: Any) -> Landmarks:
    """Landmarks of one picture with the default model; the arguments are those of `Model.predict`.

    The model is loaded for each call: for more than one picture, keep what `load_model` returns.
    """
    return load_model().predict(image, bbox, **options)
