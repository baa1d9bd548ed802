"""Fold batch norms into convolutions: cheaper inference, equal results."""

from itertools import pairwise

import torch
from torch import nn


def fuse_batch_norms(network: nn.Module) -> None:
    """Fold every batch norm into the convolution before it, in place; the network must be in evaluation mode.

    The layout of the modules says which convolution that is: the child before in an `nn.Sequential`, else the one of
    the same number (`conv1`, `bn1`). All networks here, like their originals, are written that way.
    """
    for parent in list(network.modules()):
        names = [name for name, _ in parent.named_children()]
        numbered = [(f"conv{name.removeprefix('bn')}", name) for name in names if name.startswith("bn")]
        for conv_name, norm_name in pairwise(names) if isinstance(parent, nn.Sequential) else numbered:
            conv, norm = parent.get_submodule(conv_name), parent.get_submodule(norm_name)
            if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(conv, norm)
                setattr(parent, norm_name, nn.Identity())


@torch.no_grad()
def _fold(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
    """Fold one norm in place: `torch.nn.utils.fusion` would copy every convolution, and the memory is not returned."""
    factor = norm.weight * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
    shape = (1, -1, 1, 1) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    conv.weight.mul_(factor.reshape(shape))
    bias = torch.zeros_like(factor) if conv.bias is None else conv.bias
    conv.bias = nn.Parameter(
        (bias - norm.get_buffer("running_mean")) * factor + norm.bias, requires_grad=conv.weight.requires_grad
    )
