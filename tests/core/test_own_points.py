"""Checkpoints that were fine-tuned to other points, and records of one's own: every family, both engines."""

import json
import logging
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from paths import ROOT
from random_networks import random_state

import facelandmarks as fl
from facelandmarks.cli.export import main as export_command
from facelandmarks.cli.predict import main as predict_command
from facelandmarks.errors import CheckpointError, InvalidOptionError
from facelandmarks.nn.build import network_shapes
from facelandmarks.schemes import SCHEMES, Contour, Scheme
from facelandmarks.zoo import MODELS
from facelandmarks.zoo.own import (
    DETECTORS,
    FAMILIES,
    find_scheme,
    scheme_from_dict,
    scheme_to_dict,
    spec_from_dict,
    spec_to_dict,
)

IMAGE = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
BOX = (60, 60, 260, 260)
CPU = {"device": "cpu", "engine": "torch"}
TO_0X = (("head.conv_layers.", "keypoint_head.final_layer."), ("head.final_layer.", "keypoint_head.final_layer.3."))
TO_OFFICIAL = (("head.conv_layers.", "head."), ("head.final_layer.", "head.3."), ("backbone.", ""))
TO_KEYPOINT_HEAD = (("head.", "keypoint_head."),)
PAIRS = {5: ((0, 1), (3, 4)), 29: ((0, 1), (4, 28)), 72: tuple((n, 71 - n) for n in range(36))}


def renamed(state, pairs):
    found = {}
    for key, value in state.items():
        old, new = next((pair for pair in pairs if key.startswith(pair[0])), ("", ""))
        found[new + key.removeprefix(old)] = value
    return found


def own_scheme(count, *, pairs=True):
    return Scheme(f"mine{count}", size=count, pairs=PAIRS[count] if pairs else ())


# Model, names in the file, and the number of points that the quick tests take. Without DARK, which magnifies the last
# digits of flat maps, and those of random networks are flat.
CHECKPOINTS = {
    "hrnetv2 of 0.x": ("hrnetv2_w18_wflw", TO_0X, 5),
    "hrnetv2 of 1.x": ("hrnetv2_w18_wflw", (), 29),
    "official hrnetv2": ("hrnetv2_w18_wflw_official", TO_OFFICIAL, 72),
    "deeppose": ("deeppose_res50_wflw", TO_KEYPOINT_HEAD, 5),
    "rtmpose": ("rtmpose_t_face6", (), 72),
}
CASES = [
    pytest.param(model, names, count, marks=[] if count == quick else [pytest.mark.slow], id=f"{name}, {count} points")
    for name, (model, names, quick) in CHECKPOINTS.items()
    for count in (5, 29, 72)
]


@pytest.mark.parametrize(("model", "names", "count"), CASES)
def test_fine_tuned_heads_run_in_both_engines(model, names, count, tmp_path):
    """As files of 0.x, 1.x and the official repository, with mirror pairs and without."""
    path = tmp_path / "mine.pth"
    torch.save({"state_dict": renamed(random_state(model, count), names), "meta": {}}, path)
    for scheme in (own_scheme(count), own_scheme(count, pairs=False)):
        found = []
        for engine in ("torch", "onnxruntime"):
            loaded = fl.load_model(model, weights=path, scheme=scheme, device="cpu", engine=engine)
            assert loaded.spec.flip_test == (MODELS[model].flip_test and bool(scheme.pairs))
            found.append(loaded.predict(IMAGE, BOX))
            assert found[-1].points.shape == (1, count, 2)
            assert found[-1].scheme == scheme
        assert np.abs(found[0].points - found[1].points).max() <= 1e-3


@pytest.mark.parametrize(
    "model", ["compact_300w", "mediapipe_face_mesh", "res50_coco_wholebody_face", "rtmpose_t_face6"]
)
def test_other_families(model):
    state = random_state(model, 7)
    faces = fl.load_model(model, weights=state, scheme=Scheme("seven", size=7), **CPU).predict(IMAGE, BOX)
    assert faces.points.shape == (1, 7, 2)
    assert np.isfinite(faces.points).all()


