"""Published networks with generated weights: stored crop in, the original's stored output out."""

import numpy as np
import pytest
import torch
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
    "hrnetv2_w18_cofw_official": ("official", "hrnetv2", {"width": 18, "landmarks": 29}),
    "hrnetv2_w18_cofw": ("mmpose0x", "hrnetv2", {"width": 18, "landmarks": 29}),
}


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
    public = folder / "public"
    if folder.name == "mmpose1x":
        variant = ".asshipped" if "deepfashion" in model else ""
        e2e = np.load(public / f"e2e_mmpose1x_{model}{variant}.npz")
        crops = np.load(public / str(e2e["crop_file"]))["crop"][..., ::-1]
        if "output_idx" in e2e and len(e2e["output_idx"]):
            return crops[e2e["output_idx"][0]], e2e["output"][0], slice(None)
        return crops[e2e["output_sub_idx"][0]], e2e["output_sub"][0], e2e["output_sub_keypoints"]
    if folder.name == "mmpose0x":
        e2e = np.load(public / f"e2e_mmpose0x_{model}.npz")
        crops = np.load(public / "e2e_mmpose0x_hrnetv2_w18_wflw_dark.npz")["crop"]  # the same for all faces
        return crops[0], e2e["output"][0], slice(None)
    e2e = np.load(public / f"e2e_{model}.npz")
    return e2e["crop"][0], np.squeeze(e2e["output"]), slice(None)


@pytest.mark.parametrize("model", CASES)
def test_output(shared, model):
    family, name, options = CASES[model]
    folder = shared / "goldens" / family
    crop, expected, landmarks = stored(folder, model)
    dialect = "hrnet_official" if family == "official" else family
    output = run(folder, dialect, name, model, options, crop)[landmarks]
    assert output.shape == expected.shape
    np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)
