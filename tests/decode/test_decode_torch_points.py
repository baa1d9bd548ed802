"""decode_torch.points against decode.points, its twin on arrays."""

import numpy as np
import pytest
from decode_twins import check_twins

from facelandmarks.decode import points
from facelandmarks.decode_torch import points as twin


@pytest.mark.parametrize("count", [0, 3])
def test_same_points(count: int) -> None:
    outputs = np.random.default_rng(0).uniform(-0.1, 1.1, (count, 68, 3)).astype(np.float32)
    outputs[:, 5] = np.nan
    check_twins(twin.decode, points.decode, outputs, (128, 96))
