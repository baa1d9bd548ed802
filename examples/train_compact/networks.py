"""The networks that are trained here: how they start, and what training sees of the detector."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facelandmarks.nn.compact import (
    LARGEST_LOG_SIDE,
    POINTS,
    USUAL_SIDE,
    CompactDetectorNet,
    CompactLandmarkNet,
    ResidualBlock,
)

LANDMARKS = 68
FIRST_LOGIT = -4.6  # one face in a hundred cells, so that the first steps are not all about background
# Where the points of an average upright face lie, from the middle of its tight box in half sides (x, y): right eye,
# left eye, nose, right and left mouth corner. Medians over the 300-W training faces.
USUAL_POINTS = ((-0.45, -0.62), (0.45, -0.62), (0.0, -0.11), (-0.39, 0.33), (0.39, 0.33))
# Divides the pixels of the detector, so that it sees 0..2: black is zero, as is what pads an image. In the file of
# weights the first convolution does.
BRIGHTEST = 127.5


@dataclass(frozen=True)
class Network:
    """One network: its crop's side in pixels, and the arguments in which it differs from `compact`."""

    side: int
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self) -> CompactLandmarkNet:
        net = CompactLandmarkNet(LANDMARKS, **self.arguments)
        start_blocks(net)
        nn.init.normal_(net.head[2].weight, std=0.01)
        return net


NETWORKS = {
    "compact": Network(128),
    # Chosen by measured time in ONNX Runtime: dense 3x3 convolutions of few channels beat depthwise ones.
    "tiny": Network(128, {"stem": (16, 32), "widths": (32, 64, 96, 112), "blocks": (1, 2, 2, 1), "neck": 32}),
}


def start_blocks(net: nn.Module) -> None:
    """Start each block as its shortcut: with a branch at zero."""
    for block in net.modules():
        if isinstance(block, ResidualBlock):
            nn.init.zeros_(block.conv2[1].weight)


def new_detector() -> CompactDetectorNet:
    """Return a detector that gives the same small score and face everywhere."""
    net = CompactDetectorNet()
    start_blocks(net)
    for layer in net.head:
        nn.init.normal_(layer.weight, std=0.01)
        nn.init.zeros_(layer.bias)
        layer.bias.data[0] = FIRST_LOGIT
        layer.bias.data[5:] = torch.tensor(USUAL_POINTS).flatten()
    return net


def outputs_of(net: CompactDetectorNet, x: Tensor) -> Tensor:
    """Return what a detector says before it is decoded, (N, L, 15): the maps of all levels, cell by cell."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in net.maps(x)], 1)


def boxes_of(outputs: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Return boxes (..., L, 4), xyxy, of outputs (..., L, 15) of cells at `centres` (L, 2); all in pixels.

    The same arithmetic as `decode_map` of `facelandmarks.nn.compact`, but for cells that are picked out.
    """
    middle = centres + outputs[..., 1:3] * strides[:, None]
    half = outputs[..., 3:5].clamp(max=LARGEST_LOG_SIDE).exp() * (strides[:, None] * USUAL_SIDE / 2)
    return torch.cat([middle - half, middle + half], -1)


def points_of(outputs: Tensor, boxes: Tensor) -> Tensor:
    """Return points (..., L, 5, 2) in pixels of outputs (..., L, 15) with their boxes (..., L, 4); see `boxes_of`."""
    low, high = boxes[..., None, :2], boxes[..., None, 2:]
    relative = outputs[..., 5:].reshape(*outputs.shape[:-1], POINTS, 2)
    return (low + high) / 2 + relative * (high - low) / 2


def inherit(net: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Fill a network with the weights of one of the same kind that is as large or larger.

    Of more channels than wanted, those on which the next layers rest most are taken, the same ones in every
    layer that shares them; of the blocks, the first. After a few hundred steps this is far ahead of a random start (Xu
    et al., Initializing Models with Larger Ones, ICLR 2024). The shape correction and the expected errors stay out:
    they belong to the weights as they were.
    """
    state = net.state_dict()
    use: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(1))
    for name, old in weights.items():
        if old.ndim == 4:
            use[channels_of(name)[1]] = use[channels_of(name)[1]] + np.square(old).sum((0, 2, 3))
    kept: dict[str, np.ndarray] = {}
    for name, new in state.items():
        if new.ndim == 4:
            for group, wanted, there in zip(channels_of(name), new.shape, weights[name].shape, strict=False):
                best = np.argsort(-use[group])[:wanted]
                kept[group] = np.sort(best) if wanted < there else np.arange(there)
    for name, new in state.items():
        if new.ndim == 4:
            outputs, inputs = (kept[group] for group in channels_of(name))
            new.copy_(torch.from_numpy(weights[name][outputs][:, inputs]))
        elif name in weights and not name.startswith(("shape.", "expected.")):
            new.copy_(torch.from_numpy(weights[name][kept[channels_of(name)[0]]]))


def channels_of(name: str) -> tuple[str, str]:
    """Return the names of a layer's outgoing and incoming channels; what is added together has one name."""
    kind, *rest = name.split(".")
    if kind == "stem":
        return ("stem", "colours") if rest[0] == "0" else ("stage0", "stem")
    if kind == "stages":
        stage, block, part = int(rest[0]), int(rest[1]), rest[2]
        before = f"stage{stage if block or not stage else stage - 1}"
        inner = f"stage{stage}.{block}"
        return {"conv1": (inner, before), "conv2": (f"stage{stage}", inner)}.get(part, (f"stage{stage}", before))
    if kind == "lateral":
        return "neck", f"stage{rest[0]}"
    if kind == "smooth":
        return "neck", "neck"
    return ("head", "neck") if rest[0] in "01" else ("maps", "head")
