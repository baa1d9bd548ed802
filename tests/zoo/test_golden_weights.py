"""The generated weights are the ones that the goldens were made with."""

import pytest
from golden_files import document, has_weights
from golden_weights import digest_of, golden_weights

DIGESTS = {
    "mmpose0x": "sha256_without_num_batches_tracked",
    "mmpose1x": "sha256_after_calibration",
    "official": "sha256_without_num_batches_tracked",
}
MODELS = [
    ("mmpose0x", "hrnetv2_w18_wflw"),
    ("mmpose0x", "hrnetv2_w18_aflw"),
    ("mmpose0x", "hrnetv2_w18_aflw_dark"),
    ("mmpose0x", "deeppose_res50_wflw"),
    ("mmpose0x", "hrnet_w48_udp_deepfashion_upper"),
    ("mmpose1x", "hrnetv2_w18_wflw"),
    ("mmpose1x", "hrnetv2_w18_aflw"),
    ("mmpose1x", "deeppose_res50_wflw"),
    ("mmpose1x", "hrnet_w48_deepfashion_upper_udp"),
    ("mmpose1x", "hrnet_w48_deepfashion_lower_udp"),
    ("mmpose1x", "res50_coco_wholebody_face"),
    ("mmpose1x", "rtmpose_t_face6"),
    ("mmpose1x", "rtmpose_s_face6"),
    ("mmpose1x", "rtmpose_m_face6"),
    ("mmpose1x", "rtmpose_m_lapa"),
    ("mmpose1x", "rtmpose_m_wflw"),
    ("mmpose1x", "rtmpose_m_coco_wholebody_face"),
    ("official", "hrnetv2_w18_wflw_official"),
    ("official", "hrnetv2_w18_aflw_official"),
]


@pytest.mark.parametrize(("family", "model"), [case for case in MODELS if has_weights(*case)])
def test_digest(goldens, family, model):
    folder = goldens / family
    expected = document(folder / "weights_check.json")[model]
    assert digest_of(golden_weights(folder, model)) == expected[DIGESTS[family]]
