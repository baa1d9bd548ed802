"""The Hugging Face Hub: published files under our digests, pins of everything else, models by their address."""

import json
import logging
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from fake_hub import COMMIT, LATER, REPOSITORY, fake_hub
from fault_server import status, whole
from safetensors.numpy import save
from weight_records import BODY, NAME, OTHER, record_of, sha256, write_manifest

import facelandmarks as fl
from facelandmarks.cli.weights import main
from facelandmarks.errors import CheckpointError, ChecksumError, DownloadError, OfflineError
from facelandmarks.share import write_model
from facelandmarks.weights.cache import Access
from facelandmarks.weights.fetch import obtain
from facelandmarks.weights.hub import download, pin_path, pinned
from facelandmarks.weights.load import find_weights
from facelandmarks.weights.manifest import FileSource

ADDRESS = f"hf://{REPOSITORY}"
IMAGE = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
BOX = (40, 40, 160, 160)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with fake_hub(tmp_path / "hub", monkeypatch) as running:
        yield running


@pytest.fixture
def no_sockets(monkeypatch):
    def forbid():
        for name in ("socket", "create_connection", "getaddrinfo"):
            monkeypatch.setattr(socket, name, lambda *_, **__: pytest.fail("a socket was opened"))

    return forbid


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """The files of a model as they are pushed."""
    folder = tmp_path_factory.mktemp("pushed")
    return {path.name: path.read_bytes() for path in write_model("compact_300w", folder)}


def test_a_fresh_process_knows_the_usual_hub():
    """Parts of huggingface-hub are not there before they are imported, and here nothing has done that."""
    code = "from facelandmarks.weights.hub import _endpoint, import_hub; print(_endpoint(import_hub()))"
    environment = {name: value for name, value in os.environ.items() if name != "HF_ENDPOINT"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "https://huggingface.co\n"


@pytest.mark.parametrize("where", ["manifest", "mirror", "weights"])
def test_a_published_file_from_the_hub_is_under_our_digest(hub, tmp_path, monkeypatch, no_sockets, where):
    """In one go, and offline again; the token goes to the hub only."""
    hub.commit({NAME: BODY})
    record = record_of(f"{ADDRESS}/{NAME}") if where == "manifest" else record_of("https://nowhere.invalid/x")
    access = Access(tmp_path / "cache", offline=False)
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest(tmp_path / "manifest.json", record)))
    if where == "mirror":
        monkeypatch.setenv("FACELANDMARKS_MIRROR", ADDRESS)
    if where == "weights":
        assert find_weights("any.pth", f"{ADDRESS}@main/{NAME}", access).sha256 == sha256(BODY)
    else:
        assert obtain(record, access).read_bytes() == BODY
    assert (tmp_path / "cache" / NAME).read_bytes() == BODY
    assert {headers.get("authorization", headers.get("Authorization")) for _, headers in hub.requests} == {
        "Bearer hf_secret"
    }
    no_sockets()
    assert obtain(record, Access(tmp_path / "cache", offline=True)).read_bytes() == BODY


def test_another_file_under_a_published_name_is_refused(hub, tmp_path, monkeypatch):
    """Whatever the host; the next source is taken."""
    hub.commit({NAME: OTHER})
    hub.routes["/good"] = [whole(BODY)]
    record = record_of(f"{ADDRESS}/{NAME}", f"{hub.url}/good")
    assert obtain(record, Access(tmp_path / "a", offline=False)).read_bytes() == BODY
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest(tmp_path / "manifest.json", record)))
    with pytest.raises(ChecksumError, match=f"sent another file: .*{sha256(OTHER)}"):
        find_weights("any.pth", f"{ADDRESS}/{NAME}", Access(tmp_path / "b", offline=False))
    assert not (tmp_path / "b" / NAME).exists()


def test_a_repository_that_does_not_answer_leads_to_the_next_source(hub, tmp_path):
    hub.routes["/good"] = [whole(BODY)]
    mirror = FileSource(f"{ADDRESS}/{NAME}", "mirror")
    assert obtain(record_of(mirror, f"{hub.url}/good"), Access(tmp_path, offline=False)).read_bytes() == BODY
    with pytest.raises(DownloadError, match=f"cannot fetch {ADDRESS}/{NAME}.*404"):
        obtain(record_of(mirror), Access(tmp_path / "b", offline=False))


def test_a_model_loads_by_its_address_and_offline_again(hub, tmp_path, pushed, caplog, no_sockets):
    hub.commit(pushed)
    options = {"cache_dir": tmp_path / "cache", "engine": "torch"}
    with caplog.at_level(logging.WARNING):
        model = fl.load_model(ADDRESS, **options)
    said = [record.getMessage() for record in caplog.records]
    assert sum(f"is not in the manifest: commit {COMMIT}" in message for message in said) == 2
    expected = fl.load_model("compact_300w", engine="torch").predict(IMAGE, BOX)
    assert np.abs(model.predict(IMAGE, BOX).points - expected.points).max() <= 1e-6
    assert model.engine_info().weights == sha256(pushed["model.safetensors"])
    pin = json.loads(pin_path(ADDRESS, tmp_path / "cache").read_text())
    files = {name: sha256(pushed[name]) for name in ("config.json", "model.safetensors")}
    assert (pin["commit"], pin["files"], pin["address"]) == (COMMIT, files, ADDRESS)
    no_sockets()
    for offline in (True, None):  # the commit is known: nothing need be asked
        again = fl.load_model(ADDRESS, offline=offline, **options).predict(IMAGE, BOX)
        assert (again.points == model.predict(IMAGE, BOX).points).all()


