"""The PyTorch engine: devices, number types, threads, folding."""

import numpy as np
import pytest
import torch

from facelandmarks.engines.torch import TorchEngine
from facelandmarks.errors import DeviceError, InvalidOptionError
from facelandmarks.nn.compact import CompactLandmarkNet
from facelandmarks.nn.fuse import fuse_batch_norms

MEAN, STD = (120.0, 110.0, 100.0), (50.0, 60.0, 70.0)


def make_network(seed=0):
    torch.manual_seed(seed)
    network = CompactLandmarkNet(4, stem=(8, 8), widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1), neck=8)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return network.eval()


def test_the_engine_is_the_network_on_normalised_crops():
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    x = (torch.tensor(crops).permute(0, 3, 1, 2).float() - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(
        3, 1, 1
    )
    with torch.no_grad():
        expected = make_network()(x).numpy()
    found = TorchEngine(make_network(), MEAN, STD, device="cpu").run(crops)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_every_batch_norm_is_folded():
    network = make_network()
    fuse_batch_norms(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


def test_devices_that_cannot_be_had_are_errors():
    for device in ("cuda:7", "nonsense", "meta7:x"):
        with pytest.raises(DeviceError, match=device):
            TorchEngine(make_network(), MEAN, STD, device=device)


def test_options_are_checked():
    with pytest.raises(InvalidOptionError, match="float32"):
        TorchEngine(make_network(), MEAN, STD, dtype="int4")
    with pytest.raises(InvalidOptionError, match="at least 1"):
        TorchEngine(make_network(), MEAN, STD, threads=0)


def test_info_says_what_runs_and_threads_are_put_back():
    before = torch.get_num_threads()
    engine = TorchEngine(make_network(), MEAN, STD, device="cpu", dtype="bfloat16", threads=1)
    engine.run(np.zeros((1, 64, 64, 3), np.uint8))
    assert torch.get_num_threads() == before
    info = engine.info
    assert (info.engine, info.device, info.dtype, info.threads) == ("torch", "cpu", "bfloat16", 1)


def test_bfloat16_is_near():
    crops = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    full = TorchEngine(make_network(), MEAN, STD, device="cpu").run(crops)
    half = TorchEngine(make_network(), MEAN, STD, device="cpu", dtype="bfloat16").run(crops)
    assert 0 < np.abs(full - half).max() < 0.05 * max(1.0, np.abs(full).max())
