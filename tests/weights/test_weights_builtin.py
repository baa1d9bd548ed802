"""The manifest and the weights in the wheel."""

import hashlib
import json

import numpy as np
import pytest

from facelandmarks.detection import FILES
from facelandmarks.errors import CheckpointError, ChecksumError
from facelandmarks.nn.build import build_network
from facelandmarks.weights import load, manifest
from facelandmarks.weights.checkpoint import load_state
from facelandmarks.zoo import MODELS

LIMITS = {"compact_300w.onnx": 4_500_000, "tiny_300w.onnx": 1_200_000, "compact.onnx": 1_000_000}


def test_the_manifest_lists_the_files_of_the_package():
    records = {name: record for name, record in manifest.load_manifest().files.items() if record.asset}
    assert set(records) == {path.name for path in load.ASSETS.glob("*.onnx")} == set(LIMITS)
    for name, record in records.items():
        content = (load.ASSETS / name).read_bytes()
        assert len(content) == record.bytes <= LIMITS[name]
        assert hashlib.sha256(content).hexdigest() == record.sha256


def test_every_model_has_a_file_and_every_file_a_user():
    files = {spec.weights for spec in MODELS.values()} | {"compact.onnx", *FILES.values()}
    assert files == set(manifest.load_manifest().files)


def test_the_tables_of_the_manifest_hold_what_its_files_refer_to():
    listed = manifest.load_manifest()
    records = listed.files.values()
    assert {name for record in records for name in record.training_data} == set(listed.training_data)
    assert {name for record in records for name in record.papers} == set(listed.papers)
    assert {row["protocol"] for record in records for row in record.published} == set(listed.protocols)


def test_the_manifest_is_found_in_a_checkout_and_in_a_package(tmp_path, monkeypatch):
    package = tmp_path / "facelandmarks"
    package.mkdir()
    monkeypatch.setattr(manifest, "PACKAGE", package)
    with pytest.raises(CheckpointError, match="install the package again"):
        manifest.manifest_path()
    (tmp_path / manifest.NAME).write_text("{}")
    assert manifest.manifest_path() == tmp_path / manifest.NAME
    (package / manifest.NAME).write_text("{}")
    assert manifest.manifest_path() == package / manifest.NAME


def test_damaged_and_missing_weights_are_refused(tmp_path, monkeypatch):
    content = bytearray((load.ASSETS / "compact_300w.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    monkeypatch.setattr(load, "ASSETS", tmp_path)
    with pytest.raises(ChecksumError, match="missing"):
        load.find_weights("compact_300w.onnx")
    (tmp_path / "compact_300w.onnx").write_bytes(content)
    with pytest.raises(ChecksumError, match="damaged"):
        load.find_weights("compact_300w.onnx")


def test_misfits_are_named():
    spec = MODELS["compact_300w"]
    tensors = load.find_weights(spec.weights).state()
    network = build_network(spec.network, {"landmarks": 68})
    load_state(network, tensors, spec.name)
    first = next(iter(tensors))
    wrong = {**tensors, first: np.zeros((1, 2), np.float32), "extra.weight": np.zeros(1, np.float32)}
    del wrong["head.2.bias"]
    with pytest.raises(CheckpointError) as caught:
        load_state(network, wrong, spec.name)
    for part in (spec.name, "1 missing (first: head.2.bias)", "1 unexpected (first: extra.weight)", first, "(1, 2)"):
        assert part in str(caught.value)


def test_loaded_tensors_are_in_the_network():
    spec = MODELS["compact_300w"]
    tensors = load.find_weights(spec.weights).state()
    network = build_network(spec.network, {"landmarks": 68})
    load_state(network, tensors, spec.name)
    state = network.state_dict()
    assert all(np.array_equal(state[name].numpy(), value) for name, value in tensors.items())


def test_the_manifest_is_json_with_a_schema_name():
    assert json.loads(manifest.manifest_path().read_text())["schema"] == "facelandmarks-manifest/1"
