"""decode_torch.bound: for every model the functions on tensors do what the pipeline's do on arrays."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from decode_twins import check_twins, gaussians

from facelandmarks.decode_torch.bound import DECODERS, bind
from facelandmarks.pipeline import DECODERS as ON_ARRAYS
from facelandmarks.pipeline import bind as bind_on_arrays
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import MODELS

CPU = torch.device("cpu")


def outputs_like(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of the network of a model, for two crops and for their mirror images."""
    spec, rng = MODELS[name], np.random.default_rng(0)
    count, (width, height) = len(get_scheme(spec.scheme)), (side // 4 for side in spec.input_size)
    shapes = {"regression": (2, count, 2), "points": (2, count, 3), "simcc": (2, 2, count, 512)}
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
    assert found.average is not None
    averaged = expected.average(direct, mirrored)
    np.testing.assert_allclose(found.average(torch.from_numpy(direct), torch.from_numpy(mirrored)), averaged, atol=4e-7)
    check_twins(found.decode, expected.decode, averaged)


def test_no_average_without_flip_test() -> None:
    assert bind(replace(MODELS["hrnetv2_w18_wflw"], flip_test=False), CPU).average is None


def test_there_is_a_twin_of_each_decoder() -> None:
    assert list(DECODERS) == list(ON_ARRAYS)
