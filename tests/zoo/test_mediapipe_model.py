"""MediaPipe's face mesh as a model: image to points against MediaPipe's own, and what is its own in the library."""

import json
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from mediapipe_files import FILES, GOLDENS, golden, golden_image, weights
from mediapipe_images import NAMES, image

import facelandmarks as fl
from facelandmarks.cli.weights import main as weights_command
from facelandmarks.detection import load_detector
from facelandmarks.errors import CheckpointError, InvalidOptionError
from facelandmarks.results import Landmarks
from facelandmarks.weights.manifest import get_record

MODELS = {468: "mediapipe_face_mesh", 478: "mediapipe_face_mesh_attention"}
NETWORKS = {468: "face_mesh", 478: "face_mesh_attention"}
DEPTH = 0.03  # pixels; `sens` of the goldens does not cover it


@pytest.fixture(scope="module", params=["torch", "onnxruntime"])
def engine(request):
    if request.param != "torch":
        pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="module")
def load(engine):
    made = {}

    def load(count=468):
        if count not in made:
            made[count] = fl.load_model(MODELS[count], weights=weights(NETWORKS[count]), engine=engine, threads=1)
        return made[count]

    return load


@pytest.fixture(scope="module")
def blazeface(engine):
    return load_detector("blazeface_short", weights=weights("blazeface_short"), engine=engine, threads=1)


@pytest.mark.parametrize("name", GOLDENS)
def test_image_to_points_is_mediapipes(load, blazeface, name):
    """By the rule of the goldens: as many faces in the same order, and each point within max(0.01 px, 2 sens)."""
    arrays = golden(name)
    faces = load().predict(golden_image(arrays), detector=blazeface, max_faces=int(arrays["max_faces"]))
    assert len(faces) == len(arrays["points"])
    off = np.linalg.norm(faces.points - arrays["points"][..., :2], axis=-1)
    assert (off <= np.maximum(0.01, 2 * arrays["sens"])).all()
    if len(faces):
        assert np.abs(faces.depth - arrays["points"][..., 2]).max() <= DEPTH


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", MODELS)
def test_image_to_points_of_our_own_goldens(load, blazeface, name, count):
    path = Path(__file__).parents[1] / "goldens" / "mediapipe" / f"{name}.npz"
    with np.load(path) as file:
        expected = file[f"mesh{count}_points"] * file["size"][[0, 1, 0]].astype(np.float32)
    faces = load(count).predict(image(name), detector=blazeface)
    assert len(faces) == len(expected)
    if len(faces):
        # The most that was seen of the whole chain on 445 faces is 0.019 px.
        assert np.abs(faces.points - expected[..., :2]).max() <= 0.02
        assert np.abs(faces.depth - expected[..., 2]).max() <= DEPTH


@pytest.fixture(scope="module")
def mesh():
    return fl.load_model("mediapipe_face_mesh", weights=weights("face_mesh"), engine="torch", threads=1)


@pytest.fixture(scope="module")
def detector():
    return load_detector("blazeface_short", weights=weights("blazeface_short"), engine="torch", threads=1)


def test_depth_goes_with_the_points(mesh, detector):
    faces = mesh.predict(image("half"), detector=detector)
    assert faces.points.shape == (1, 468, 2)
    assert faces.depth.shape == (1, 468)
    nose, ears = faces.depth[0, 1], faces.depth[0, [127, 356]]
    assert (nose < ears).all()  # nearer to the camera
    again = Landmarks.from_json(faces.to_json())
    np.testing.assert_allclose(again.depth, faces.depth, atol=5e-4)
    assert faces[0].to_dict()["depth"] == pytest.approx(faces.depth[0], abs=5e-4)
    assert "iris_left_0" not in faces.scheme.names


def test_what_is_no_face_is_left_out_unless_it_is_kept(mesh, detector):
    arrays = golden("afw_rejected")
    picture = golden_image(arrays)
    assert len(mesh.predict(picture, detector=detector)) == 0
    kept = mesh.predict(picture, detector=detector, confirm=False)
    assert kept.scores[0] == pytest.approx(np.full(468, arrays["net_score"].ravel()[0]), abs=1e-4)
    given = mesh.predict(picture, kept.boxes)
    assert len(given) == 1  # who gives a box says that it holds a face


def test_no_faces_is_an_empty_result(mesh, detector):
    faces = mesh.predict(image("none"), detector=detector)
    assert faces.points.shape == (0, 468, 2)


def test_boxes_alone_are_taken_unrotated_and_a_second_look_turns_them(mesh, detector):
    picture = image("turned")
    found = detector.detect(picture)
    box = found.boxes[:1]
    upright = mesh.prepare(picture, box)
    assert upright.rotation.tolist() == [0]
    turned = mesh.prepare(picture, box, detector_points=found.points[:1])
    assert abs(np.rad2deg(turned.rotation[0])) > 15
    again = mesh.prepare(picture, box, passes=2)
    assert 0.5 < again.rotation[0] / turned.rotation[0] < 1.5
    with np.load(Path(__file__).parents[1] / "goldens" / "mediapipe" / "turned.npz") as file:
        truth = file["mesh468_points"][..., :2] * 300
    errors = [np.abs(mesh.infer(crops).points - truth).mean() for crops in (upright, again)]
    assert errors[1] < errors[0] / 2


def test_the_second_region_follows_from_the_landmarks(mesh):
    """MediaPipe's rule: one and a half times the longer side of all points' box, the outer eye corners level."""
    picture = image("half")
    first = mesh.prepare(picture, (84, 34, 140, 90))
    points = mesh.infer(first).points[0].astype(np.float64)
    second = mesh.prepare(picture, (84, 34, 140, 90), passes=2)
    low, high = points.min(0), points.max(0)
    np.testing.assert_allclose(second.center[0], (low + high) / 2, atol=1e-4)
    np.testing.assert_allclose(second.scale[0], 1.5 * (high - low).max(), atol=1e-4)
    across = points[263] - points[33]
    assert second.rotation[0] == pytest.approx(-np.arctan2(across[1], across[0]), abs=1e-6)


