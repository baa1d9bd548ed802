"""The models of MMPose, and the anime model that was trained with it.

Files of 2021 run under MMPose 0.x and 1.x, whose results differ in roundings and, for DeepPose, in the flip test. The
default is the implementation whose published row the project reproduces.
"""

from collections.abc import Mapping
from dataclasses import replace

from facelandmarks.zoo.spec import Changes, ModelSpec, Variant

BOTH: Mapping[Variant, Changes] = {"mmpose0x": {}, "mmpose1x": {}}
# UDP is another crop too, and its mirrored maps need no shift.
HEATMAP_DECODES: Mapping[str, Changes] = {
    "argmax": {"geometry": "classic"},
    "dark": {"geometry": "classic"},
    "udp": {"geometry": "udp", "flip_average": "heatmaps"},
}

WFLW = ModelSpec(
    name="hrnetv2_w18_wflw",
    title="HRNetV2-W18, WFLW",
    network="hrnetv2",
    network_options={"width": 18},
    scheme="wflw98",
    weights="hrnetv2_w18_wflw_256x256-2bf032a6_20210125.pth",
    input_size=(256, 256),
    geometry="classic",
    decode="argmax",
    decodes=HEATMAP_DECODES,
    flip_test=True,
    flip_average="shifted_heatmaps",
    box_convention="tight",
    variant="mmpose0x",
    variants=BOTH,
)
WFLW_DARK = replace(
    WFLW,
    name="hrnetv2_w18_wflw_dark",
    title="HRNetV2-W18 with DARK, WFLW",
    weights="hrnetv2_w18_wflw_256x256_dark-3f8e0c2c_20210125.pth",
    decode="dark",
)
WFLW_AWING = replace(
    WFLW,
    name="hrnetv2_w18_wflw_awing",
    title="HRNetV2-W18 with adaptive wing loss, WFLW",
    weights="hrnetv2_w18_wflw_256x256_awing-5af5055c_20211212.pth",
)
AFLW = replace(
    WFLW,
    name="hrnetv2_w18_aflw",
    title="HRNetV2-W18, AFLW",
    scheme="aflw19",
    weights="hrnetv2_w18_aflw_256x256-f2bbc62b_20210125.pth",
    box_convention="aflw",
    variant="mmpose1x",
)
AFLW_DARK = replace(
    AFLW,
    name="hrnetv2_w18_aflw_dark",
    title="HRNetV2-W18 with DARK, AFLW",
    weights="hrnetv2_w18_aflw_256x256_dark-219606c0_20210125.pth",
    decode="dark",
)
COFW = replace(
    WFLW,
    name="hrnetv2_w18_cofw",
    title="HRNetV2-W18, COFW",
    scheme="cofw29",
    weights="hrnetv2_w18_cofw_256x256-49243ab8_20211019.pth",
    box_convention="cofw",
)
IBUG300W = replace(
    WFLW,
    name="hrnetv2_w18_300w",
    title="HRNetV2-W18, 300-W",
    scheme="ibug68",
    weights="hrnetv2_w18_300w_256x256-eea53406_20211019.pth",
)
IBUG300W_LP = replace(
    WFLW,
    name="hrnetv2_w18_300wlp",
    title="HRNetV2-W18, 300W-LP",
    scheme="ibug68",
    weights="hrnetv2_w18_300wlp_256x256-fb433d21_20230922.pth",
    flip_exchange=False,
    variant="mmpose1x",
    variants={"mmpose1x": {}},
    story="Trained and flip-tested without exchanging left and right landmarks, as its dataset was described without "
    "the pairs; it is run the same way here.",
)
COCO_FACE = replace(
    WFLW,
    name="hrnetv2_w18_coco_wholebody_face",
    title="HRNetV2-W18, COCO-WholeBody-Face",
    scheme="ibug68",
    weights="hrnetv2_w18_coco_wholebody_face_256x256-c1ca469b_20210909.pth",
    box_convention="coco_face",
)
COCO_FACE_DARK = replace(
    COCO_FACE,
    name="hrnetv2_w18_coco_wholebody_face_dark",
    title="HRNetV2-W18 with DARK, COCO-WholeBody-Face",
    weights="hrnetv2_w18_coco_wholebody_face_256x256_dark-3d9a334e_20210909.pth",
    decode="dark",
)
COCO_FACE_RES50 = replace(
    COCO_FACE,
    name="res50_coco_wholebody_face",
    title="Simple Baseline ResNet-50, COCO-WholeBody-Face",
    network="simple_baseline",
    network_options={},
    weights="res50_coco_wholebody_face_256x256-5128edf5_20210909.pth",
)
ANIME = replace(
    WFLW_DARK,
    name="hrnetv2_w18_anime_face",
    title="HRNetV2-W18 for drawn faces (anime-face-detector)",
    scheme="anime28",
    weights="mmpose_anime-face_hrnetv2.pth",
    box_convention="anime",
    variants={"mmpose0x": {}},
    story="For illustrations. Its own detector's boxes, one pixel added and enlarged 1.1 times about their centre, are "
    "what it expects; the detectors here find photographed faces.",
)

