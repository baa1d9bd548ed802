"""decode_torch.simcc against decode.simcc, its twin on arrays."""

import numpy as np
import pytest
from decode_twins import check_twins

from facelandmarks.decode import simcc
from facelandmarks.decode_torch import simcc as twin


@pytest.mark.parametrize("count", [0, 3])
def test_same_points(count: int) -> None:
    """Ties, NaN along either axis, and axes without a positive value too."""
    logits = np.random.default_rng(0).normal(0, 1, (count, 2, 106, 512)).astype(np.float32)
    logits[:, :, 0, [7, 300]] = 9
    logits[:, 0, 1, 5] = logits[:, 1, 2, 6] = np.nan
    logits[:, 0, 3], logits[:, 1, 4] = -1, 0
    check_twins(twin.decode, simcc.decode, logits, (256, 256))
