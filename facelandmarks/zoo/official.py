"""The models of the repository HRNet-Facial-Landmark-Detection, run as it runs them.

Its own crop, its own decoding, no flip test. Only the last step differs by default: upstream cuts points to whole
pixels counted from 1, which makes them coarse and, on average, half a pixel too far right and down.
`decode="hrnet_official"` does so too.
"""

from dataclasses import replace

from facelandmarks.zoo.spec import ModelSpec

WFLW = ModelSpec(
    name="hrnetv2_w18_wflw_official",
    title="Official HRNetV2-W18, WFLW",
    network="hrnetv2",
    network_options={"width": 18},
    scheme="wflw98",
    weights="HR18-WFLW.pth",
    input_size=(256, 256),
    geometry="hrnet_official",
    decode="hrnet_official_subpixel",
    back_options={"unbiased": True},
    decodes={"hrnet_official": {"back_options": {}}},
    flip_test=False,
    box_convention="tight",
    story="Points keep their fractions and are counted from 0. Upstream cuts them to whole pixels counted from 1, and "
    'its published numbers are made of those: decode="hrnet_official".',
)
AFLW = replace(
    WFLW,
    name="hrnetv2_w18_aflw_official",
    title="Official HRNetV2-W18, AFLW",
    scheme="aflw19",
    weights="HR18-AFLW.pth",
    box_convention="aflw",
)
COFW = replace(
    WFLW,
    name="hrnetv2_w18_cofw_official",
    title="Official HRNetV2-W18, COFW",
    scheme="cofw29",
    weights="HR18-COFW.pth",
    box_convention="tight_no_jaw",
    # Upstream holds COFW's images as integers, the others' as floats; only floats are stretched before being shrunk.
    crop_options={"stretch_image": False},
)
IBUG300W = replace(
    WFLW,
    name="hrnetv2_w18_300w_official",
    title="Official HRNetV2-W18, 300-W",
    scheme="ibug68",
    weights="HR18-300W.pth",
)

MODELS = (WFLW, AFLW, COFW, IBUG300W)
