"""HRNet: parallel branches of falling resolution that exchange their features.

Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019; Wang et al., TPAMI
2020. Parameter names are those of the published files, of heads those of MMPose 1.x.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facelandmarks.nn.resnet import Bottleneck, PoseNet, bottlenecks, conv3x3, heatmap_head


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(y)))


def down_step(channels_in: int, channels_out: int, *after: nn.Module) -> nn.Sequential:
    """Return layers that halve the resolution."""
    conv = conv3x3(channels_in, channels_out, stride=2)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), *after)


def fuse_path(source: int, target: int, widths: Sequence[int], mode: str) -> nn.Module:
    """Return the layers from branch `source` to the resolution and width of branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        conv = nn.Conv2d(widths[source], widths[target], 1, bias=False)
        corners = None if mode == "nearest" else False  # pixel areas stay in place
        enlarge = nn.Upsample(scale_factor=2 ** (source - target), mode=mode, align_corners=corners)
        return nn.Sequential(conv, nn.BatchNorm2d(widths[target]), enlarge)
    keep = [down_step(widths[source], widths[source], nn.ReLU()) for _ in range(target - source - 1)]
    return nn.Sequential(*keep, down_step(widths[source], widths[target]))


class ExchangeModule(nn.Module):
    """Runs four blocks on each branch, then adds all branches into each of the first `outputs` branches."""

    def __init__(self, widths: Sequence[int], outputs: int, mode: str) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(width) for _ in range(4))) for width in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(fuse_path(source, target, widths, mode) for source in range(len(widths)))
            for target in range(outputs)
        )

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        branches = [branch(x) for branch, x in zip(self.branches, inputs, strict=True)]
        outputs = []
        for paths in self.fuse_layers:
            assert isinstance(paths, nn.ModuleList)  # noqa: S101 - for the type checker
            parts = [path(x) for path, x in zip(paths, branches, strict=True)]
            outputs.append(F.relu(reduce(torch.add, parts)))  # from branch 0 on, as upstream: floats have an order
        return outputs


def exchanges(widths: Sequence[int], outputs: Sequence[int], mode: str) -> nn.Sequential:
    """Return a stage: one module for each of the numbers of outputs."""
    return nn.Sequential(*(ExchangeModule(widths, count, mode) for count in outputs))


class HRNet(nn.Module):
    """The backbone: float32 (N, 3, H, W), multiples of 32, to branches at H/4, H/8, H/16, H/32.

    `width` are the channels of the branch of highest resolution; each further branch has twice as many. Without
    `all_branches` only the highest is returned, and the last exchange has no paths to the others. `mode` is how lower
    branches are enlarged: `"bilinear"` in all published face models, `"nearest"` in the original and HRNet-W48; names
    in a checkpoint do not show it.
    """

    def __init__(self, width: int, *, all_branches: bool = True, mode: str = "bilinear") -> None:
        super().__init__()
        widths = [width * 2**branch for branch in range(4)]
        self.conv1 = conv3x3(3, 64, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv3x3(64, 64, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.layer1 = bottlenecks(64, 64, 4)
        expanded = 64 * Bottleneck.EXPANSION
        first = nn.Sequential(conv3x3(expanded, widths[0]), nn.BatchNorm2d(widths[0]), nn.ReLU())
        self.transition1 = nn.ModuleList([first, nn.Sequential(down_step(expanded, widths[1], nn.ReLU()))])
        # Only the new branch, a key in checkpoints, has layers of its own; it starts from the lowest one.
        self.transition2 = nn.ModuleDict({"2": nn.Sequential(down_step(widths[1], widths[2], nn.ReLU()))})
        self.transition3 = nn.ModuleDict({"3": nn.Sequential(down_step(widths[2], widths[3], nn.ReLU()))})
        self.stage2 = exchanges(widths[:2], [2], mode)
        self.stage3 = exchanges(widths[:3], [3, 3, 3, 3], mode)
        self.stage4 = exchanges(widths, [4, 4, 4 if all_branches else 1], mode)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        branches = self.stage2([path(x) for path in self.transition1])
        branches = self.stage3([*branches, self.transition2["2"](branches[-1])])
        highest_first: list[Tensor] = self.stage4([*branches, self.transition3["3"](branches[-1])])
        return highest_first


class ConcatHead(nn.Module):
    """Enlarges all branches to the highest resolution and turns them into one heatmap per landmark (HRNetV2).

    The official repository and both generations of MMPose share this head, under three sets of names
    (`facelandmarks.weights.checkpoint`).
    """

    def __init__(self, channels: int, landmarks: int) -> None:
        super().__init__()
        self.conv_layers = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())
        self.final_layer = nn.Conv2d(channels, landmarks, 1)

    def forward(self, branches: list[Tensor]) -> Tensor:
        size = branches[0].shape[2:]
        enlarged = [F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in branches[1:]]
        heatmaps: Tensor = self.final_layer(self.conv_layers(torch.cat([branches[0], *enlarged], 1)))
        return heatmaps


class HRNetV2(PoseNet):
    """HRNetV2, the published face models: to heatmaps (N, landmarks, H / 4, W / 4)."""

    def __init__(self, width: int, landmarks: int) -> None:
        super().__init__(HRNet(width), ConcatHead(width * 15, landmarks))


class HRNetPose(PoseNet):
    """HRNet for poses, MMPose's DeepFashion models: heatmaps from the highest branch alone; shapes as `HRNetV2`."""

    def __init__(self, width: int, landmarks: int) -> None:
        super().__init__(HRNet(width, all_branches=False, mode="nearest"), heatmap_head(width, landmarks))

    def forward(self, x: Tensor) -> Tensor:
        backbone, head = self
        heatmaps: Tensor = head(backbone(x)[0])
        return heatmaps
