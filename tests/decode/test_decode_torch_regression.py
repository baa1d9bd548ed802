"""decode_torch.regression against decode.regression, its twin on arrays."""

import numpy as np
import pytest
from decode_twins import check_twins

from facelandmarks.decode import regression
from facelandmarks.decode_torch import regression as twin


@pytest.mark.parametrize("count", [0, 3])
def test_same_points(count: int) -> None:
    outputs = np.random.default_rng(0).uniform(-0.1, 1.1, (count, 98, 2)).astype(np.float32)
    outputs[:, 5] = np.nan
    check_twins(twin.decode, regression.decode, outputs, (256, 192))
