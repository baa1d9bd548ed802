"""decode_torch.udp against decode.udp, its twin on arrays."""

import numpy as np
import pytest
import torch
from decode_twins import check_twins, noisy, special

from facelandmarks.decode import udp
from facelandmarks.decode_torch import udp as twin
from facelandmarks.zoo.spec import Variant

VARIANTS = ["mmpose0x", "mmpose1x"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", [11, 17])
@pytest.mark.parametrize("maps", [noisy(), special(), noisy()[:0]], ids=["noisy", "special", "empty"])
def test_same_points(maps: np.ndarray, kernel: int, variant: Variant) -> None:
    check_twins(twin.decode, udp.decode, maps, (192, 256), kernel, variant)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("factor", [2e-3, 60])
def test_same_points_of_low_and_high_maps(variant: Variant, factor: float) -> None:
    """Values reach 0.001 or 50, where maps are cut flat."""
    check_twins(twin.decode, udp.decode, noisy(0.0) * np.float32(factor), (192, 256), variant=variant)


@pytest.mark.parametrize("variant", VARIANTS)
def test_maps_without_a_peak_stay_at_their_corner(variant: Variant) -> None:
    maps = torch.stack([torch.full((16, 16), value) for value in (-1.0, 0.0)])[None]
    points, scores = twin.decode(maps, (61, 61), variant=variant)
    assert points.tolist() == [[[-4, -4], [-4, -4]]]
    assert scores.tolist() == [[-1, 0]]
