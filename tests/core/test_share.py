"""Models written to a folder or a repository: the same points again, honest cards, and an upload that does no more."""

import json
import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from fake_hub import fake_hub
from fault_server import whole
from random_networks import random_state
from safetensors.numpy import load_file, save_file
from weight_records import BODY, NAME, record_of, sha256, write_manifest

import facelandmarks as fl
from facelandmarks.cli.weights import main
from facelandmarks.errors import CheckpointError, ChecksumError, DownloadError, InvalidOptionError, OfflineError
from facelandmarks.schemes import Scheme
from facelandmarks.share import model_card, push_mirror, push_model, write_model
from facelandmarks.weights.load import CONFIG, model_facts, read_config
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS

IMAGE = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
BOX = (60, 60, 260, 260)
BUILT_IN = ("compact_300w", "tiny_300w")  # pushed as they are; the others with random weights
OTHERS = (
    *("hrnetv2_w18_wflw", "hrnetv2_w18_cofw_official", "res50_coco_wholebody_face", "deeppose_res50_wflw"),
    *("rtmpose_t_face6", "hrnet_w48_deepfashion_upper_udp", "mediapipe_face_mesh", "mediapipe_face_mesh_attention"),
)
FAMILIES = (*BUILT_IN, *OTHERS)  # without DARK, which magnifies the last digits of maps that are no peaks
SLOW = ("hrnet_w48_deepfashion_upper_udp", "res50_coco_wholebody_face", "deeppose_res50_wflw", "hrnetv2_w18_wflw")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "compact"
    assert [path.name for path in write_model("compact_300w", folder)] == ["model.safetensors", CONFIG, "README.md"]
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_the_families_are_all_there():
    assert {MODELS[name].network for name in FAMILIES} == {spec.network for spec in MODELS.values()}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in FAMILIES])
def test_a_folder_gives_the_same_points(name, tmp_path):
    """To 1e-6 px in PyTorch, to 1e-3 px between engines, by a record that no zoo has."""
    weights = None if name in BUILT_IN else random_state(name)
    write_model(name, tmp_path / "model", weights=weights, rename="mine")
    points = {}
    for engine in ("torch", "onnxruntime"):
        options = {"device": "cpu", "engine": engine, "cache_dir": tmp_path / "cache"}
        again = fl.load_model(tmp_path / "model", **options)
        assert (again.spec.name, again.spec.variant, again.spec.flip_test) == (
            "mine",
            MODELS[name].variant,
            MODELS[name].flip_test,
        )
        points[engine] = again.predict(IMAGE, BOX).points
    original = fl.load_model(name, weights=weights, device="cpu", engine="torch").predict(IMAGE, BOX).points
    assert np.abs(points["torch"] - original).max() <= 1e-6
    assert np.abs(points["onnxruntime"] - original).max() <= 1e-3


def test_a_folder_loads_by_its_path_its_config_and_again_from_its_graph(folder, tmp_path):
    expected = fl.load_model("compact_300w", engine="torch").predict(IMAGE, BOX).points
    for name in (folder, str(folder), folder / CONFIG):
        assert (fl.load_model(name, engine="torch").predict(IMAGE, BOX).points == expected).all()
    options = {"engine": "onnxruntime", "cache_dir": tmp_path}
    fl.load_model(folder, **options)
    (graph,) = tmp_path.glob("model.*.onnx")
    before = graph.stat().st_mtime_ns
    fl.load_model(folder, **options)
    assert graph.stat().st_mtime_ns == before


def test_a_model_of_own_points_is_whole_in_its_folder(tmp_path, caplog):
    scheme = Scheme("mine5", size=5, published_names=("a", "b", "c", "d", "e"))
    state = random_state("rtmpose_t_face6", 5)
    write_model("rtmpose_t_face6", tmp_path / "a", weights=state, scheme=scheme, rename="mine")
    write_model(tmp_path / "a", tmp_path / "b")  # of a folder, a folder
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        again = fl.load_model(tmp_path / "b", device="cpu", engine="torch")
    assert not caplog.text  # that there is no flip test was said when it was written
    assert (again.scheme, again.spec.flip_test) == (scheme, False)
    info = fl.model_info(tmp_path / "b")
    assert (info["landmarks"], info["licence"], info["published"], info["training_data"]) == (5, "not stated", [], {})
    card = (tmp_path / "b" / "README.md").read_text()
    assert "own weights, run like RTMPose-tiny" in card
    assert "license: unknown" in card


