"""decode_torch.argmax against decode.argmax, its twin on arrays."""

import numpy as np
import pytest
from decode_twins import check_twins, noisy, special

from facelandmarks.decode import argmax
from facelandmarks.decode_torch import argmax as twin
from facelandmarks.zoo.spec import Variant

NONE = np.stack([np.full((1, 64, 48), value, np.float32) for value in (-1, 0)], axis=1)


@pytest.mark.parametrize("variant", ["mmpose0x", "mmpose1x"])
@pytest.mark.parametrize("maps", [noisy(), special(), NONE, noisy()[:0]], ids=["noisy", "special", "none", "empty"])
def test_same_points(maps: np.ndarray, variant: Variant) -> None:
    check_twins(twin.decode, argmax.decode, maps, (192, 256), variant=variant)
