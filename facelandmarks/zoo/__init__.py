"""Every model, one frozen record each. No code and no torch here: to add a model is to add a record."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from facelandmarks.errors import lookup
from facelandmarks.zoo import mediapipe, mmpose, official
from facelandmarks.zoo.spec import ModelSpec

# The models that ship in the wheel.
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
    # Both from examples/train_compact/fit_confirm.py.
    opinions={
        "compact": {"doubt": -1.741, "apart": 0.646, "detector": 2.392, "side": -0.081, "least": 4.1, "beside": 1.55}
    },
    confirm_below=0.1,
)
TINY_300W = replace(
    COMPACT_300W,
    name="tiny_300w",
    title="Tiny 68-point model in the wheel, for video and weak machines",
    network_options={"stem": (16, 32), "widths": (32, 64, 96, 112), "blocks": (1, 2, 2, 1), "neck": 32},
    weights="tiny_300w.onnx",
    opinions={
        "compact": {"doubt": -1.07, "apart": 0.676, "detector": 2.682, "side": -0.101, "least": 2.9, "beside": 1.5}
    },
    confirm_below=None,  # it was not shown anything but faces
)
BUILT_IN = (COMPACT_300W, TINY_300W)
MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {spec.name: spec for spec in (*BUILT_IN, *mediapipe.MODELS, *mmpose.MODELS, *official.MODELS)}
)
DEFAULT_MODEL = COMPACT_300W.name


def get_spec(name: str) -> ModelSpec:
    """Return the record of a model; `UnknownModelError` if there is none of that name."""
    return lookup(MODELS, name, "model")
