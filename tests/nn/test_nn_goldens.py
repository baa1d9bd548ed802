"""Published networks with generated weights: stored crop in, the original's stored output out."""

import numpy as np
import pytest
import torch
from golden_files import GOLDENS, arrays, e2e_path, has_weights, is_small
from golden_points import stored_outputs
from golden_weights import golden_weights

from facelandmarks.nn.build import build_network
from facelandmarks.weights.checkpoint import load_state, rename

MEAN, STD = np.array([123.675, 116.28, 103.53], np.float32), np.array([58.395, 57.12, 57.375], np.float32)
TOLERANCE = 1e-4  # ways to compute in float32 differ by up to 5.2e-5 in these networks

CASES = {
    "hrnetv2_w18_aflw": ("mmpose1x", "hrnetv2", {"width": 18, "landmarks": 19}),
    "deeppose_res50_wflw": ("mmpose1x", "deeppose", {"landmarks": 98}),
    "hrnet_w48_deepfashion_upper_udp": ("mmpose1x", "hrnet", {"width": 48, "landmarks": 6}),
    "res50_coco_wholebody_face": ("mmpose1x", "simple_baseline", {"landmarks": 68}),
    "hrnetv2_w18_aflw_official": ("official", "hrnetv2", {"width": 18, "landmarks": 19}),
    "hrnetv2_w18_cofw": ("mmpose0x", "hrnetv2", {"width": 18, "landmarks": 29}),
}
# The small set stores the crops of the official repository alone; the tests of whole models cut their own.
HERE = [
    model
    for model, (family, *_) in CASES.items()
    if has_weights(family, model) and (family == "official" or not is_small(GOLDENS))
]


def run(folder, dialect, name, model, options, crop):
    """Output (K, ...) for one RGB crop (H, W, 3)."""
    network = build_network(name, options).eval()
    state = rename(golden_weights(folder, model), dialect)
    load_state(network, {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, model)
    x = torch.from_numpy(((crop.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None])
    with torch.inference_mode():
        return network(x)[0].numpy()


def stored(folder, model):
    """Crop (RGB), output and which landmarks the output holds, of one sample."""
    fields = arrays(e2e_path(folder, f"{model}.asshipped" if "deepfashion" in model else model))
    _, output, samples, landmarks = next(stored_outputs(fields))
    return crops(folder, fields)[samples[0]], output[0], landmarks


def crops(folder, fields):
    """RGB crops of all samples."""
    if folder.name == "mmpose1x":
        return arrays(folder / "public" / str(fields["crop_file"]))["crop"][..., ::-1]
    if folder.name == "mmpose0x":
        return arrays(e2e_path(folder, "hrnetv2_w18_wflw_dark"))["crop"]  # the same for all faces
    return fields["crop"]


@pytest.mark.parametrize("model", HERE)
def test_output(goldens, model):
    family, name, options = CASES[model]
    folder = goldens / family
    crop, expected, landmarks = stored(folder, model)
    dialect = "hrnet_official" if family == "official" else family
    output = run(folder, dialect, name, model, options, crop)[landmarks]
    assert output.shape == expected.shape
    np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)
