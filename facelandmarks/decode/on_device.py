"""Decoders and flip averages on tensors, for devices from which whole maps would take long to fetch.

Each public function is the twin of the one of the same name in `decode`, which states the rules and their sources;
some of those take tensors too, and are their own twins.
Nothing here waits for the device, and no shape depends on values, so calls can be captured as a CUDA graph. All
arithmetic is float32, as not every device has more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor

from facelandmarks._opencv import cv2
from facelandmarks.decode import average_coordinates, average_mesh  # noqa: F401 - for `twin_of`
from facelandmarks.decode.blur import Beyond
from facelandmarks.pipeline import AVERAGES, DECODERS, options_of
from facelandmarks.zoo.spec import ModelSpec, Variant

Decoded = tuple[Tensor, ...]  # in the order of `pipeline.Step.gives`


@dataclass(frozen=True)
class DevicePipeline:
    """What follows the network on its device, as in `pipeline.Pipeline`."""

    average: Callable[[Tensor, Tensor], Tensor]
    decode: Callable[[Tensor], Decoded]


def bind(spec: ModelSpec, device: torch.device) -> DevicePipeline:
    """Return the functions that a record names, their constants on the device."""
    average_options, decode_options = options_of(spec)
    average_options["exchange"] = torch.as_tensor(average_options["exchange"].copy(), device=device)
    average, decode = twin_of(AVERAGES[spec.flip_average].function), twin_of(DECODERS[spec.decode].function)
    return DevicePipeline(partial(average, **average_options), partial(decode, **decode_options))


def twin_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function on tensors that is the twin of one on arrays: the one of the same name."""
    twin: Callable[..., Any] = globals()[function.__name__]
    return twin


def decode_argmax(heatmaps: Tensor, input_size: tuple[int, int], variant: Variant = "mmpose0x") -> Decoded:
    """See `decode.heatmaps.decode_argmax`."""
    places, scores = peaks(heatmaps, variant)
    height, width = heatmaps.shape[2:]
    right, left, below, above = _cross(heatmaps, places)
    x, y = places.unbind(dim=-1)
    x_inside, y_inside = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
    x_if, y_if = (y > 0, x > 0) if variant == "mmpose1x" else (y_inside, x_inside)
    allowed = torch.stack([x_inside & x_if, y_inside & y_if], dim=-1)
    slope = torch.stack([right - left, below - above], dim=-1)
    # The sign of NaN is NaN in NumPy and 0 in PyTorch; a product keeps the NaN.
    sign = torch.where(slope.isnan(), slope, slope.sign())
    shift = (0.25 * sign).masked_fill(~allowed, 0)
    return _to_crop(places + shift, heatmaps, input_size), scores


def decode_hrnet_official(heatmaps: Tensor, input_size: tuple[int, int]) -> Decoded:
    """See `decode.heatmaps.decode_hrnet_official`."""
    places, scores = peaks(heatmaps)
    height, width = heatmaps.shape[2:]
    right, left, below, above = _cross(heatmaps, places)
    x, y = places.unbind(dim=-1)
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    higher, lower = torch.stack([right > left, below > above], dim=-1), torch.stack([right < left, below < above], -1)
    shift = (0.25 * (higher.float() - lower.float())).masked_fill(~inside[..., None], 0)
    return _to_crop(places + shift + 0.5, heatmaps, input_size), scores


def decode_dark(
    heatmaps: Tensor, input_size: tuple[int, int], kernel: int = 11, variant: Variant = "mmpose0x"
) -> Decoded:
    """See `decode.heatmaps.decode_dark`."""
    places, scores = peaks(heatmaps, variant)
    height, width = heatmaps.shape[2:]
    x, y = places.unbind(dim=-1)
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    about = blur_about(heatmaps, places, kernel, 2, "zeros")
    about = about * (scores / highest_blurred(heatmaps, kernel))[..., None, None]
    log = about.clamp(min=1e-10).log()  # the floor of the array decoder
    centre, right, left, below, above = (log[..., 2 + y, 2 + x] for x, y in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)))
    right2, left2, below2, above2 = (log[..., 2 + y, 2 + x] for x, y in ((2, 0), (-2, 0), (0, 2), (0, -2)))
    mixed = log[..., 3, 3] - log[..., 3, 1] - log[..., 1, 3] + log[..., 1, 1]
    hessian = (right2 - 2 * centre + left2) / 4, (below2 - 2 * centre + above2) / 4, mixed / 4
    step = taylor_step(((right - left) / 2, (below - above) / 2), hessian)
    step = torch.where(inside[..., None], step, torch.zeros_like(step))
    return _to_crop(places + step, heatmaps, input_size), scores