def test_a_config_says_where_it_came_from(folder):
    config = json.loads((folder / CONFIG).read_text())
    published = load_manifest().files["compact_300w.onnx"]
    assert config["made_from"] == {"file": "compact_300w.onnx", "sha256": published.sha256}
    file = config["files"]["model.safetensors"]
    content = (folder / "model.safetensors").read_bytes()
    assert (file["sha256"], file["bytes"], file["sources"]) == (sha256(content), len(content), [])
    assert file["published"] == json.loads(json.dumps([dict(row) for row in published.published]))
    read = read_config((folder / CONFIG).read_bytes(), "it")
    assert read.spec == MODELS["compact_300w"].__class__(
        **{**vars(MODELS["compact_300w"]), "weights": "model.safetensors"}
    )


def test_files_that_do_not_fit_are_refused(copy):
    path = copy / "model.safetensors"
    tensors = load_file(path)
    some = next(iter(tensors))
    config = json.loads((copy / CONFIG).read_text())
    (copy / CONFIG).write_bytes((copy / "README.md").read_bytes())
    with pytest.raises(CheckpointError, match=r"config\.json is not JSON"):
        fl.load_model(copy)
    for change, says in (
        (lambda: tensors | {"more": tensors[some]}, "1 unexpected"),
        (lambda: {key: value for key, value in tensors.items() if key != some}, f"1 missing .first: {some}"),
        (lambda: tensors | {some: tensors[some][:1]}, "of another shape"),
    ):
        save_file({key: value.copy() for key, value in change().items()}, path)
        (copy / CONFIG).write_text(json.dumps({**config, "files": {}}))
        with pytest.raises(CheckpointError, match=says):
            fl.load_model(copy, engine="torch")
    (copy / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ChecksumError, match=r"model\.safetensors is damaged.*config\.json says"):
        fl.load_model(copy)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing; give weights=FILE"):
        fl.load_model(copy)
    (copy / CONFIG).unlink()
    with pytest.raises(CheckpointError, match=r"no such file: .*config\.json; facelandmarks-weights push"):
        fl.load_model(copy)


def test_no_memory_is_taken_for_a_network_that_the_file_does_not_fill(copy, monkeypatch):
    """A few bytes of JSON may ask for gigabytes: shapes are compared first."""
    import facelandmarks.nn.build as build

    config = json.loads((copy / CONFIG).read_text())
    big = {"stem": [1024, 1024], "widths": [1024] * 4, "blocks": [64] * 4, "neck": 1024}
    config["model"]["network_options"] = big
    (copy / CONFIG).write_text(json.dumps(config))
    made = []
    monkeypatch.setattr(build, "build_network", _spied(build.build_network, made))
    with pytest.raises(CheckpointError, match="do not fit compact_300w"):
        fl.load_model(copy, engine="torch")
    assert made
    assert set(made) == {"meta"}


def _spied(build, made):
    def spy(name, options):
        network = build(name, options)
        made.append(next(network.parameters()).device.type)
        return network

    return spy


def test_unknown_names_say_what_else_there_is():
    with pytest.raises(fl.UnknownModelError, match=r"no model 'compact'; .*compact_300w.*or a folder, hf://owner/repo"):
        fl.load_model("compact")


# --- cards ---


@pytest.mark.parametrize("name", MODELS)
def test_every_card_passes_the_hubs_own_checks(name):
    """Its parser and the classes of its metadata; `validate` asks the Hub, see below."""
    record, manifest = model_facts(name, None)
    text = model_card(MODELS[name], record, manifest, {"file": record.name, "sha256": record.sha256}, "hf://org/repo")
    card = huggingface_hub.ModelCard(text, ignore_metadata_errors=False)
    data = card.data.to_dict()
    assert data["pipeline_tag"] == "keypoint-detection"
    assert data["license"] in ("apache-2.0", "mit", "other", "unknown")
    assert (data["license"] == "other") == bool(record.training_data)
    expected = [value for row in record.published for value in row["values"].values()]
    assert sorted(result.metric_value for result in card.data.eval_results or []) == sorted(expected)
    for word in (record.licence, 'load_model("hf://org/repo")', *record.training_data):
        assert word in card.text
    assert all(str(value) in card.text for value in expected)


