"""All that a CUDA device must show, in minutes: `pytest -m gpu`. Not yet run on one: docs/engines.md."""

import numpy as np
import pytest
import skimage.data
from golden_files import has_weights
from golden_points import allowed_distance, e2e, picture
from golden_weights import golden_weights

import facelandmarks as fl

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICE = "cuda"
# One of each network and decoder, by the name of its goldens.
CASES = {
    ("mmpose0x", "deeppose_res50_wflw"): "deeppose_res50_wflw",
    ("mmpose0x", "hrnetv2_w18_wflw"): "hrnetv2_w18_wflw",
    ("mmpose0x", "hrnetv2_w18_wflw_dark"): "hrnetv2_w18_wflw_dark",
    ("mmpose1x", "rtmpose_t_face6"): "rtmpose_t_face6",
}
# Mean and largest distance in pixels of the image that bfloat16 may be away from float32, as measured on a CPU
# (docs/engines.md: 0.0426 and 0.27 on `compact_300w`), doubled.
BFLOAT16 = (0.09, 0.6)


@pytest.fixture
def float32_arithmetic(monkeypatch):
    """Convolutions and products in float32, not in TF32, as on a CPU."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def check_golden(goldens, case, **options):
    """Compare points with the original's, on the device, flip test included."""
    (family, golden), name = case, CASES[case]
    folder, fields = goldens / family, e2e(goldens / family, golden)
    weights = golden_weights(folder, golden)
    model = fl.load_model(
        name, weights=weights, variant=family, engine="torch", device=DEVICE, flip_test=True, **options
    )
    pairs = zip(fields["image_name"], fields["box"], strict=True)
    found = np.concatenate([model.predict(picture(folder, str(image)), box).points for image, box in pairs])
    unclear = fields["top2margin_flip"] < 1e-3
    distance = np.linalg.norm(found - fields["points_flip"], axis=-1)
    wrong = ~(distance <= allowed_distance(fields["sens_flip"])) & ~unclear
    assert not wrong.any(), f"{wrong.sum()} points off by up to {distance[wrong].max()} px"


@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("case", [case for case in CASES if has_weights(*case)], ids=lambda case: case[1])
def test_goldens_on_the_device_in_float32(goldens, float32_arithmetic, case, cuda_graphs):
    check_golden(goldens, case, cuda_graphs=cuda_graphs)


def test_bfloat16_is_as_near_as_on_a_cpu(float32_arithmetic):
    photo, boxes = skimage.data.astronaut(), [(180.0, 91.0, 264.0, 175.0), (170.0, 80.0, 270.0, 180.0)]
    expected = fl.load_model(device="cpu", engine="torch").predict(photo, boxes).points
    model = fl.load_model(device=DEVICE, engine="torch", dtype="bfloat16")
    distance = np.linalg.norm(model.predict(photo, boxes).points - expected, axis=-1)
    assert distance.mean() <= BFLOAT16[0]
    assert distance.max() <= BFLOAT16[1]
    assert model.engine_info().device.startswith(DEVICE)


def test_many_faces_fill_batches_of_every_size(float32_arithmetic):
    photo, rng = skimage.data.astronaut(), np.random.default_rng(0)
    boxes = np.array([180.0, 91.0, 264.0, 175.0]) + rng.uniform(-6, 6, (300, 4))
    expected = fl.load_model(device="cpu", engine="torch").predict(photo, boxes).points
    for cuda_graphs in (False, True):
        model = fl.load_model(device=DEVICE, engine="torch", cuda_graphs=cuda_graphs)
        np.testing.assert_allclose(model.predict(photo, boxes).points, expected, rtol=0, atol=0.05)
