"""The models that ship in the wheel."""

from facelandmarks.zoo.spec import ModelSpec

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

MODELS = (COMPACT_300W,)
