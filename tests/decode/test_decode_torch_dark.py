"""decode_torch.dark against decode.dark, its twin on arrays."""

import numpy as np
import pytest
from decode_twins import check_twins, gaussians, noisy, special

from facelandmarks.decode import dark
from facelandmarks.decode_torch import dark as twin
from facelandmarks.zoo.spec import Variant

NONE = np.stack([np.full((1, 64, 48), value, np.float32) for value in (-1, 0)], axis=1)


@pytest.mark.parametrize("variant", ["mmpose0x", "mmpose1x"])
@pytest.mark.parametrize("kernel", [11, 17])
@pytest.mark.parametrize("maps", [noisy(), special(), NONE, noisy()[:0]], ids=["noisy", "special", "none", "empty"])
def test_same_points(maps: np.ndarray, kernel: int, variant: Variant) -> None:
    check_twins(twin.decode, dark.decode, maps, (192, 256), kernel, variant)


def test_same_points_where_the_blurred_map_is_highest_elsewhere() -> None:
    """A lone pixel among negative ones, whose neighbours lie at the floor, and a broad hill."""
    maps = 0.6 * gaussians(np.array([[[14.0, 14.0], [30.0, 40.0]]]), sigma=4.0)
    maps[..., 45:60, 27:43] = -0.036
    maps[..., 52, 34] = 0.9
    maps[..., 52, 35] = 0.85
    check_twins(twin.decode, dark.decode, maps, (192, 256))


def test_same_points_of_low_maps() -> None:
    """Values reach the floor of 1e-10, and the height is restored first."""
    maps = noisy(0.0) * np.float32(3e-10)
    check_twins(twin.decode, dark.decode, maps, (192, 256))