def test_a_revision_stays_the_commit_of_the_first_use(hub, tmp_path, capsys):
    access, url = Access(tmp_path, offline=False), f"{ADDRESS}/a.safetensors"
    hub.commit({"a.safetensors": BODY})
    assert pinned(url, access)[1] == sha256(BODY)
    hub.commit({"a.safetensors": OTHER}, LATER)
    assert pinned(url, access)[1] == sha256(BODY)
    assert pinned(f"{ADDRESS}@{LATER}/a.safetensors", access)[1] == sha256(OTHER)  # another pin
    assert main(["--cache-dir", str(tmp_path), "clean", ADDRESS]) == 0
    assert pinned(url, access)[1] == sha256(OTHER)
    assert "1 file removed" in capsys.readouterr().out


def test_a_change_is_refused(hub, tmp_path):
    """The hub gives other bytes under the pinned commit, or what it keeps was changed on the disk."""
    access, url = Access(tmp_path, offline=False), f"{ADDRESS}/a.safetensors"
    hub.commit({"a.safetensors": BODY})
    path, _ = pinned(url, access)
    path.resolve().write_bytes(OTHER)
    with pytest.raises(ChecksumError, match=f"has changed: .*{sha256(OTHER)}, but {sha256(BODY)} was pinned.*clean"):
        pinned(url, access)
    path.unlink()
    hub.commit({"a.safetensors": OTHER})
    with pytest.raises(ChecksumError, match="has changed"):
        pinned(url, access)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", json.dumps({"commit": 1}), json.dumps({"schema": "x", "address": "a", "commit": "c", "files": {}})],
)
def test_a_damaged_pin_is_not_first_use(hub, tmp_path, text):
    hub.commit({"a.safetensors": BODY})
    pinned(f"{ADDRESS}/a.safetensors", Access(tmp_path, offline=False))
    pin_path(ADDRESS, tmp_path).write_text(text)
    with pytest.raises(ChecksumError, match=r"pin\.json is damaged"):
        pinned(f"{ADDRESS}/a.safetensors", Access(tmp_path, offline=False))


def test_other_repositories_give_safetensors_only(hub, tmp_path):
    hub.commit({"a.pth": BODY, "a.safetensors": save({"x": np.zeros(3, np.float32)})})
    access = Access(tmp_path, offline=False)
    with pytest.raises(CheckpointError, match=r"a\.pth is not in the manifest.*only \*\.safetensors"):
        find_weights("any.pth", f"{ADDRESS}/a.pth", access)
    assert not hub.requests
    with pytest.raises(CheckpointError, match="do not fit compact_300w"):  # keys and shapes are strict
        fl.load_model("compact_300w", weights=f"{ADDRESS}/a.safetensors", cache_dir=tmp_path, engine="torch")


def test_weights_from_the_hub_in_names_of_their_own(hub, tmp_path):
    state = find_weights("compact_300w.onnx").state()
    hub.commit({"sub/own.safetensors": save(state)})
    url = f"{ADDRESS}@main/sub/own.safetensors"
    model = fl.load_model("compact_300w", weights=url, cache_dir=tmp_path, engine="torch")
    expected = fl.load_model("compact_300w", engine="torch").predict(IMAGE, BOX)
    assert (model.predict(IMAGE, BOX).points == expected.points).all()


def test_offline_without_the_file(hub, tmp_path, no_sockets):
    no_sockets()
    for url in (f"{ADDRESS}/a.safetensors", f"{ADDRESS}@{COMMIT}/a.safetensors"):
        with pytest.raises(OfflineError, match="offline mode forbids the network"):
            pinned(url, Access(tmp_path, offline=True))
    with pytest.raises(OfflineError):
        fl.load_model(ADDRESS, offline=True)


def test_what_a_hub_must_not_do(hub, tmp_path, monkeypatch):
    access = Access(tmp_path, offline=False)
    hub.commit({"a": BODY}, commit=LATER, revision=COMMIT)  # asked for one commit, gives another
    with pytest.raises(DownloadError, match=f"answered with commit '{LATER}', not {COMMIT}"):
        download(f"{ADDRESS}@{COMMIT}/a", access)
    hub.commit({"b": BODY}, commit="main")
    with pytest.raises(DownloadError, match="answered with commit 'main'"):
        download(f"{ADDRESS}/b", access)
    hub.commit({"c": BODY})
    with pytest.raises(DownloadError, match="has 300000 bytes, more than the 1000"):
        download(f"{ADDRESS}/c", access, most=1000)
    hub.routes[f"/{REPOSITORY}/resolve/main/d"] = [status(401)]
    with pytest.raises(DownloadError, match="hf auth login"):
        download(f"{ADDRESS}/d", access)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.com")
    with pytest.raises(DownloadError, match=r"plain http.*Correct HF_ENDPOINT"):
        download(f"{ADDRESS}/c", access)


@pytest.mark.parametrize("name", [f"{ADDRESS}/file", "hf://org", "hf://org/repo/../x", "hf://org/repo@a@b"])
def test_addresses_that_are_no_model(name):
    with pytest.raises((CheckpointError, DownloadError), match="hf://owner/repository"):
        fl.load_model(name)
