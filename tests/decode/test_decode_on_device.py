"""decode.on_device: each function on tensors does what its twin on arrays does."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
from decode_twins import check_twins, gaussians, noisy, special

from facelandmarks.decode import heatmaps
from facelandmarks.decode.on_device import bind, decode_udp, twin_of
from facelandmarks.pipeline import AVERAGES, DECODERS
from facelandmarks.pipeline import bind as bind_on_arrays
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import MODELS

CPU = torch.device("cpu")
VARIANTS = ["mmpose0x", "mmpose1x"]
STEPS = {**DECODERS, **{f"average {name}": step for name, step in AVERAGES.items()}}
NONE = np.stack([np.full((1, 64, 48), value, np.float32) for value in (-1, 0)], axis=1)
MAPS = {"noisy": noisy(), "special": special(), "none": NONE, "empty": noisy()[:0]}
SHAPES = {"heatmaps": (7, 12, 10), "coordinates": (7, 2), "simcc": (2, 7, 20), "points": (7, 4), "mesh": (22,)}


def settings_of(name: str) -> list[dict]:
    """Every variant and both kernels, as far as a decoder takes them."""
    step = DECODERS[name]
    variants = [{"variant": variant} for variant in VARIANTS] if "variant" in step.takes else [{}]
    kernels = [{"kernel": kernel} for kernel in (11, 17)] if "kernel" in parameters(step.function) else [{}]
    return [{**variant, **kernel} for variant in variants for kernel in kernels]


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


def vectors(name: str, count: int) -> np.ndarray:
    """Outputs for a decoder of coordinates or logits; NaN, ties and axes without a positive value among them."""
    rng = np.random.default_rng(0)
    if name == "simcc":
        logits = rng.normal(0, 1, (count, 2, 106, 512)).astype(np.float32)
        logits[:, :, 0, [7, 300]] = 9
        logits[:, 0, 1, 5] = logits[:, 1, 2, 6] = np.nan
        logits[:, 0, 3], logits[:, 1, 4] = -1, 0
        return logits
    if name == "mesh":
        meshes = rng.uniform(-5, 200, (count, 1405)).astype(np.float32)
        meshes[:, -1] = (-120, 0.3, 20)[:count]
        return meshes
    outputs = rng.uniform(-0.1, 1.1, (count, 68, 4 if name == "points" else 2)).astype(np.float32)
    outputs[:, 5] = np.nan
    return outputs


@pytest.mark.parametrize("name", STEPS)
def test_every_step_has_a_twin_with_the_same_parameters(name: str) -> None:
    function = STEPS[name].function
    assert parameters(twin_of(function)) == parameters(function)


HEATMAPS = [
    (name, options, maps)
    for name in ("argmax", "dark", "udp", "hrnet_official")
    for options in settings_of(name)
    for maps in MAPS
    if (name, maps) != ("udp", "none")  # there the twin stays at the corner, see below
]


@pytest.mark.parametrize(("name", "options", "maps"), HEATMAPS)
def test_same_points_of_heatmaps(name: str, options: dict, maps: str) -> None:
    function = DECODERS[name].function
    check_twins(twin_of(function), function, MAPS[maps], (192, 256), **options)


@pytest.mark.parametrize("name", ["regression", "points", "simcc", "mesh"])
@pytest.mark.parametrize("count", [0, 3])
def test_same_points_of_vectors(name: str, count: int) -> None:
    function = DECODERS[name].function
    options = {"input_size": (256, 192)} if "input_size" in DECODERS[name].takes else {}
    check_twins(twin_of(function), function, vectors(name, count), **options)


def test_same_points_by_dark_where_the_blurred_map_is_highest_elsewhere() -> None:
    """A lone pixel among negative ones, whose neighbours lie at the floor, and a broad hill."""
    maps = 0.6 * gaussians(np.array([[[14.0, 14.0], [30.0, 40.0]]]), sigma=4.0)
    maps[..., 45:60, 27:43] = -0.036
    maps[..., 52, 34] = 0.9
    maps[..., 52, 35] = 0.85
    check_twins(twin_of(heatmaps.decode_dark), heatmaps.decode_dark, maps, (192, 256))


def test_same_points_by_dark_of_low_maps() -> None:
    """Values reach the floor of 1e-10, and the height is restored first."""
    check_twins(twin_of(heatmaps.decode_dark), heatmaps.decode_dark, noisy(0.0) * np.float32(3e-10), (192, 256))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("factor", [2e-3, 60])
def test_same_points_by_udp_of_low_and_high_maps(variant: str, factor: float) -> None:
    """Values reach 0.001 or 50, where maps are clipped."""
    check_twins(decode_udp, heatmaps.decode_udp, noisy(0.0) * np.float32(factor), (192, 256), variant=variant)


@pytest.mark.parametrize("variant", VARIANTS)
def test_maps_without_a_peak_stay_at_their_corner_by_udp(variant: str) -> None:
    maps = torch.stack([torch.full((16, 16), value) for value in (-1.0, 0.0)])[None]
    points, scores = decode_udp(maps, (61, 61), variant=variant)
    assert points.tolist() == [[[-4, -4], [-4, -4]]]
    assert scores.tolist() == [[-1, 0]]


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("name", AVERAGES)
def test_same_averages(name: str, count: int) -> None:
    rng = np.random.default_rng(0)
    step, shape = AVERAGES[name], (count, *SHAPES[name.removeprefix("shifted_")])
    direct, mirrored = (rng.random(shape, np.float32) for _ in range(2))
    exchange = rng.permutation(7)
    options = {"input_size": (256, 192)} if "input_size" in step.takes else {}
    arguments = [torch.from_numpy(part) for part in (direct, mirrored, exchange)]
    found = twin_of(step.function)(*arguments, **options, **step.options)
    # Fractions of the crop: three roundings of numbers below 2; pixels of the crop in meshes.
    expected = step.function(direct, mirrored, exchange, **options, **step.options)
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=4e-7)


def outputs_like(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of the network of a model, for two crops and for their mirror images."""
    spec, rng = MODELS[name], np.random.default_rng(0)
    count, (width, height) = len(get_scheme(spec.scheme)), (side // 4 for side in spec.input_size)
    shapes = {
        "regression": (2, count, 2),
        "points": (2, count, 4),
        "simcc": (2, 2, count, 512),
        "mesh": (2, 3 * count + 1),
    }
    if spec.decode in shapes:
        direct, mirrored = (rng.random(shapes[spec.decode], np.float32) for _ in range(2))
        return direct, mirrored
    direct, mirrored = (
        gaussians(rng.uniform([3, 3], [width - 3, height - 3], (2, count, 2)), height, width) for _ in range(2)
    )
    return direct, mirrored


@pytest.mark.parametrize("name", MODELS)
def test_every_model(name: str) -> None:
    spec = replace(MODELS[name], flip_test=True)
    direct, mirrored = outputs_like(name)
    found, expected = bind(spec, CPU), bind_on_arrays(spec)
    averaged = expected.average(direct, mirrored)
    np.testing.assert_allclose(
        found.average(torch.from_numpy(direct), torch.from_numpy(mirrored)), averaged, rtol=2e-7, atol=4e-7
    )
    check_twins(found.decode, expected.decode, averaged)
