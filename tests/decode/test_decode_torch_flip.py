"""decode_torch.flip against decode.flip, its twin on arrays."""

import numpy as np
import pytest
import torch

from facelandmarks.decode.flip import AVERAGES
from facelandmarks.decode_torch.flip import AVERAGES as TWINS
from facelandmarks.zoo.spec import FlipAverage

SHAPES = {"heatmaps": (7, 12, 10), "coordinates": (7, 2), "simcc": (2, 7, 20), "points": (7, 3)}


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("name", AVERAGES)
def test_same_averages(name: FlipAverage, count: int) -> None:
    rng = np.random.default_rng(0)
    shape = (count, *SHAPES[name.removeprefix("shifted_")])
    direct, mirrored = (rng.random(shape, np.float32) for _ in range(2))
    exchange = rng.permutation(7)
    found = TWINS[name](*(torch.from_numpy(part) for part in (direct, mirrored, exchange)), (256, 192))
    # Fractions of the crop: three roundings of numbers below 2.
    np.testing.assert_allclose(found, AVERAGES[name](direct, mirrored, exchange, (256, 192)), rtol=0, atol=4e-7)


def test_there_is_a_twin_of_each() -> None:
    assert list(TWINS) == list(AVERAGES)