def decode_udp(
    heatmaps: Tensor, input_size: tuple[int, int], kernel: int = 11, variant: Variant = "mmpose0x"
) -> Decoded:
    """See `decode.heatmaps.decode_udp`; but a map without a positive value stays at its (-1, -1), unrefined."""
    places, scores = peaks(heatmaps, variant)
    height, width = heatmaps.shape[2:]
    about = blur_about(heatmaps, places, kernel, 1, "mirror" if variant == "mmpose0x" else "zeros")
    # What lies beyond the map becomes the nearest outer pixel.
    x, y = places[..., 0, None, None], places[..., 1, None, None]
    left, middle, right = about[..., :1], about[..., 1:2], about[..., 2:]
    about = torch.cat([torch.where(x < 1, middle, left), middle, torch.where(x >= width - 1, middle, right)], dim=3)
    above, middle, below = about[:, :, :1], about[:, :, 1:2], about[:, :, 2:]
    about = torch.cat([torch.where(y < 1, middle, above), middle, torch.where(y >= height - 1, middle, below)], dim=2)
    if variant == "mmpose1x":
        about = about * (scores / highest_blurred(heatmaps, kernel))[..., None, None]
    log = about.clamp(0.001, 50.0).log()  # the bounds of the array decoder
    centre, right, left, below, above = (log[..., 1 + y, 1 + x] for x, y in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)))
    epsilon = torch.finfo(torch.float32).eps
    hxx, hyy = right - 2 * centre + left + epsilon, below - 2 * centre + above + epsilon
    mixed = log[..., 2, 2] - right - below + centre + centre - left - above + log[..., 0, 0]
    step = taylor_step(((right - left) * 0.5, (below - above) * 0.5), (hxx, hyy, 0.5 * mixed))
    step = step.masked_fill((places[..., :1] < 0), 0)
    return _scaled(places + step, (input_size[0] - 1) / (width - 1), (input_size[1] - 1) / (height - 1)), scores


def decode_regression(outputs: Tensor, input_size: tuple[int, int]) -> Decoded:
    """See `decode.vectors.decode_regression`."""
    return _scaled(outputs, *input_size), outputs.new_ones(outputs.shape[:2])


def decode_points(outputs: Tensor, input_size: tuple[int, int]) -> Decoded:
    """See `decode.vectors.decode_points`."""
    return _scaled(outputs[..., :2], *input_size) - 0.5, outputs[..., 2], outputs[..., 3] * input_size[0]


