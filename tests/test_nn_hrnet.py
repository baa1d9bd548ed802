"""The structure of HRNet against lists of parameters of the published models."""

import json

import pytest
import torch

from facelandmarks.nn.hrnet import HRNetV2


@pytest.mark.parametrize(("name", "landmarks"), [("hrnetv2_w18_wflw", 98), ("hrnetv2_w18_300w", 68)])
def test_names_and_shapes_are_those_of_the_published_files(shared, name, landmarks):
    facts = json.loads((shared / "goldens" / "mmpose1x" / "keys" / f"{name}.json").read_text())
    with torch.device("meta"):
        network = HRNetV2(18, landmarks)
    assert [[key, list(value.shape)] for key, value in sorted(network.state_dict().items())] == sorted(
        [key, shape] for key, shape, _ in facts["keys"]
    )
    assert sum(p.numel() for p in network.parameters()) == facts["parameters"]


def test_output_is_a_quarter_of_the_input():
    assert HRNetV2(18, 5).eval()(torch.zeros(1, 3, 64, 96)).shape == (1, 5, 16, 24)
