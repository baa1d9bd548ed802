"""decode_torch.hrnet_official against decode.hrnet_official, its twin on arrays."""

import numpy as np
import pytest
from decode_twins import check_twins, noisy, special

from facelandmarks.decode import hrnet_official
from facelandmarks.decode_torch import hrnet_official as twin

NONE = np.stack([np.full((1, 64, 48), value, np.float32) for value in (-1, 0)], axis=1)


@pytest.mark.parametrize("maps", [noisy(), special(), NONE, noisy()[:0]], ids=["noisy", "special", "none", "empty"])
def test_same_points(maps: np.ndarray) -> None:
    check_twins(twin.decode, hrnet_official.decode, maps, (192, 256))
