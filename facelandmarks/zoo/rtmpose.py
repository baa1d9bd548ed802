"""RTMPose's face models, published with MMPose 1.x only."""

from dataclasses import replace

from facelandmarks.zoo.spec import ModelSpec

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

MODELS = (FACE6_T, FACE6_S, FACE6_M, LAPA_M, WFLW_M, COCO_M)
