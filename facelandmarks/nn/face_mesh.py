"""MediaPipe's face mesh: 468 points in space, and the form that looks again at lips and eyes (478 with the irises).

Source: Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs, 2019, and Grishchenko
et al., Attention Mesh, 2020; layer by layer as in MediaPipe's files `face_landmark.tflite` and
`face_landmark_with_attention.tflite`.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facelandmarks.errors import CheckpointError
from facelandmarks.nn.blazeface import Block, PReLU, SameConv2d
from facelandmarks.schemes.mesh import AROUND_IRIS, IRIS, LEFT_EYE, LIPS, POINTS, RIGHT_EYE

# Channels and stride of the blocks after the stem; the first three give the map that the regions are cut from.
FEATURE_BLOCKS = ((16, 16, 1), (16, 16, 1), (16, 32, 2))
TRUNK_BLOCKS = (
    *((32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 1), (64, 128, 2)),
    *((128, 128, 1), (128, 128, 1), (128, 128, 2), (128, 128, 1), (128, 128, 1)),
)
REGION_BLOCKS = ((32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 1), (64, 128, 2))
MESH_STRIDES, FLAG_STRIDES, REGION_STRIDES = (2, 1, 1), (2,), (1, 1, 2, 1, 1)
REGION_SIDE = 16  # cells of a region's map
REGION_MARGIN = 1.5  # side of a region, in those of the box of its points
LIPS_CORNERS, LEFT_CORNERS, RIGHT_CORNERS = (61, 291), (33, 133), (362, 263)  # whose lines are level in the regions
CELL = 4.0  # pixels of the crop for a cell of the map that the regions are cut from


def _activated(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=conv, act=PReLU(conv.out_channels)))


def _blocks(sizes: Sequence[tuple[int, int, int]]) -> nn.Sequential:
    return nn.Sequential(*(Block(*size, PReLU) for size in sizes))


class Head(nn.Module):
    """Blocks of 128 channels, then 32 channels, and `outputs` values from the map of `side` cells that is left."""

    def __init__(self, strides: Sequence[int], side: int, outputs: int) -> None:
        super().__init__()
        self.blocks = _blocks([(128, 128, stride) for stride in strides])
        self.narrow = _activated(nn.Conv2d(128, 32, 1))
        self.last = Block(32, 32, 1, PReLU)
        self.out = nn.Conv2d(32, outputs, side)

    def features(self, x: Tensor) -> Tensor:
        """What the outputs are made of."""
        result: Tensor = self.last(self.narrow(self.blocks(x)))
        return result

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.out(self.features(x)).flatten(1)
        return result


class FaceMesh(nn.Module):
    """The mesh of 468 points.

    Input float32 (N, 3, 192, 192), RGB in 0..1. Output float32 (N, 1405): x, y, z of each point in pixels of the crop,
    then the logit of whether the crop shows a face.
    """

    def __init__(self, landmarks: int = POINTS) -> None:
        super().__init__()
        self.stem = _activated(SameConv2d(3, 16, 3, stride=2))
        self.body = _blocks((*FEATURE_BLOCKS, *TRUNK_BLOCKS))
        self.mesh = Head(MESH_STRIDES, 3, 3 * landmarks)
        self.flag = Head(FLAG_STRIDES, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.stem(x))
        return torch.cat([self.mesh(x), self.flag(x)], 1)


class Region(nn.Module):
    """A part of the face seen again, upright and at the size of its points; of an eye the iris is found too.

    `points` of the mesh show where the part is, and are placed again; the line between two of them, the left and the
    right corner, is level in the region.
    """

    def __init__(self, points: Sequence[int], corners: tuple[int, int], *, iris: bool) -> None:
        super().__init__()
        self.points, self.corners = list(points), corners
        self.blocks = _blocks(REGION_BLOCKS)
        self.contour = Head(REGION_STRIDES, 2, 2 * len(points))
        self.iris = Head(REGION_STRIDES, 2, 2 * IRIS) if iris else None
        middles = torch.arange(REGION_SIDE) + 0.5 - REGION_SIDE / 2
        self.grid: Tensor  # (1, 256, 2): the region's cells, from its middle on
        grid = torch.stack(torch.meshgrid(middles, middles, indexing="xy"), -1).view(1, -1, 2)
        self.register_buffer("grid", grid, persistent=False)

    def forward(self, features: Tensor, mesh: Tensor) -> list[Tensor]:
        """Give the part's points, and the iris, (N, P, 2) in pixels of the crop each.

        `features` (N, 32, 48, 48) shows the crop, `mesh` (N, 468, 2) is the mesh in its pixels.
        """
        centre, turn = self.place(mesh / CELL)
        x = self.blocks(self.cut(features, self.grid @ turn + centre - 0.5))
        heads = [self.contour] if self.iris is None else [self.contour, self.iris]
        # The outputs count from the region's corner on, in quarters of its cells: pixels of the crop, but for the turn.
        middle = CELL * REGION_SIDE / 2
        return [(head(x).view(x.shape[0], -1, 2) - middle) @ turn + CELL * centre for head in heads]

    def place(self, mesh: Tensor) -> tuple[Tensor, Tensor]:
        """Find the region: its middle (N, 1, 2) and the map of a row of the region to a row of the crop (N, 2, 2)."""
        left, right = (mesh[:, corner] for corner in self.corners)
        along = right - left
        length = along.norm(dim=1, keepdim=True)
        along = torch.where(length > 0, along / length.clamp(min=1e-12), torch.eye(2, device=mesh.device)[:1])
        across = torch.stack([-along[:, 1], along[:, 0]], 1)
        axes = torch.stack([along, across], 1)  # rows: the region's axes in the crop
        upright = mesh[:, self.points] @ axes.transpose(1, 2)
        low, high = upright.amin(1, keepdim=True), upright.amax(1, keepdim=True)
        size = (high - low) * (REGION_MARGIN / REGION_SIDE)
        return (low + high) / 2 @ axes, size.transpose(1, 2) * axes

    def cut(self, features: Tensor, places: Tensor) -> Tensor:
        """Sample a map (N, C, H, W) at places (N, 256, 2), as (N, C, 16, 16); 0 where they lie outside."""
        last = features.shape[3] - 1
        grid = places.view(-1, REGION_SIDE, REGION_SIDE, 2)
        inside = ((grid >= 0) & (grid <= last)).all(3).unsqueeze(1)
        return F.grid_sample(features, grid * (2 / last) - 1, align_corners=True) * inside


class FaceMeshAttention(nn.Module):
    """The mesh whose lips, eyes and irises come from regions of their own, 478 points.

    Input float32 (N, 3, 192, 192), RGB in 0..1. Output float32 (N, 1435) as in `FaceMesh`, for 478 points.
    """

    def __init__(self, landmarks: int = POINTS + 2 * IRIS) -> None:
        if landmarks != POINTS + 2 * IRIS:  # the regions are made of certain points
            raise CheckpointError(
                f"face_mesh_attention has {POINTS + 2 * IRIS} points and no other number; got {landmarks}"
            )
        super().__init__()
        self.stem = _activated(SameConv2d(3, 16, 3, stride=2))
        self.near, self.body = _blocks(FEATURE_BLOCKS), _blocks(TRUNK_BLOCKS)
        self.mesh = Head(MESH_STRIDES, 3, 3 * POINTS)
        self.flag = nn.Conv2d(32, 1, 3)
        self.lips = Region(LIPS, LIPS_CORNERS, iris=False)
        self.left_eye = Region(LEFT_EYE, LEFT_CORNERS, iris=True)
        self.right_eye = Region(RIGHT_EYE, RIGHT_CORNERS, iris=True)
        # Where each point comes from, when the regions' points are appended to the mesh's.
        replaced = [*LIPS, *LEFT_EYE, *RIGHT_EYE]
        source = torch.arange(POINTS)
        source[replaced] = torch.arange(len(replaced)) + POINTS
        self.source: Tensor
        self.register_buffer("source", source, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        mesh, (lips, left_eye, left_iris, right_eye, right_iris), flag = self.parts(x)
        flat = torch.cat([mesh[..., :2], lips, left_eye, right_eye], 1)[:, self.source]
        points = torch.cat([flat, mesh[..., 2:]], 2)
        irises = (self._deep(left_iris, mesh, self.left_eye), self._deep(right_iris, mesh, self.right_eye))
        return torch.cat([torch.cat([points, *irises], 1).flatten(1), flag], 1)

    def parts(self, x: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """Give the mesh (N, 468, 3); lips, left eye, its iris, right eye, its iris (N, P, 2) each; the flag (N, 1)."""
        near = self.near(self.stem(x))
        last = self.mesh.features(self.body(near))
        mesh = self.mesh.out(last).view(-1, POINTS, 3)
        parts = [part for region in (self.lips, self.left_eye, self.right_eye) for part in region(near, mesh[..., :2])]
        return mesh, parts, self.flag(last).flatten(1)

    def _deep(self, iris: Tensor, mesh: Tensor, eye: Region) -> Tensor:
        """The points of an iris with their depth (N, 5, 3)."""
        depth = mesh[:, eye.points[:AROUND_IRIS], 2:].mean(1, keepdim=True)
        return torch.cat([iris, depth.expand(-1, IRIS, -1)], 2)
