"""Every published model end to end: generated weights and a picture in, the original's crops and points out."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from golden_files import GOLDENS, has_weights, weight_names
from golden_points import allowed_distance, e2e, picture
from golden_weights import golden_weights

import facelandmarks as fl
from facelandmarks.model import Model
from facelandmarks.pipeline import choose
from facelandmarks.results import Crops, Decoded
from facelandmarks.zoo import get_spec

# Other ways to compute in float32 differ by up to 5.2e-5 in HRNets and ResNets, by 1.6e-4 in RTMPose.
OUTPUT, OUTPUT_RTMPOSE = 1e-4, 3e-4
LEFT_OUT = 0.06  # share of points whose second peak is as good as equal; at most so many in any of the files
FASHION = ("upper", "lower", "full")
MMPOSE0X = {
    **{name: name for name in ("deeppose_res50_wflw", "hrnetv2_w18_300w", "hrnetv2_w18_cofw", "hrnetv2_w18_wflw")},
    **{name: name for name in ("hrnetv2_w18_aflw", "hrnetv2_w18_aflw_dark", "hrnetv2_w18_wflw_dark")},
    **{f"hrnet_w48_udp_deepfashion_{part}": f"hrnet_w48_deepfashion_{part}_udp" for part in FASHION},
}
MMPOSE1X = {
    "deeppose_res50_wflw": {"": None},
    "hrnetv2_w18_300w": {"": None},
    "hrnetv2_w18_aflw": {"": None},
    "hrnetv2_w18_cofw": {"": None},
    "hrnetv2_w18_wflw": {"": None},
    "hrnetv2_w18_wflw_dark": {"": None},
    "res50_coco_wholebody_face": {"": None},
    **{f"rtmpose_{size}_face6": {"": None} for size in "tsm"},
    **{f"rtmpose_m_{dataset}": {"": None} for dataset in ("lapa", "wflw", "coco_wholebody_face")},
    **{f"hrnet_w48_deepfashion_{part}_udp": {".asshipped": None, ".udp": "udp"} for part in FASHION},
}


def load(folder, golden, name, variant):
    return fl.load_model(name, weights=golden_weights(folder, golden), variant=variant, device="cpu")


def prepared(model, folder, fields):
    """Crops of all samples; each sample has its own picture."""
    pairs = zip(fields["image_name"], fields["box"], strict=True)
    return Crops.join([model.prepare(picture(folder, str(name)), box) for name, box in pairs])


def mirrored(crops):
    return replace(crops, pixels=crops.pixels[:, :, ::-1])


def check_points(found, fields, suffix="", atol=OUTPUT):
    """Points against upstream's; returns the share left out because another peak is as high."""
    unclear = fields["top2margin" + suffix] < 1e-3
    distance = np.linalg.norm(found.points - fields["points" + suffix], axis=-1)
    wrong = ~(distance <= allowed_distance(fields["sens" + suffix])) & ~unclear
    assert not wrong.any(), f"{wrong.sum()} points off by up to {distance[wrong].max()} px"
    np.testing.assert_allclose(found.scores[~unclear], fields["scores" + suffix][~unclear], rtol=0, atol=atol)
    return unclear.mean()


def check_all(model, crops, outputs, fields, atol=OUTPUT):
    """Points without and with flip test, from outputs for the crops and their mirror images."""
    direct, back = outputs
    averaged = model.average(direct, back)
    left_out = check_points(model.decode(direct, crops), fields, atol=atol)
    return max(left_out, check_points(model.decode(averaged, crops), fields, "_flip", atol))


@pytest.mark.parametrize("golden", [golden for golden in MMPOSE0X if has_weights("mmpose0x", golden)])
def test_mmpose0x(goldens, golden):
    folder = goldens / "mmpose0x"
    fields = e2e(folder, golden)
    model = load(folder, golden, MMPOSE0X[golden], "mmpose0x")
    crops = prepared(model, folder, fields)
    digests = [hashlib.sha256(crop.tobytes()).hexdigest() for crop in crops.pixels]
    assert digests == [str(digest) for digest in fields["crop_sha256"]]
    np.testing.assert_array_equal(crops.center.astype(np.float32), fields["center"])
    outputs = model.forward(crops), model.forward(mirrored(crops))
    check_stored(outputs[0], fields, 1, OUTPUT)
    if "output_strided" in fields:
        np.testing.assert_allclose(outputs[0][:, :, 3::8, 3::8], fields["output_strided"], rtol=0, atol=OUTPUT)
    assert check_all(model, crops, outputs, fields) <= LEFT_OUT