def test_the_cards_validation_sees_what_is_pushed(folder, monkeypatch):
    """`ModelCard.validate` sends the card to the Hub's checker."""
    sent = []

    class Session:
        def post(self, url, json, headers):
            sent.append((url, json))
            return type("Answer", (), {"status_code": 200, "headers": {}, "raise_for_status": lambda self: None})()

    monkeypatch.setattr("huggingface_hub.repocard.get_session", Session)
    monkeypatch.setattr("huggingface_hub.repocard.hf_raise_for_status", lambda answer: None)
    text = (folder / "README.md").read_text()
    huggingface_hub.ModelCard(text).validate()
    ((url, body),) = sent
    assert url.endswith("/api/validate-yaml")
    assert body["repoType"] == "model"
    assert body["content"].startswith("---\ndatasets:\n- 300-w\n- youtube-faces")


# --- uploads ---


@pytest.fixture
def api(monkeypatch):
    """A stand-in for `HfApi`: what it was asked to do, and the files that it was to send."""
    calls = []

    class Api:
        def __init__(self, endpoint=None):
            calls.append(("endpoint", endpoint))

        def create_repo(self, repository, **options):
            calls.append(("create_repo", repository, options))

        def upload_folder(self, *, folder_path, **options):
            files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
            calls.append(("upload_folder", options, files))
            return type("Done", (), {"commit_url": "https://huggingface.co/org/repo/commit/abc"})()

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.com")
    return calls


def test_a_push_sends_three_files(api, folder, capsys):
    assert main(["push", "compact_300w", "hf://org/repo", "--private"]) == 0
    assert capsys.readouterr().out == "https://huggingface.co/org/repo/commit/abc\n"
    endpoint, created, (_, options, files) = api
    assert endpoint == ("endpoint", "https://hub.example.com")
    assert created == ("create_repo", "org/repo", {"private": True, "exist_ok": True})
    assert options == {"repo_id": "org/repo", "revision": None, "commit_message": "Push compact_300w"}
    same = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files == {**same, "README.md": same["README.md"].replace(b'"DIR"', b'"hf://org/repo"')}