DEEPPOSE = replace(
    WFLW,
    name="deeppose_res50_wflw",
    title="DeepPose ResNet-50, WFLW",
    network="deeppose",
    network_options={},
    weights="deeppose_res50_wflw_256x256-92d0ba7f_20210303.pth",
    decode="regression",
    decodes={},
    flip_average="coordinates",
    variants={"mmpose0x": {}, "mmpose1x": {"flip_average": "shifted_coordinates"}},
    story="Under MMPose 1.x the flip test of this file shifts the mirrored points by a pixel of the crop, under 0.x it "
    'does not: variant="mmpose1x".',
)
DEEPPOSE_WING = replace(
    DEEPPOSE,
    name="deeppose_res50_wflw_wing",
    title="DeepPose ResNet-50 with wing loss, WFLW",
    weights="deeppose_res50_wflw_256x256_wingloss-f82a5e53_20210303.pth",
)
DEEPPOSE_SOFTWING = replace(
    DEEPPOSE,
    name="deeppose_res50_wflw_softwing",
    title="DeepPose ResNet-50 with soft wing loss, WFLW",
    weights="deeppose_res50_wflw_256x256_softwingloss-4d34f22a_20211212.pth",
)

FASHION_UPPER = ModelSpec(
    name="hrnet_w48_deepfashion_upper_udp",
    title="HRNet-W48, DeepFashion upper-body clothes",
    network="hrnet",
    network_options={"width": 48},
    scheme="deepfashion_upper",
    weights="td-hm_hrnet-w48_udp_8xb32-210e_deepfashion_upper-256x192-de7c0eb1_20230810.pth",
    input_size=(192, 256),
    geometry="classic",
    decode="argmax",
    decodes=HEATMAP_DECODES,
    flip_test=True,
    box_convention="clothes",
    variant="mmpose1x",
    # 0.x has configs of these names, which do use UDP, but it never published files for them.
    variants={"mmpose0x": {"geometry": "udp", "decode": "udp"}, "mmpose1x": {}},
    story="Its name and the head of its configuration say UDP, but what that configuration really runs, and what "
    "its published numbers come from, is the plain crop, the quarter-pixel decoder and an unshifted flip test. "
    'decode="udp" runs what was declared.',
)
FASHION_LOWER = replace(
    FASHION_UPPER,
    name="hrnet_w48_deepfashion_lower_udp",
    title="HRNet-W48, DeepFashion lower-body clothes",
    scheme="deepfashion_lower",
    weights="td-hm_hrnet-w48_udp_8xb32-210e_deepfashion_lower-256x192-ddaf747d_20230810.pth",
)
FASHION_FULL = replace(
    FASHION_UPPER,
    name="hrnet_w48_deepfashion_full_udp",
    title="HRNet-W48, DeepFashion full-body clothes",
    scheme="deepfashion_full",
    weights="td-hm_hrnet-w48_udp_8xb32-210e_deepfashion_full-256x192-7ab504c7_20230810.pth",
)

FACE6_T = ModelSpec(
    name="rtmpose_t_face6",
    title="RTMPose-tiny, six face datasets",
    network="rtmpose",
    network_options={"width": 24, "depths": (1, 1, 1, 1)},
    scheme="lapa106",
    weights="rtmpose-t_simcc-face6_pt-in1k_120e-256x256-df79d9a5_20230529.pth",
    input_size=(256, 256),
    geometry="classic",
    decode="simcc",
    flip_test=True,
    flip_average="simcc",
    box_convention="tight",
    variant="mmpose1x",
    variants={"mmpose1x": {}},
    story="Points are whole halves of a pixel of the crop, and scores are logits, not limited to 0..1.",
)
FACE6_S = replace(
    FACE6_T,
    name="rtmpose_s_face6",
    title="RTMPose-small, six face datasets",
    network_options={"width": 32, "depths": (1, 2, 2, 1)},
    weights="rtmpose-s_simcc-face6_pt-in1k_120e-256x256-d779fdef_20230529.pth",
)
FACE6_M = replace(
    FACE6_T,
    name="rtmpose_m_face6",
    title="RTMPose-medium, six face datasets",
    network_options={"width": 48, "depths": (2, 4, 4, 2)},
    weights="rtmpose-m_simcc-face6_pt-in1k_120e-256x256-72a37400_20230529.pth",
)
LAPA_M = replace(
    FACE6_M,
    name="rtmpose_m_lapa",
    title="RTMPose-medium, LaPa",
    weights="rtmpose-m_simcc-lapa_pt-aic-coco_120e-256x256-762b1ae2_20230422.pth",
)
WFLW_M = replace(
    FACE6_M,
    name="rtmpose_m_wflw",
    title="RTMPose-medium, WFLW",
    scheme="wflw98",
    weights="rtmpose-m_simcc-wflw_pt-aic-coco_60e-256x256-dc1dcdcf_20230228.pth",
)
COCO_M = replace(
    FACE6_M,
    name="rtmpose_m_coco_wholebody_face",
    title="RTMPose-medium, COCO-WholeBody-Face",
    scheme="ibug68",
    weights="rtmpose-m_simcc-coco-wholebody-face_pt-aic-coco_60e-256x256-62026ef2_20230228.pth",
    box_convention="coco_face",
)

# fmt: off
MODELS = (
    WFLW, WFLW_DARK, WFLW_AWING, AFLW, AFLW_DARK, COFW, IBUG300W, IBUG300W_LP,
    COCO_FACE, COCO_FACE_DARK, COCO_FACE_RES50, ANIME, DEEPPOSE, DEEPPOSE_WING, DEEPPOSE_SOFTWING,
    FASHION_UPPER, FASHION_LOWER, FASHION_FULL, FACE6_T, FACE6_S, FACE6_M, LAPA_M, WFLW_M, COCO_M,
)
# fmt: on