def test_regions_are_given_with_any_rotation(mesh):
    arrays = golden("astronaut_portrait")
    size, roi = arrays["size"], arrays["roi"]
    crops = mesh.prepare(
        golden_image(arrays), center=roi[:, :2] * size, scale=roi[:, 2:4] * size, rotation=-roi[:, 4].astype(float)
    )
    np.testing.assert_array_equal(crops.pixels[0], arrays["crop0"])
    assert np.abs(mesh.decode(mesh.forward(crops), crops).points - arrays["points"][..., :2]).max() <= 0.002


def test_faces_on_their_side_are_found_in_rotations(mesh, detector):
    picture = image("half")
    upright = mesh.predict(picture, detector=detector).points[0]
    lying = mesh.predict(np.rot90(picture, -1), detector=detector, rotations=(0, 270)).points[0]
    back = np.stack([lying[:, 1], 255 - lying[:, 0]], axis=1)
    assert np.abs(back - upright).max() < 1.5


def test_a_batch_is_what_each_image_alone_is(mesh, detector):
    names = ("two", "none", "half")
    batch = mesh.predict_batch([image(name) for name in names], detector=detector, passes=2)
    for name, faces in zip(names, batch, strict=True):
        alone = mesh.predict(image(name), detector=detector, passes=2)
        np.testing.assert_allclose(faces.points, alone.points, atol=2e-3)


def test_the_flip_test_agrees_with_the_plain_run(mesh, detector):
    flipped = fl.load_model("mediapipe_face_mesh", weights=weights("face_mesh"), engine="torch", flip_test=True)
    plain, both = (model.predict(image("whole"), detector=detector).points for model in (mesh, flipped))
    assert 0 < np.abs(plain - both).mean() < 2


def test_other_models_look_once():
    model = fl.load_model("compact_300w")
    with pytest.raises(InvalidOptionError, match="looks at each face once"):
        model.predict(image("half"), (84, 34, 140, 90), passes=2)


def test_weights_of_another_network_are_refused():
    with pytest.raises(CheckpointError, match="looks like mediapipe_face_mesh_attention"):
        fl.load_model("mediapipe_face_mesh", weights=weights("face_mesh_attention"), engine="torch")
    with pytest.raises(CheckpointError, match="do not fit blazeface_short"):
        load_detector("blazeface_short", weights=weights("blazeface_full"), engine="torch")


def test_blazeface_gives_three_of_five_points(detector):
    found = detector.detect(image("whole"))
    assert found.points.shape == (1, 5, 2)
    assert np.isfinite(found.points[:, :3]).all()
    assert np.isnan(found.points[:, 3:]).all()
    six = detector.find(image("whole")).points
    np.testing.assert_array_equal(six[:, :3], found.points[:, :3])
    assert six.shape == (1, 6, 2)
    assert six[0, 0, 0] < six[0, 1, 0]  # the eye on the left of the image first
    assert len(detector.detect(image("whole"), min_score=0.99)) == 0
    assert len(detector.detect(np.zeros((1, 1, 3), np.uint8))) == 0


def test_auto_is_the_models_own_detector_if_its_file_is_here(tmp_path):
    assert load_detector(cache_dir=tmp_path, preferred="blazeface_short").name == "compact"
    shutil.copy(weights("blazeface_short"), tmp_path / "face_detection_short_range.tflite")
    assert load_detector(cache_dir=tmp_path, preferred="blazeface_short").name == "blazeface_short"
    assert load_detector(cache_dir=tmp_path).name == "compact"
    with pytest.raises(InvalidOptionError, match="need the name"):
        load_detector(weights=weights("blazeface_short"))


def test_files_can_be_fetched_by_the_name_of_the_model(tmp_path, monkeypatch, capsys):
    """From a mirror on this machine, with the digests of the manifest."""
    served = tmp_path / "mirror"
    served.mkdir()
    for network, name in (
        ("face_mesh", "face_landmark.tflite"),
        ("blazeface_full", "face_detection_full_range_sparse.tflite"),
    ):
        shutil.copy(weights(network), served / name)
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    handler.func.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("FACELANDMARKS_MIRROR", f"http://127.0.0.1:{server.server_port}")
        cache = ["--cache-dir", str(tmp_path / "cache")]
        assert weights_command([*cache, "fetch", "mediapipe_face_mesh", "blazeface_full", "--quiet"]) == 0
        server.shutdown()
    assert load_detector("blazeface_full", cache_dir=tmp_path / "cache").name == "blazeface_full"
    info = fl.load_model("mediapipe_face_mesh", cache_dir=tmp_path / "cache", engine="torch").engine_info()
    assert info.weights == get_record("face_landmark.tflite").sha256
    capsys.readouterr()


def test_records_hold_what_is_known_of_the_files():
    for name in FILES.values():
        record = get_record(name.replace("_fp16", ""))
        assert record.sha256
        assert record.bytes == weights(next(key for key, file in FILES.items() if file == name)).stat().st_size
        urls = [source.url for source in record.sources]
        assert all(url.startswith("https://storage.googleapis.com/mediapipe-assets/") for url in urls)
        assert all("?generation=" in url for url in urls)  # without, an address gives another file at times
        assert record.sha256 not in record.same_tensors
    said = fl.model_info("mediapipe_face_mesh")
    assert said["licence"] == "Apache-2.0"
    assert json.dumps(said["training_data"])
