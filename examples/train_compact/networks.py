"""The landmark networks that are trained here, by name."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from facelandmarks.nn.compact import CompactLandmarkNet

LANDMARKS = 68


@dataclass(frozen=True)
class Network:
    """One network: its crop's side in pixels, and the arguments in which it differs from `compact`."""

    side: int
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self) -> CompactLandmarkNet:
        return CompactLandmarkNet(LANDMARKS, **self.arguments)


NETWORKS = {
    "compact": Network(128),
    # Chosen by measured time in ONNX Runtime: dense 3x3 convolutions of few channels beat depthwise ones.
    "tiny": Network(128, {"stem": (16, 32), "widths": (32, 64, 96, 112), "blocks": (1, 2, 2, 1), "neck": 32}),
}


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
