"""ResNet, and two published landmark models on top of it with their heads: DeepPose and Simple Baselines.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016. Parameter names are those of the published files;
of heads, those of MMPose 1.x.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution without bias, padded by one."""
    return nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; returns four times as many channels as it works on.

    The stride is in the 3x3 convolution, as in MMPose and torchvision, not in the first 1x1 as in the paper.
    """

    EXPANSION = 4

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        channels_out = channels * self.EXPANSION
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            conv = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.downsample(x) + self.bn3(self.conv3(y)))


def bottlenecks(channels_in: int, channels: int, count: int, stride: int = 1) -> nn.Sequential:
    """Return a stage of `count` blocks, the first with the stride."""
    more = (Bottleneck(channels * Bottleneck.EXPANSION, channels) for _ in range(count - 1))
    return nn.Sequential(Bottleneck(channels_in, channels, stride), *more)


class ResNet50(nn.Sequential):
    """The backbone without classifier: float32 (N, 3, H, W), multiples of 32, to (N, 2048, H / 32, W / 32)."""

    CHANNELS = 2048

    def __init__(self) -> None:
        steps = OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            bn1=nn.BatchNorm2d(64),
            relu=nn.ReLU(),
            maxpool=nn.MaxPool2d(3, 2, 1),
            layer1=bottlenecks(64, 64, 3),
            layer2=bottlenecks(256, 128, 4, stride=2),
            layer3=bottlenecks(512, 256, 6, stride=2),
            layer4=bottlenecks(1024, 512, 3, stride=2),
        )
        super().__init__(steps)


def heatmap_head(channels: int, landmarks: int, deconvolutions: Sequence[int] = ()) -> nn.Sequential:
    """Return layers that double the resolution of features (N, channels, h, w), then give heatmaps.

    `deconvolutions` are the channels of each transposed convolution: none for HRNet-W48, three for Simple Baselines.
    """
    steps: list[nn.Module] = []
    for width in deconvolutions:
        conv = nn.ConvTranspose2d(channels, width, 4, 2, 1, bias=False)
        steps += [conv, nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    last = nn.Conv2d(channels, landmarks, 1)
    return nn.Sequential(OrderedDict(deconv_layers=nn.Sequential(*steps), final_layer=last))


class RegressionHead(nn.Module):
    """Averages all pixels, then a linear layer: (N, channels, h, w) to (N, landmarks, 2), x and y interleaved."""

    def __init__(self, channels: int, landmarks: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, landmarks * 2)

    def forward(self, features: Tensor) -> Tensor:
        points: Tensor = self.fc(features.mean((2, 3)))
        return points.view(-1, self.fc.out_features // 2, 2)


class PoseNet(nn.Sequential):
    """A backbone and a head: crops, float32 (N, 3, H, W), to what the head makes of the backbone's features."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__(OrderedDict(backbone=backbone, head=head))


class DeepPose(PoseNet):
    """ResNet-50 and one linear layer: to (N, landmarks, 2), in fractions of the input (x, y).

    Toshev and Szegedy, "DeepPose", CVPR 2014.
    """

    def __init__(self, landmarks: int) -> None:
        super().__init__(ResNet50(), RegressionHead(ResNet50.CHANNELS, landmarks))


class SimpleBaseline(PoseNet):
    """ResNet-50 and transposed convolutions: to (N, landmarks, H / 4, W / 4).

    Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018.
    """

    def __init__(self, landmarks: int, deconvolutions: Sequence[int] = (256, 256, 256)) -> None:
        super().__init__(ResNet50(), heatmap_head(ResNet50.CHANNELS, landmarks, deconvolutions))
