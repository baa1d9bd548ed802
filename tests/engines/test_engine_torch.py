"""The PyTorch engine: devices, number types, threads, folding."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from facelandmarks.engines.choose import EngineSettings
from facelandmarks.engines.torch import TorchEngine
from facelandmarks.errors import DeviceError, InvalidOptionError
from facelandmarks.nn.build import build_network, fuse_batch_norms
from facelandmarks.nn.compact import CompactLandmarkNet
from facelandmarks.nn.hrnet import HRNetV2

MEAN, STD = (120.0, 110.0, 100.0), (50.0, 60.0, 70.0)


def engine_of(network, *, size=None, **options):
    return TorchEngine(network, MEAN, STD, EngineSettings(**options), size)


def make_network(seed=0):
    torch.manual_seed(seed)
    return shaken(CompactLandmarkNet(4, stem=(8, 8), widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1), neck=8)).eval()


def shaken(network):
    """With batch norms that do something."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.8, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1)
    return network


def test_the_engine_is_the_network_on_normalised_crops():
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    x = (torch.tensor(crops).permute(0, 3, 1, 2).float() - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(
        3, 1, 1
    )
    with torch.no_grad():
        expected = make_network()(x).numpy()
    found = engine_of(make_network(), device="cpu").run(crops)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


NUMBERS = {
    "compact": {"landmarks": 4},
    "compact_detector": {},
    "hrnetv2": {"width": 18, "landmarks": 4},
    "hrnet": {"width": 18, "landmarks": 4},
    "deeppose": {"landmarks": 4},
    "simple_baseline": {"landmarks": 4},
    "rtmpose": {"width": 24, "depths": (1, 1, 1, 1), "landmarks": 4},
}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_batch_norm_is_folded(name):
    torch.manual_seed(0)
    network = shaken(build_network(name, NUMBERS[name]).eval())
    x = torch.randn(1, 3, 256, 256)
    with torch.inference_mode():
        expected = network(x)
        fuse_batch_norms(network)
        assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
        torch.testing.assert_close(network(x), expected, rtol=0, atol=2e-5)


def test_heatmaps_come_map_by_map_in_memory():
    engine = engine_of(HRNetV2(18, 5), device="cpu")  # channels-last inside
    assert engine.run(np.zeros((2, 64, 64, 3), np.uint8)).flags.c_contiguous


def test_devices_that_cannot_be_had_are_errors():
    for device in ("cuda:7", "nonsense", "meta7:x", "meta"):
        with pytest.raises(DeviceError, match=device):
            engine_of(make_network(), device=device)


def test_options_are_checked():
    with pytest.raises(InvalidOptionError, match="float32"):
        engine_of(make_network(), dtype="int4")
    with pytest.raises(InvalidOptionError, match="threads must be"):
        engine_of(make_network(), threads=0)


def test_info_says_what_runs_and_threads_are_put_back():
    before = torch.get_num_threads()
    engine = engine_of(make_network(), device="cpu", dtype="bfloat16", threads=1)
    engine.run(np.zeros((1, 64, 64, 3), np.uint8))
    assert torch.get_num_threads() == before
    info = engine.info
    assert (info.engine, info.device, info.dtype, info.threads) == ("torch", "cpu", "bfloat16", 1)


def test_bfloat16_is_near():
    crops = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    full = engine_of(make_network(), device="cpu").run(crops)
    half = engine_of(make_network(), device="cpu", dtype="bfloat16").run(crops)
    assert 0 < np.abs(full - half).max() < 0.05 * max(1.0, np.abs(full).max())


def test_float16_on_a_cpu_is_near_too():
    crops = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    full = engine_of(make_network(), device="cpu").run(crops)
    half = engine_of(make_network(), device="cpu", dtype="float16").run(crops)
    assert 0 < np.abs(full - half).max() < 0.005 * max(1.0, np.abs(full).max())


def test_threads_hold_for_the_calling_thread_alone():
    """Two engines run at the same time, each with its number; a third thread keeps its own."""
    seen, meet = {}, threading.Barrier(3, timeout=60)

    class Look(torch.nn.Module):
        def forward(self, x):
            meet.wait()
            seen[threading.current_thread().name] = torch.get_num_threads()
            meet.wait()
            return x.mean()[None]

    def call(count):
        before = torch.get_num_threads()
        engine_of(Look(), device="cpu", threads=count).run(np.zeros((1, 8, 8, 3), np.uint8))
        seen[f"{count} put back"] = torch.get_num_threads() == before

    before = torch.get_num_threads()
    threads = [threading.Thread(target=call, args=(count,), name=str(count)) for count in (2, 3)]
    for thread in threads:
        thread.start()
    meet.wait()
    assert torch.get_num_threads() == before
    meet.wait()
    for thread in threads:
        thread.join()
    assert torch.get_num_threads() == before
    assert seen == {"2": 2, "3": 3, "2 put back": True, "3 put back": True}


def test_what_cannot_be_compiled_is_an_error(monkeypatch):
    def refuse(network):
        def call(x):
            raise RuntimeError("no compiler")

        return call

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(DeviceError, match=r"no compiler.*compile=True"):
        engine_of(make_network(), device="cpu", size=(64, 64), compile=True)


COMPILED = """
import numpy as np
from test_engine_torch import engine_of, make_network

crops = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
expected = engine_of(make_network(), device="cpu").run(crops)
found = engine_of(make_network(), device="cpu", size=(64, 64), compile=True).run(crops)
np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
"""


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "cl"))), reason="PyTorch compiles with a C++ compiler")
def test_a_compiled_network_is_the_same_function():
    """In a process of its own: the compiler hooks into the interpreter, and stays there."""
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", COMPILED], check=False, cwd=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
