"""RTMPose with generated weights from stored crops to points in the picture, with and without flip test."""

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_points import Part, compare, e2e
from golden_weights import golden_weights
from numpy.typing import NDArray
from torch import nn

from facelandmarks.decode import simcc
from facelandmarks.engines.torch import TorchEngine
from facelandmarks.geometry.classic import to_image
from facelandmarks.nn.build import build_network
from facelandmarks.schemes import get_scheme
from facelandmarks.weights.checkpoint import load_state

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
STORED = 4  # samples whose outputs are stored, the first ones
TOLERANCE = 3e-4  # ways to compute in float32 differ by up to 1.6e-4 in these networks
TINY = {"width": 24, "depths": (1, 1, 1, 1)}
SMALL = {"width": 32, "depths": (1, 2, 2, 1)}
MEDIUM = {"width": 48, "depths": (2, 4, 4, 2)}
MODELS = {
    "rtmpose_t_face6": (TINY, "lapa106"),
    "rtmpose_s_face6": (SMALL, "lapa106"),
    "rtmpose_m_face6": (MEDIUM, "lapa106"),
    "rtmpose_m_lapa": (MEDIUM, "lapa106"),
    "rtmpose_m_wflw": (MEDIUM, "wflw98"),
    "rtmpose_m_coco_wholebody_face": (MEDIUM, "ibug68"),
}


def network_of(folder: Path, model: str) -> nn.Module:
    options, scheme = MODELS[model]
    network = build_network("rtmpose", {**options, "landmarks": len(get_scheme(scheme))}).eval()
    weights = golden_weights(folder, model)
    load_state(network, {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}, model)
    return network


def crops_of(folder: Path, fields: dict[str, NDArray]) -> NDArray[np.uint8]:
    """RGB crop (H, W, 3) of every sample."""
    with np.load(folder / "public" / str(fields["crop_file"])) as file:
        return file["crop"][..., ::-1].copy()


def flip_averaged(
    direct: NDArray[np.float32], mirrored: NDArray[np.float32], mirror: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Outputs (N, 2, K, bins) for a crop and for its mirror image: points exchanged and x read backwards, averaged."""
    back = mirrored[:, :, mirror]
    return (direct + np.stack([back[:, 0, :, ::-1], back[:, 1]], axis=1)) * np.float32(0.5)


def check_outputs(outputs: NDArray[np.float32], fields: dict[str, NDArray], name: str) -> None:
    """All that is stored under a name: whole samples, and some landmarks of some."""
    assert name in fields or f"{name}_sub" in fields
    for field in (name, f"{name}_sub"):
        if field not in fields:
            continue
        expected = fields[field]
        samples = fields.get(f"{field}_idx", np.arange(len(expected)))
        landmarks = fields["output_sub_keypoints"] if field.endswith("_sub") else np.arange(expected.shape[2])
        np.testing.assert_allclose(outputs[samples][:, :, landmarks], expected, rtol=0, atol=TOLERANCE)


def check_points(outputs: NDArray[np.float32], fields: dict[str, NDArray], suffix: str) -> None:
    """Every point and score of every sample."""
    points, scores = simcc.decode(outputs, (256, 256))
    values = [fields[name + suffix] for name in ("points", "scores", "sens", "top2margin")]
    part = Part(f"points{suffix}", outputs, fields["center"], fields["scale"], *values)
    compared, left_out = compare(to_image(points, part.center, part.scale, (256, 256), "mmpose1x"), part)
    np.testing.assert_allclose(scores, part.scores, rtol=0, atol=TOLERANCE)
    print(f"{part.what}: {compared} compared, {left_out} left out")
    assert compared + left_out == 12 * outputs.shape[2]
    assert left_out <= 0.06 * (compared + left_out)


def bare_outputs(network: nn.Module, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the network gives as it is published: nothing folded, no other order of memory."""
    normalised = (crops.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    with torch.inference_mode():
        return network(torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy())).numpy()


@pytest.mark.parametrize("model", MODELS)
def test_outputs_and_points(shared: Path, model: str) -> None:
    folder = shared / "goldens/mmpose1x"
    fields, network = e2e(folder, model), network_of(folder, model)
    crops = crops_of(folder, fields)
    check_outputs(bare_outputs(network, crops[:STORED]), fields, "output")
    engine = TorchEngine(network, MEAN, STD, device="cpu")  # folds the batch norms
    direct = engine.run(crops)
    check_outputs(direct, fields, "output")
    check_points(direct, fields, "")
    mirrored = engine.run(crops[:, :, ::-1])
    merged = flip_averaged(direct, mirrored, get_scheme(MODELS[model][1]).mirror)
    check_outputs(merged, fields, "output_flipmerged")
    check_points(merged, fields, "_flip")
