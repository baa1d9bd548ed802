"""Gaussian blur of heatmaps in windows about their peaks."""

import cv2
import torch
from torch import Tensor

from facelandmarks.decode.blur import Beyond


def blur_about(maps: Tensor, places: Tensor, kernel: int, reach: int, beyond: Beyond) -> Tensor:
    """Blurred maps (N, K, S, S), S = 2 * reach + 1, about one place of each; see `decode.blur.blur_about`."""
    height, width = maps.shape[2:]
    x, y = places.long().unbind(dim=-1)
    rows, outside_y = _window(y, height, reach + kernel // 2, beyond)
    columns, outside_x = _window(x, width, reach + kernel // 2, beyond)
    index = rows[..., :, None] * width + columns[..., None, :]
    windows = maps.flatten(2).gather(2, index.flatten(2)).view(index.shape)
    windows = windows.masked_fill(outside_y[..., :, None] | outside_x[..., None, :], 0)
    weights = _weights(kernel)
    # Sums, not a convolution or a product of matrices: these may run in TF32, whose 10 bits are too few.
    return _weighted(_weighted(windows, weights, 3), weights, 2)


def highest_blurred(maps: Tensor, kernel: int) -> Tensor:
    """Maxima (N, K) of whole maps, blurred with zeros beyond them.

    Products of matrices, which may run in TF32: a thousandth is near enough for what only shifts logarithms.
    """
    height, width = maps.shape[2:]
    blurred = _band(height, kernel, maps.device) @ maps @ _band(width, kernel, maps.device)
    return blurred.amax(dim=(2, 3))


def _band(length: int, kernel: int, device: torch.device) -> Tensor:
    """The blur along an axis as a matrix (length, length); made on the device, as no copy to it may wait."""
    places = torch.arange(length, device=device)
    distance = (places[:, None] - places).abs()
    band = torch.zeros(length, length, device=device)
    for away, weight in enumerate(_weights(kernel)[kernel // 2 :]):
        band = band.masked_fill(distance == away, weight)
    return band


def _weights(kernel: int) -> list[float]:
    return [float(weight) for weight in cv2.getGaussianKernel(kernel, 0)[:, 0]]


def _window(middle: Tensor, length: int, reach: int, beyond: Beyond) -> tuple[Tensor, Tensor]:
    """Indices (N, K, 2 * reach + 1) along an axis about the middles (N, K), and where zeros stand in their place."""
    index = middle[..., None] + torch.arange(-reach, reach + 1, device=middle.device)
    if beyond == "zeros":
        return index.clamp(0, length - 1), (index < 0) | (index >= length)
    period = max(2 * (length - 1), 1)
    turned = index.abs() % period
    mirrored = torch.minimum(turned, period - turned).clamp(max=length - 1)
    return mirrored, torch.zeros_like(mirrored, dtype=torch.bool)


def _weighted(windows: Tensor, weights: list[float], axis: int) -> Tensor:
    kept = windows.shape[axis] - len(weights) + 1
    total = windows.narrow(axis, 0, kept) * weights[0]
    for first, weight in enumerate(weights[1:], start=1):
        total = total + windows.narrow(axis, first, kept) * weight
    return total