def test_pushes_that_are_refused(api, monkeypatch, tmp_path):
    for address in ("org/repo", "hf://org", "hf://org/repo/file", "https://huggingface.co/org/repo"):
        with pytest.raises(InvalidOptionError, match="expected hf://owner/repository"):
            push_model("compact_300w", address)
    assert not api
    assert main(["push", "compact_300w"]) == 2
    (tmp_path / "file").touch()
    assert main(["push", "compact_300w", "--to", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def refuse(*_, **__):
        raise huggingface_hub.errors.LocalTokenNotFoundError("Token is required")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    with pytest.raises(DownloadError, match="cannot push to hf://org/repo: Token is required"):
        push_model("compact_300w", "hf://org/repo")
    monkeypatch.setenv("FACELANDMARKS_OFFLINE", "1")
    with pytest.raises(OfflineError, match="cannot push to hf://org/repo"):
        push_model("compact_300w", "hf://org/repo")


def test_a_folder_to_look_at_first(tmp_path, capsys):
    assert main(["push", "compact_300w", "hf://org/repo", "--to", str(tmp_path / "out")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert 'load_model("hf://org/repo")' in (tmp_path / "out" / "README.md").read_text()


# --- mirrors ---


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A hub and a server in one, and a manifest of two files; the second cannot be fetched."""
    with fake_hub(tmp_path / "hub", monkeypatch) as running:
        running.routes["/x"] = [whole(BODY)]
        records = [record_of(f"{running.url}/x", training_data=("WFLW",)), record_of(f"{running.url}/gone")]
        records[1] = replace(records[1], name="gone.pth")
        monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest(tmp_path / "manifest.json", *records)))
        yield running


def test_a_mirror_in_a_folder(published, tmp_path, capsys, monkeypatch):
    """One that fails does not stop the others; what is laid out serves as a mirror, again and without the host."""
    out, cache = tmp_path / "mirror", ["--cache-dir", str(tmp_path / "cache")]
    assert main([*cache, "mirror", NAME, "gone.pth", "--to", str(out)]) == 1
    said = capsys.readouterr()
    assert "1 file. Serve it over https, and set FACELANDMARKS_MIRROR" in said.out
    assert "gone.pth: cannot fetch gone.pth" in said.err
    assert (out / NAME).read_bytes() == BODY
    record = json.loads((out / "weights_manifest.json").read_text())["files"][NAME]
    assert (record["sha256"], record["bytes"]) == (sha256(BODY), len(BODY))
    before = (out / NAME).stat().st_mtime_ns
    assert main([*cache, "mirror", NAME, "--to", str(out)]) == 0
    assert (out / NAME).stat().st_mtime_ns == before
    (out / NAME).write_bytes(b"damaged")
    assert main([*cache, "mirror", NAME, "--to", str(out)]) == 0
    published.routes = {f"/m/{NAME}": [whole((out / NAME).read_bytes())]}
    monkeypatch.setenv("FACELANDMARKS_MIRROR", f"{published.url}/m")
    assert main(["--cache-dir", str(tmp_path / "other"), "fetch", NAME]) == 0
    assert main([*cache, "mirror", "compact_300w", "--to", str(tmp_path / "none")]) == 0  # it is in the wheel
    assert not (tmp_path / "none").exists()


def test_a_mirror_on_the_hub(published, api, tmp_path, capsys):
    assert main(["--cache-dir", str(tmp_path / "cache"), "mirror", NAME, "--to", "hf://org/repo"]) == 0
    assert "FACELANDMARKS_MIRROR=hf://org/repo" in capsys.readouterr().out
    (_, _, (_, options, files)) = api
    assert options["commit_message"] == "Mirror 1 files"
    assert files.keys() == {NAME, "weights_manifest.json", "README.md"}
    assert files[NAME] == BODY
    card = huggingface_hub.ModelCard(files["README.md"].decode(), ignore_metadata_errors=False)
    assert sha256(BODY) in card.text
    assert "no licence text on the project page" in card.text  # the terms of WFLW
    with pytest.raises(InvalidOptionError, match="expected hf://owner/repository"):
        push_mirror([], "hf://org")


# --- a config is data ---

WRONG = (
    None,
    True,
    -1,
    0,
    10**18,
    1e300,
    "",
    "os.system",
    "../x",
    "x" * 2000,
    [],
    ["x"],
    [[]],
    {},
    {"x": "y"},
    {"x": {}},
)


def _changed(value, path, new):
    """The same JSON with another value at a path."""
    if not path:
        return new
    items = dict(value) if isinstance(value, dict) else list(value)
    items[path[0]] = _changed(items[path[0]], path[1:], new)
    return items


def _paths(value, at=()):
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in inside for path in _paths(item, (*at, key)))]


def test_every_wrong_value_of_a_config_is_an_error_of_ours(folder):
    """And nothing is imported by a name in it. The search with 3,000 mutations: tests/helpers/fuzz.py config."""
    config = json.loads((folder / CONFIG).read_text())
    config["model"]["scheme"] = {"name": "a", "size": 68, "pairs": [[0, 1]], "contours": [{"name": "c", "points": [1]}]}
    modules, refused = set(sys.modules), 0
    for path in _paths(config):
        for wrong in WRONG:
            try:
                read_config(json.dumps(_changed(config, path, wrong)).encode(), "it")
            except fl.FaceLandmarksError:
                refused += 1
    assert set(sys.modules) == modules
    assert refused > 1000
    with pytest.raises(CheckpointError, match="nested too deep"):
        read_config(b"[" * 100_000, "it")


def test_a_config_that_is_too_large_is_not_read(copy):
    (copy / CONFIG).write_bytes((copy / CONFIG).read_bytes() + b" " * 1_000_000)
    with pytest.raises(CheckpointError, match="more than 1000000 bytes"):
        fl.load_model(copy)