@pytest.mark.parametrize("model", ["hrnetv2_w18_wflw", "deeppose_res50_wflw", "rtmpose_t_face6", "compact_300w"])
def test_a_wrong_number_of_points_names_both(model):
    state, own = random_state(model, 7), len(fl.get_scheme(MODELS[model].scheme))
    with pytest.raises(CheckpointError, match=rf"have 7 landmarks, the scheme {MODELS[model].scheme} {own}: .*size=7"):
        fl.load_model(model, weights=state, **CPU)
    with pytest.raises(CheckpointError, match=r"have 7 landmarks, the scheme mine5 5: .*--scheme FILE\.json"):
        fl.load_model(model, weights=state, scheme=own_scheme(5), **CPU)
    with pytest.raises(CheckpointError, match="do not fit") as caught:  # of another network: no advice on its points
        fl.load_model("res50_coco_wholebody_face", weights=state, **CPU)
    assert "landmarks, the scheme" not in str(caught.value)


def test_a_network_with_a_fixed_number_of_points():
    with pytest.raises(CheckpointError, match="478 points and no other number; got 5"):
        fl.load_model("mediapipe_face_mesh_attention", weights={}, scheme=own_scheme(5), **CPU)


def test_published_weights_have_their_own_points():
    with pytest.raises(CheckpointError, match="have 68 landmarks, the scheme mine5 5"):
        fl.load_model("compact_300w", scheme=own_scheme(5), **CPU)
    with pytest.raises(CheckpointError, match="have 68 landmarks, the scheme mine5 5"):
        fl.load_model("compact_300w", scheme=own_scheme(5), engine="onnxruntime")
    named = replace(SCHEMES["ibug68"], name="renamed")  # as many points, other names: fine
    usual = fl.load_model("compact_300w").predict(IMAGE, BOX)
    for engine in ("torch", "onnxruntime"):
        again = fl.load_model("compact_300w", scheme=named, engine=engine).predict(IMAGE, BOX)
        assert np.abs(again.points - usual.points).max() <= 1e-3
        assert again.scheme.name == "renamed"


def test_points_without_pairs_have_no_flip_test(caplog):
    state, without = random_state("hrnetv2_w18_aflw", 5), own_scheme(5, pairs=False)
    with caplog.at_level(logging.WARNING):
        model = fl.load_model("hrnetv2_w18_aflw", weights=state, scheme=without, **CPU)
    assert not model.spec.flip_test
    assert "scheme mine5 has no mirror pairs: hrnetv2_w18_aflw runs without flip test" in caplog.text
    with pytest.raises(InvalidOptionError, match="a flip test needs the mirror pairs of the points; scheme mine5"):
        fl.load_model("hrnetv2_w18_aflw", weights=state, scheme=without, flip_test=True, **CPU)
    caplog.clear()
    fl.load_model("hrnetv2_w18_aflw", weights=state, scheme=without, flip_test=False, **CPU)
    assert not caplog.text


def test_the_pairs_are_those_of_the_flip_test():
    """Of a model that sees a mirrored image, the points are the mirrored ones, left and right exchanged."""
    model = fl.load_model("hrnetv2_w18_wflw", weights=random_state("hrnetv2_w18_wflw", 5), scheme=own_scheme(5), **CPU)
    crops = model.prepare(IMAGE, BOX)
    maps, mirrored = (model.forward(replace(crops, pixels=crops.pixels[:, :, ::step])) for step in (1, -1))
    averaged = model.average(maps, mirrored)
    back = mirrored[:, [1, 0, 2, 4, 3], :, ::-1]
    shifted = back.copy()
    shifted[..., 1:] = back[..., :-1]
    assert np.allclose(averaged, (maps + shifted) / 2, atol=1e-6)


