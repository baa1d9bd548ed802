"""The normalisation that precedes every network, and a network as an ONNX graph for any number of crops."""

import io
import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from facelandmarks.errors import require
from facelandmarks.nn.build import fuse_batch_norms

OPSET = 17
Decode = Callable[[Tensor], tuple[Tensor, ...]]
INPUT, OUTPUT = "pixels", "output"
_TRACED = 2  # crops: with one, the exporter might take an axis of length 1 for a constant


class Normalised(nn.Module):
    """A network behind the normalisation of RGB crops, uint8 (N, H, W, 3), and before a decoder if there is one.

    Normalises in float32 with `mean` and `std` per channel, on the scale 0 to 255; the network gets (N, 3, H, W) of
    number type `dtype`.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        decode: Decode | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.network, self.decode, self.dtype = network, decode, dtype
        self.mean: Tensor
        self.inverse_std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("inverse_std", 1.0 / torch.tensor(std).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        # A permuted channels-last array is already in the memory order that convolutions want.
        normalised = (pixels.permute(0, 3, 1, 2).float() - self.mean) * self.inverse_std
        if self.dtype != torch.float32:  # a graph would keep even a cast that changes nothing
            normalised = normalised.to(self.dtype)
        output: Tensor = self.network(normalised)
        return self.decode(output) if self.decode else output


def build_graph(
    network: nn.Module,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    size: tuple[int, int] | None,
    metadata: Mapping[str, str],
    decode: Decode | None = None,
    outputs: tuple[str, ...] = (OUTPUT,),
) -> bytes:
    """Return the bytes of the ONNX file of `Normalised`: crops uint8 (N, H, W, 3) in, `outputs` float32 out.

    Batch norms are folded in place. `size` is the width and height of the crops in pixels; None leaves both open.
    """
    network.eval().requires_grad_(False)
    fuse_batch_norms(network)
    return trace(Normalised(network, mean, std, decode).eval(), size, outputs, metadata)


def trace(
    module: nn.Module, size: tuple[int, int] | None, outputs: tuple[str, ...], metadata: Mapping[str, str]
) -> bytes:
    """Return the bytes of the ONNX file of a module that takes crops uint8 (N, H, W, 3); see `build_graph`."""
    onnx = require("onnx", "writing an ONNX file", "onnx")
    width, height = size or (256, 256)
    axes = {INPUT: {0: "n"} if size else {0: "n", 1: "height", 2: "width"}, **{name: {0: "n"} for name in outputs}}
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # The older of PyTorch's two exporters gives equal numbers in a tenth of the time, without onnxscript.
        warnings.simplefilter("ignore", DeprecationWarning)
        # There the size of maps becomes a constant on purpose.
        warnings.filterwarnings("ignore", module="facelandmarks.nn.integral")
        torch.onnx.export(
            module,
            (torch.zeros(_TRACED, height, width, 3, dtype=torch.uint8),),
            file,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_axes=axes,
        )
    graph = onnx.load_from_string(file.getvalue())
    for key, value in metadata.items():
        graph.metadata_props.add(key=key, value=value)
    content: bytes = graph.SerializeToString()
    return content
