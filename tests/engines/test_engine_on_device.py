"""Points without a way back from the device; here the device is the CPU, and a GPU where there is one."""

from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import torch

import facelandmarks as fl
from facelandmarks.engines.base import PointsEngine
from facelandmarks.engines.choose import EngineSettings
from facelandmarks.engines.torch import PointsOnDevice, TorchEngine, batch_size
from facelandmarks.errors import InvalidOptionError
from facelandmarks.model import Model
from facelandmarks.nn.build import build_network
from facelandmarks.pipeline import DECODERS
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import get_spec

BOXES = [(180.0, 91.0, 264.0, 175.0), (170.0, 80.0, 270.0, 180.0), (150.0, 60.0, 300.0, 210.0)]
CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
gpu = pytest.mark.gpu


class OnDevice:
    """An engine on the CPU whose points come as they would from a GPU."""

    def __init__(self, engine):
        self.info, self.run, self.forward = engine.info, engine.run, engine.forward

    def points_of(self, spec):
        return PointsOnDevice(self.forward, spec, CPU)


def engine_of(name, **options):
    spec = get_spec(name)
    torch.manual_seed(0)
    network = build_network(spec.network, {**spec.network_options, "landmarks": len(get_scheme(spec.scheme))})
    return TorchEngine(network, spec.mean, spec.std, EngineSettings(**options))


def compact(device="cpu", **options):
    return fl.load_model("compact_300w", device=device, engine="torch", **options)


@pytest.mark.parametrize("flip_test", [False, True])
def test_predictions_are_those_of_arrays(flip_test):
    model = compact(flip_test=flip_test)
    photo = skimage.data.astronaut()
    expected = model.predict(photo, BOXES)
    found = Model(model.spec, OnDevice(model.engine)).predict(photo, BOXES)
    np.testing.assert_allclose(found.points, expected.points, rtol=0, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=1e-4)


def test_the_record_of_the_model_is_followed_not_one_of_the_engine():
    engine, photo = OnDevice(compact().engine), skimage.data.astronaut()
    spec = get_spec("compact_300w")
    direct, flipped = (Model(replace(spec, flip_test=flip), engine).predict(photo, BOXES) for flip in (False, True))
    assert np.abs(direct.points - flipped.points).max() > 0.01


@pytest.mark.parametrize("name", ["hrnetv2_w18_wflw_dark", "rtmpose_t_face6", "deeppose_res50_wflw"])
def test_other_networks_with_flip_test(name):
    """Fresh weights make flat maps, whose peaks jump by last bits: one output goes into both ways to decode."""
    spec = replace(get_spec(name), flip_test=True)
    engine = engine_of(name, device="cpu")
    model = Model(spec, engine)
    pixels = model.prepare(skimage.data.astronaut(), BOXES[:2]).pixels
    outputs = engine.run(np.concatenate([pixels, pixels[:, :, ::-1]]))
    averaged = model.average(*np.split(outputs, 2))
    expected = DECODERS[spec.decode].result(model._pipeline.decode(averaged))
    found = PointsOnDevice(engine.forward, spec, CPU)(pixels)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.points, expected.points, rtol=0, atol=0.01)


def test_stages_go_on_working_beside_it():
    model = compact()
    on_device = Model(model.spec, OnDevice(model.engine))
    crops = on_device.prepare(skimage.data.astronaut(), BOXES)
    points = on_device.decode(on_device.forward(crops), crops).points
    np.testing.assert_allclose(points, model.decode(model.forward(crops), crops).points, rtol=0, atol=1e-3)


def test_on_a_cpu_arrays_are_decoded():
    engine = engine_of("compact_300w", device="cpu")
    assert isinstance(engine, PointsEngine)
    assert engine.points_of(get_spec("compact_300w")) is None


def test_graphs_need_a_cuda_device():
    with pytest.raises(InvalidOptionError, match="CUDA"):
        compact(cuda_graphs=True)


def test_sizes_of_graphs():
    assert [batch_size(count) for count in (1, 2, 3, 4, 5, 64, 65)] == [1, 2, 4, 4, 8, 64, 128]


@gpu
@needs_cuda
@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("flip_test", [False, True])
def test_cuda_agrees_with_the_cpu(cuda_graphs, flip_test):
    photo = skimage.data.astronaut()
    expected = compact(flip_test=flip_test).predict(photo, BOXES).points
    model = compact("cuda", flip_test=flip_test, cuda_graphs=cuda_graphs)
    for count in (3, 1, 3):  # graphs of two sizes, and one again
        found = model.predict(photo, BOXES[:count]).points
        np.testing.assert_allclose(found, expected[:count], rtol=0, atol=0.05)


@gpu
@needs_cuda
@pytest.mark.parametrize("name", ["compact_300w", "hrnetv2_w18_wflw_dark", "rtmpose_t_face6", "deeppose_res50_wflw"])
def test_nothing_waits_for_the_device_before_the_end(name):
    spec, device = replace(get_spec(name), flip_test=True), torch.device("cuda")
    points = PointsOnDevice(engine_of(name, device="cuda").forward, spec, device)
    crops = torch.zeros((2, *spec.input_size[::-1], 3), dtype=torch.uint8).pin_memory()
    with torch.inference_mode():
        points._packed(crops.to(device))
        torch.cuda.set_sync_debug_mode("error")
        try:
            points._packed(crops.to(device, non_blocking=True))
        finally:
            torch.cuda.set_sync_debug_mode("default")
