"""The step that DARK and UDP share: to where a surface, known by its derivatives at a pixel, has its peak."""

import torch
from torch import Tensor


def taylor_step(gradient: tuple[Tensor, Tensor], hessian: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Newton's step (N, K, 2) from first and second derivatives (N, K) along x, y (and mixed); 0 without curvature."""
    (gx, gy), (hxx, hyy, hxy) = gradient, hessian
    determinant = hxx * hyy - hxy * hxy
    step = -torch.stack([hyy * gx - hxy * gy, hxx * gy - hxy * gx], dim=-1) / determinant[..., None]
    return step.masked_fill((determinant == 0)[..., None], 0)
