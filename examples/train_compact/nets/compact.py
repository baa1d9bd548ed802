"""The network of the built-in landmark models, and the trunk that it shares with the built-in detector.

Plain 3x3 convolutions are used throughout because on CPUs they run near the arithmetic peak of the machine,
where depthwise ones are bound by memory. One map per landmark at a quarter of the input size; a landmark is the
expectation of its map (`facelandmarks.nn.integral`), so the map may be coarse.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facelandmarks.nn.compact import PyramidTrunk, conv_bn
from facelandmarks.nn.integral import ShapeCorrection
from nets.integral import ExpectedError, integrate


class CompactLandmarkNet(PyramidTrunk):
    """Crop to points with scores and expected errors, by way of one map of logits per landmark.

    Parameters
    ----------
    landmarks
        Number of landmarks K.
    stem, widths, blocks, neck
        As in `PyramidTrunk`; the first stage runs at a quarter of the input size.

    Notes
    -----
    Input float32 (N, 3, H, W), H and W multiples of 32; output float32 (N, K, 4): x and y as fractions of the crop's
    sides, a score in 0..1, and the error to be expected as a fraction of the side of a square crop. `maps` gives the
    logits (N, K, H / 4, W / 4), from which training learns.
    """

    def __init__(
        self,
        landmarks: int,
        stem: Sequence[int] = (24, 48),
        widths: Sequence[int] = (48, 128, 192, 224),
        blocks: Sequence[int] = (2, 2, 2, 2),
        neck: int = 64,
    ) -> None:
        super().__init__(stem, widths, blocks, neck, first_stride=1)
        output = nn.Conv2d(neck, landmarks, 1)
        nn.init.normal_(output.weight, std=0.01)
        self.head = nn.Sequential(conv_bn(neck, neck), nn.ReLU(), output)
        self.shape = ShapeCorrection(landmarks)
        self.expected = ExpectedError(landmarks)

    def maps(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pyramid(x)[0])
        return logits

    def forward(self, x: Tensor) -> Tensor:
        points, scores, spreads = integrate(self.maps(x))
        return torch.cat([self.shape(points), torch.stack([scores, self.expected(spreads)], -1)], -1)
