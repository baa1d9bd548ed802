"""Every model, one frozen record each. No code and no torch here: to add a model is to add a record."""

from collections.abc import Mapping
from types import MappingProxyType

from facelandmarks.errors import lookup
from facelandmarks.zoo import mediapipe, mmpose, official, rtmpose
from facelandmarks.zoo.spec import ModelSpec

# The model that ships in the wheel.
COMPACT_300W = ModelSpec(
    name="compact_300w",
    title="Compact 68-point model in the wheel",
    network="compact",
    network_options={},
    scheme="ibug68",
    weights="compact_300w.onnx",
    input_size=(128, 128),
    geometry="classic",
    decode="points",
    flip_test=False,
    flip_average="points",
    box_convention="tight",
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
)
MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {spec.name: spec for spec in (COMPACT_300W, *mediapipe.MODELS, *mmpose.MODELS, *official.MODELS, *rtmpose.MODELS)}
)
DEFAULT_MODEL = COMPACT_300W.name


def get_spec(name: str) -> ModelSpec:
    """Return the record of a model; `UnknownModelError` if there is none of that name."""
    return lookup(MODELS, name, "model")