@pytest.mark.parametrize("name", [name for name in MMPOSE1X if has_weights("mmpose1x", name)])
def test_mmpose1x(goldens, name):
    folder = goldens / "mmpose1x"
    model = load(folder, name, name, "mmpose1x")
    for suffix, decode in MMPOSE1X[name].items():
        chosen = Model(choose(get_spec(name), variant="mmpose1x", decode=decode), model.engine)
        fields = e2e(folder, name + suffix)
        crops = prepared(chosen, folder, fields)
        digests = [hashlib.sha256(crop[..., ::-1].tobytes()).hexdigest() for crop in crops.pixels]  # BGR there
        assert digests == [str(digest) for digest in fields["crop_sha256"]]
        outputs = chosen.forward(crops), chosen.forward(mirrored(crops))
        rtmpose = name.startswith("rtmpose")
        atol = OUTPUT_RTMPOSE if rtmpose else OUTPUT
        check_stored(outputs[0], fields, 2 if rtmpose else 1, atol)

        assert check_all(chosen, crops, outputs, fields, atol) <= LEFT_OUT


def check_stored(outputs, fields, axis, atol):
    """The outputs that the file holds, whole or of some landmarks, which lie on an axis."""
    assert {"output", "output_sub"} & set(fields)
    for name in {"output", "output_sub"} & set(fields):
        expected = fields[name]
        samples = fields.get(f"{name}_idx", np.arange(len(expected)))
        landmarks = fields["output_sub_keypoints"] if name == "output_sub" else np.arange(expected.shape[axis])
        np.testing.assert_allclose(outputs[samples].take(landmarks, axis), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("name", sorted(weight_names(GOLDENS)["official"]))
def test_official(goldens, name):
    folder = goldens / "official"
    fields = e2e(folder, name)
    subpixel = load(folder, name, name, None)
    whole = Model(choose(get_spec(name), decode="hrnet_official"), subpixel.engine)
    rows = zip(fields["image_name"], fields["center"], fields["scale"], strict=True)
    crops = Crops.join([subpixel.prepare(picture(folder, str(n)), center=[c], scale=[[s, s]]) for n, c, s in rows])
    np.testing.assert_array_equal(crops.pixels, fields["crop"])
    outputs = subpixel.forward(crops)
    probes = outputs.reshape(*outputs.shape[:2], -1)[:, :, ::409]
    np.testing.assert_allclose(probes, fields["output_probe"], rtol=0, atol=OUTPUT)
    clear = fields["top2margin"] >= 1e-3
    found = subpixel.decode(outputs, crops)
    np.testing.assert_allclose(found.scores, fields["scores"], rtol=0, atol=OUTPUT)
    distance = np.abs(found.points + 1 - fields["points_subpixel"]).max(-1)  # counted from 1 there
    assert (distance <= allowed_distance(fields["sens_subpixel"]))[clear].all()
    certain = fields["sens"] == 0  # whole pixels jump if a fraction lies near one
    np.testing.assert_array_equal(whole.decode(outputs, crops).points[certain], fields["points"][certain])
    assert certain.mean() > 0.99


PREDICTED = [
    ("mmpose0x", "hrnetv2_w18_wflw_dark", "hrnetv2_w18_wflw_dark", None, "_flip"),
    ("mmpose0x", "deeppose_res50_wflw", "deeppose_res50_wflw", None, "_flip"),
    ("mmpose1x", "hrnetv2_w18_aflw", "hrnetv2_w18_aflw", None, "_flip"),
    ("mmpose1x", "hrnetv2_w18_aflw", "hrnetv2_w18_aflw", False, ""),
    ("mmpose1x", "hrnet_w48_deepfashion_lower_udp", "hrnet_w48_deepfashion_lower_udp", None, "_flip"),
]


@pytest.mark.parametrize(
    ("family", "golden", "name", "flip_test", "suffix"), [case for case in PREDICTED if has_weights(*case[:2])]
)
def test_predict_as_published(goldens, family, golden, name, flip_test, suffix):
    """`predict` with nothing but a box is what upstream's users get."""
    folder = goldens / family
    fields = e2e(folder, golden + (".asshipped" if "deepfashion" in name else ""))
    model = fl.load_model(name, weights=golden_weights(folder, golden), flip_test=flip_test, device="cpu")
    few = [0, -1]
    chosen = {key + suffix: fields[key + suffix][few] for key in ("points", "scores", "sens", "top2margin")}
    found = [model.predict(picture(folder, str(fields["image_name"][i])), fields["box"][i]) for i in few]
    check_points(
        Decoded(*(np.concatenate([getattr(f, n) for f in found]) for n in ("points", "scores"))), chosen, suffix
    )