def test_meshes_follow_named_eyes_only():
    state = random_state("mediapipe_face_mesh", 7)
    blind = fl.load_model("mediapipe_face_mesh", weights=state, scheme=Scheme("seven", size=7), **CPU)
    with pytest.raises(InvalidOptionError, match="passes must be 1"):
        blind.predict(IMAGE, BOX, passes=2)
    assert blind.regions_after(np.zeros((1, 7, 2), np.float32)) is None
    eyes = Scheme("seven", size=7, named={"eye_left_outer": 0, "eye_right_outer": 1})
    assert (
        len(fl.load_model("mediapipe_face_mesh", weights=state, scheme=eyes, **CPU).predict(IMAGE, BOX, passes=2)) == 1
    )


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Files of a fine-tuned checkpoint: weights, its scheme, its whole record, and the model."""
    folder = tmp_path_factory.mktemp("own")
    scheme = Scheme("mine5", (Contour("mouth", (3, 4)),), PAIRS[5], published_names=("a", "b", "c", "d", "e"), size=5)
    torch.save(random_state("rtmpose_t_face6", 5), folder / "mine.pth")
    (folder / "mine.json").write_text(json.dumps(scheme_to_dict(scheme)))
    record = {"like": "rtmpose_t_face6", "name": "mine", "scheme": scheme_to_dict(scheme)}
    (folder / "record.json").write_text(json.dumps({"schema": "facelandmarks-model/1", "model": record}))
    cv2.imwrite(str(folder / "image.png"), IMAGE[..., ::-1])
    options = {"weights": folder / "mine.pth", **CPU}
    return folder, fl.load_model("rtmpose_t_face6", scheme=folder / "mine.json", **options)


def test_a_whole_record_gives_the_same_points(own):
    folder, model = own
    again = fl.load_model(folder / "record.json", weights=folder / "mine.pth", **CPU)
    assert (again.predict(IMAGE, BOX).points == model.predict(IMAGE, BOX).points).all()
    assert (again.spec.name, again.scheme.names) == ("mine", ("a", "b", "c", "d", "e"))
    spec = replace(MODELS["rtmpose_t_face6"], name="spec", scheme=model.scheme)
    by_spec = fl.load_model(spec, weights=folder / "mine.pth", **CPU)
    assert (by_spec.predict(IMAGE, BOX).points == again.predict(IMAGE, BOX).points).all()
    with pytest.raises(CheckpointError, match=r"no weights beside the record: .*model\.safetensors is missing"):
        fl.load_model(str(folder / "record.json"), **CPU)
    info = fl.model_info(folder / "record.json")
    assert (info["name"], info["landmarks"], info["scheme"], info["licence"]) == ("mine", 5, "mine5", "not stated")


def test_results_of_own_points_in_every_format(own):
    _, model = own
    faces = model.predict(IMAGE, [BOX, BOX])
    scheme = model.scheme
    for again in (
        fl.Landmarks.from_json(faces.to_json(), scheme),
        fl.Landmarks.from_csv(faces.to_csv(), scheme),
        fl.Landmarks.from_coco(faces.to_coco("a.png"), scheme)["a.png"],
        fl.Landmarks.from_pts(faces.to_pts(), scheme, faces.image_size),
    ):
        assert np.abs(again.points - faces.points).max() < 0.01
        assert again.scheme == scheme
    with pytest.raises(InvalidOptionError, match="no point scheme 'mine5'"):
        fl.Landmarks.from_json(faces.to_json())
    assert faces.draw(IMAGE).shape == IMAGE.shape
    assert json.loads(faces.to_coco("a.png"))["categories"][0]["keypoints"] == ["a", "b", "c", "d", "e"]
    assert pickle.loads(pickle.dumps(model.spec)) == model.spec


def test_the_commands_take_own_points(own, tmp_path, capsys):
    """predict, predict of many with a break, and export."""
    folder, model = own
    options = ["--weights", str(folder / "mine.pth"), "--scheme", str(folder / "mine.json"), "--engine", "torch"]
    image, box = str(folder / "image.png"), ",".join(map(str, BOX))
    assert predict_command([image, "--model", "rtmpose_t_face6", *options, "--bbox", box, "--json", "-"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["images"]
    assert (said["scheme"], len(said["faces"][0]["points"])) == ("mine5", 5)
    assert np.abs(np.array(said["faces"][0]["points"]) - model.predict(IMAGE, BOX).points[0]).max() <= 1e-3
    record = [str(folder / "record.json"), "--weights", str(folder / "mine.pth")]
    face = str(ROOT / "docs" / "astronaut.jpg")
    assert export_command([*record[:1], str(tmp_path / "a.onnx"), *record[1:], "--verify", face, "--decode"]) == 0
    capsys.readouterr()
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["scheme"] == {"name": "mine5", "landmarks": ["a", "b", "c", "d", "e"]}
    assert said["licence"] is None
    assert predict_command(["--scheme", str(folder / "mine.json")]) == 0
    assert "mine5: 5 points, 2 pairs" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        predict_command([image, "--scheme", "ibug68"])
    assert "--scheme names the points of --weights" in capsys.readouterr().err


def test_runs_of_many_images_continue_with_own_points(own, tmp_path):
    from facelandmarks.bulk.run import journal_path, predict_to_file

    class StoppedError(Exception):
        pass

    folder, model = own
    images = [str(ROOT / "docs" / "astronaut.jpg")] * 3

    def stop(done):
        if done == 2:
            raise StoppedError

    out = tmp_path / "out.jsonl"
    with pytest.raises(StoppedError):
        predict_to_file(model, images, out, batch_size=1, progress=stop)
    assert journal_path(out).exists()
    other = fl.load_model("rtmpose_t_face6", weights=folder / "mine.pth", scheme=own_scheme(5), **CPU)
    with pytest.raises(InvalidOptionError, match="belongs to another run: scheme"):
        predict_to_file(other, images, out, batch_size=1, resume=True)
    assert predict_to_file(model, images, out, batch_size=1, resume=True).images == 3
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {len(row["points"]) for row in rows} == {5}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "give size="),
        ({"size": 0}, "it has 0 points"),
        ({"size": 3, "pairs": ((0, 3),)}, "no point 3"),
        ({"size": 3, "pairs": ((-1, 0),)}, "no point -1"),
        ({"size": 3, "pairs": ((0, 1), (1, 2))}, "point 1 is in two pairs"),
        ({"size": 3, "pairs": ((1, 1),)}, "paired with itself"),
        ({"size": 3, "published_names": ("a",)}, "1 names for 3 points"),
        ({"size": 3, "contours": (Contour("c", (2, 3)),)}, "no point 3"),
        ({"size": 3, "named": {"nose_tip": 9}}, "no point 9"),
        ({"size": 3, "normaliser": (0, 7)}, "no point 7"),
        ({"size": -1}, "it has -1 points"),
        ({"size": "5"}, "whole numbers"),
        ({"size": 5.0}, "whole numbers"),
        ({"size": 6, "pairs": ((0, 1, 2), (3, 4, 5))}, "two indices each"),
        ({"size": 6, "pairs": 5}, "two indices each"),
        ({"size": 3, "normaliser": (0,)}, "two indices each"),
        ({"size": 3, "named": {"a": 1.5}}, "whole numbers"),
        ({"contours": (Contour("c", (0, 1.0)),)}, "whole numbers"),
        ({"contours": (("c", (0, 1)),)}, "whole numbers"),
    ],
)
def test_schemes_that_cannot_be(arguments, says):
    with pytest.raises(InvalidOptionError, match=f"scheme 'x': .*{says}"):
        Scheme("x", **arguments)


def test_schemes_as_json(tmp_path):
    for scheme in SCHEMES.values():
        assert scheme_from_dict(json.loads(json.dumps(scheme_to_dict(scheme)))) == scheme
    assert scheme_from_dict({"name": "a", "size": 4}) == Scheme("a", size=4)
    assert find_scheme(Scheme("a", size=4, pairs=[[0, 1]])).pairs == ((0, 1),)  # lists are as good
    for fields, says in (
        ([], "expected an object"),
        ({"size": 5}, "name is missing"),
        ({"name": "a", "size": 5, "names": []}, "'names' is unknown; did you mean .*named"),
        ({"name": "../a", "size": 5}, "name must be a word"),
        ({"name": "a", "size": True}, "size must be"),
        ({"name": "a", "size": 10**9}, "size must be"),
        ({"name": "a", "size": 5, "pairs": [[0]]}, "pairs must be"),
        ({"name": "ibug68", "size": 5}, "another scheme 'ibug68' here"),
    ):
        with pytest.raises(InvalidOptionError, match=says):
            scheme_from_dict(fields)
    path = tmp_path / "a.json"
    with pytest.raises(InvalidOptionError, match=r"cannot read the scheme .*a\.json"):
        find_scheme(path)
    path.write_text("{")
    with pytest.raises(InvalidOptionError, match=r"a\.json: "):
        find_scheme(str(path))
    with pytest.raises(InvalidOptionError, match="no point scheme 'ibug'; did you mean ibug68"):
        find_scheme("ibug")


@pytest.mark.parametrize("name", MODELS)
def test_every_record_survives_json(name):
    spec = replace(MODELS[name], weights="model.safetensors")
    again = spec_from_dict(json.loads(json.dumps(spec_to_dict(spec))))
    assert again == spec


def test_records_are_made_of_what_is_here():
    from facelandmarks.detection import FILES
    from facelandmarks.pipeline import AVERAGES, DECODERS, GEOMETRIES

    assert set(DETECTORS) == set(FILES)
    for field, table in (("decodes", DECODERS), ("averages", AVERAGES), ("geometries", GEOMETRIES)):
        assert {name for family in FAMILIES.values() for name in getattr(family, field)} == set(table)
    assert set(FAMILIES) == {spec.network for spec in MODELS.values()}


def test_shapes_are_those_of_the_networks():
    """They are kept, and no caller changes them for the next."""
    shapes = network_shapes("deeppose", {"landmarks": 5})
    shapes.clear()
    assert network_shapes("deeppose", {"landmarks": 5})["head.fc.weight"] == (10, 2048)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"network": "os.system"}, "network must be one of"),
        ({"network": "blazeface_short"}, "network must be one of"),
        ({"network_options": {"width": 10**6}}, "network_options of hrnetv2 are width"),
        ({"network_options": {}}, "network_options of hrnetv2 are width"),
        ({"decode": "simcc"}, "decode of hrnetv2 is argmax or"),
        ({"geometry": "rotated"}, "geometry of hrnetv2 is classic or"),
        ({"decodes": {"argmax": {"geometry": "rotated"}}}, "geometry of hrnetv2 is classic or"),
        ({"variants": {"mmpose3x": {}}, "variant": None}, "no variant 'mmpose3x'"),
        ({"crop_options": {"stretch_image": True}}, "geometry classic has no options stretch_image"),
        ({"input_size": [250, 256]}, "multiples of 32"),
        ({"input_size": [10**6, 10**6]}, "input_size must be"),
        ({"std": [0, 1, 1]}, "std must be three numbers above 0"),
        ({"mean": [float("nan"), 1, 1]}, "mean must be"),
        ({"detector": "mtcnn"}, "detector must be one of"),
        ({"weights": "../model.safetensors"}, "weights must be a file name"),
        ({"weights": "model.pth"}, "weights must be a file name"),
        ({"scheme": "mine"}, "no point scheme 'mine'"),
        ({"scheme": {"name": "a", "size": 0}}, "size must be"),
        ({"like": "nothing"}, "like must be a model here, not 'nothing'"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "'auto_map' is unknown"),
    ],
)
def test_records_that_cannot_be_run(changes, says):
    with pytest.raises(InvalidOptionError, match=says):
        spec_from_dict({"like": "hrnetv2_w18_wflw", "name": "mine", **changes})