def decode_mesh(outputs: Tensor) -> Decoded:
    """See `decode.vectors.decode_mesh`."""
    places = outputs[:, :-1].reshape(outputs.shape[0], outputs.shape[1] // 3, 3)
    scores = outputs[:, -1:].sigmoid().expand(-1, places.shape[1])
    return places[..., :2], scores, places[..., 2]


def decode_simcc(outputs: Tensor, input_size: tuple[int, int]) -> Decoded:
    """See `decode.vectors.decode_simcc`."""
    places = outputs.argmax(dim=-1)
    along_x, along_y = outputs.gather(3, places[..., None])[..., 0].unbind(dim=1)
    scores = torch.where(along_x > along_y, along_y, along_x)  # not `minimum`, which would take a NaN of either
    bins = places.movedim(1, -1).float().masked_fill((scores <= 0)[..., None], -1)
    count = outputs.shape[-1]
    return _scaled(bins, input_size[0] / count, input_size[1] / count), scores


def average_heatmaps(direct: Tensor, mirrored: Tensor, exchange: Tensor, shifted: bool = False) -> Tensor:
    """See `decode.average_heatmaps`; `exchange` is on the device."""
    back = mirrored.index_select(1, exchange).flip(3)
    if shifted:
        back = torch.cat([back[..., :1], back[..., :-1]], dim=-1)
    return (direct + back) * 0.5


def average_simcc(direct: Tensor, mirrored: Tensor, exchange: Tensor) -> Tensor:
    """See `decode.average_simcc`."""
    x, y = mirrored.index_select(2, exchange).unbind(dim=1)
    return (direct + torch.stack([x.flip(-1), y], dim=1)) * 0.5


def peaks(heatmaps: Tensor, variant: Variant = "mmpose0x") -> Decoded:
    """See `decode.heatmaps.peaks`."""
    width = heatmaps.shape[3]
    flat = heatmaps.flatten(2)
    index = flat.argmax(dim=-1)  # the first of equals, and a NaN before all numbers, as in NumPy
    scores = flat.gather(2, index[..., None])[..., 0]
    places = torch.stack([index % width, index // width], dim=-1).float()
    without = scores <= 0 if variant == "mmpose1x" else ~(scores > 0)
    return places.masked_fill(without[..., None], -1), scores


def taylor_step(gradient: tuple[Tensor, Tensor], hessian: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the step (N, K, 2) of `decode.blur.taylor_step`; 0 without curvature."""
    (gx, gy), (hxx, hyy, hxy) = gradient, hessian
    determinant = hxx * hyy - hxy * hxy
    step = -torch.stack([hyy * gx - hxy * gy, hxx * gy - hxy * gx], dim=-1) / determinant[..., None]
    return step.masked_fill((determinant == 0)[..., None], 0)


def blur_about(maps: Tensor, places: Tensor, kernel: int, reach: int, beyond: Beyond) -> Tensor:
    """Return the squares (N, K, S, S), S = 2 * reach + 1, of `decode.blur.blur_about`."""
    height, width = maps.shape[2:]
    x, y = places.long().unbind(dim=-1)
    rows, outside_y = _window(y, height, reach + kernel // 2, beyond)
    columns, outside_x = _window(x, width, reach + kernel // 2, beyond)
    index = rows[..., :, None] * width + columns[..., None, :]
    windows = maps.flatten(2).gather(2, index.flatten(2)).view(index.shape)
    windows = windows.masked_fill(outside_y[..., :, None] | outside_x[..., None, :], 0)
    # Sums, not a convolution or a matrix product: those may run in TF32, whose 10 bits are too few.
    return _weighted(_weighted(windows, kernel, 3), kernel, 2)


def highest_blurred(maps: Tensor, kernel: int) -> Tensor:
    """Return the maxima (N, K) of whole maps, blurred with zeros beyond them.

    Matrix products, which may run in TF32: a thousandth is near enough for what only shifts logarithms.
    """
    height, width = maps.shape[2:]
    blurred = _band(height, kernel, maps.device) @ maps @ _band(width, kernel, maps.device)
    return blurred.amax(dim=(2, 3))


def _to_crop(places: Tensor, heatmaps: Tensor, input_size: tuple[int, int]) -> Tensor:
    """Scale pixels of the map (N, K, 2) to pixels of the crop, in MMPose's plain convention."""
    height, width = heatmaps.shape[2:]
    return _scaled(places, input_size[0] / width, input_size[1] / height)


def _scaled(places: Tensor, x_factor: float, y_factor: float) -> Tensor:
    """Scale both coordinates of points (N, K, 2); Python numbers need no copy to the device."""
    return torch.stack([places[..., 0] * x_factor, places[..., 1] * y_factor], dim=-1)


def _cross(maps: Tensor, places: Tensor) -> tuple[Tensor, ...]:
    """Return values (N, K) right, left, below and above the places; beyond the border the outer pixel."""
    height, width = maps.shape[2:]
    x, y = places.long().unbind(dim=-1)
    columns = torch.stack([x + 1, x - 1, x, x], dim=-1).clamp(0, width - 1)
    rows = torch.stack([y, y, y + 1, y - 1], dim=-1).clamp(0, height - 1)
    return maps.flatten(2).gather(2, rows * width + columns).unbind(dim=-1)


def _band(length: int, kernel: int, device: torch.device) -> Tensor:
    """Return the blur along an axis as a matrix (length, length), made on the device, as a copy to it would wait."""
    places = torch.arange(length, device=device)
    distance = (places[:, None] - places).abs()
    band = torch.zeros(length, length, device=device)
    for away, weight in enumerate(_weights(kernel)[kernel // 2 :]):
        band = band.masked_fill(distance == away, weight)
    return band


def _weighted(windows: Tensor, kernel: int, axis: int) -> Tensor:
    """Blur along one axis; only sums that lie wholly in the windows are kept."""
    kept = windows.shape[axis] - kernel + 1
    return reduce(torch.add, (windows.narrow(axis, at, kept) * weight for at, weight in enumerate(_weights(kernel))))


def _weights(kernel: int) -> list[float]:
    weights: list[float] = cv2.getGaussianKernel(kernel, 0)[:, 0].tolist()
    return weights


def _window(middle: Tensor, length: int, reach: int, beyond: Beyond) -> tuple[Tensor, Tensor]:
    """Return indices (N, K, 2 * reach + 1) along an axis about the middles (N, K), and where zeros replace them."""
    index = middle[..., None] + torch.arange(-reach, reach + 1, device=middle.device)
    if beyond == "zeros":
        return index.clamp(0, length - 1), (index < 0) | (index >= length)
    period = max(2 * (length - 1), 1)
    turned = index.abs() % period
    mirrored = torch.minimum(turned, period - turned).clamp(max=length - 1)
    return mirrored, torch.zeros_like(mirrored, dtype=torch.bool)
