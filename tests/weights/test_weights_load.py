"""Published models end to end: from a server, verified, converted, predicting; and hostile files on that way."""

import collections
import dataclasses
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from fault_server import FaultServer, whole
from golden_weights import golden_weights
from safetensors import SafetensorError
from weight_records import NAME, record_of, sha256, write_manifest

import facelandmarks as fl
from facelandmarks._files import whole_file
from facelandmarks.weights.load import find_weights, write_tensors
from facelandmarks.weights.manifest import get_record
from facelandmarks.zoo import MODELS

# Model, and where the goldens have its key names. All take two minutes: FACELANDMARKS_ALL_SEEDS=1; else some are run.
SEEDS = {
    "hrnetv2_w18_wflw_dark": ("mmpose0x", "hrnetv2_w18_wflw_dark"),
    "deeppose_res50_wflw": ("mmpose0x", "deeppose_res50_wflw"),
    "hrnetv2_w18_aflw": ("mmpose0x", "hrnetv2_w18_aflw"),
    "hrnet_w48_deepfashion_upper_udp": ("mmpose1x", "hrnet_w48_deepfashion_upper_udp"),
    "hrnet_w48_deepfashion_lower_udp": ("mmpose1x", "hrnet_w48_deepfashion_lower_udp"),
    "hrnet_w48_deepfashion_full_udp": ("mmpose1x", "hrnet_w48_deepfashion_full_udp"),
    "hrnetv2_w18_wflw_official": ("official", "hrnetv2_w18_wflw_official"),
    "hrnetv2_w18_aflw_official": ("official", "hrnetv2_w18_aflw_official"),
    "hrnetv2_w18_cofw_official": ("official", "hrnetv2_w18_cofw_official"),
    "hrnetv2_w18_300w_official": ("official", "hrnetv2_w18_300w_official"),
}
QUICK = ("hrnetv2_w18_wflw_dark", "deeppose_res50_wflw", "hrnetv2_w18_wflw_official")
RUN = SEEDS if os.environ.get("FACELANDMARKS_ALL_SEEDS") else QUICK
FACE = (180, 91, 264, 175)


@pytest.fixture
def server():
    with FaultServer() as running:
        yield running


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACELANDMARKS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def save(path: Path, content: object, *, zipped: bool = False) -> bytes:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path.read_bytes()


def fabricate(folder: Path, model: str, path: Path) -> bytes:
    """A file as upstream publishes it: its names, its surroundings, its format."""
    state = golden_weights(folder, model)
    tensors = collections.OrderedDict((key, torch.from_numpy(value)) for key, value in state.items())
    meta = {"epoch": 60, "iter": 18780, "config": "model = dict()\n" * 300, "time": "Mon Jan 25 10:00:00 2021"}
    if model == "hrnetv2_w18_wflw_official":  # upstream's code writes such files too
        tensors = collections.OrderedDict(("module." + key, value) for key, value in tensors.items())
    if folder.name == "mmpose1x":
        colors = {"keypoint_colors": np.full((6, 3), 255, np.uint8), "sigmas": np.zeros(0, np.float32)}
        meta["dataset_meta"] = {"dataset_name": "deepfashion", **colors}
    return save(path, tensors if folder.name == "official" else {"meta": meta, "state_dict": tensors})


@pytest.mark.parametrize("name", RUN)
def test_a_published_model_in_one_go_and_again_offline(shared, server, cache, tmp_path, monkeypatch, name):
    folder, model = SEEDS[name]
    file = MODELS[name].weights
    content = fabricate(shared / "goldens" / folder, model, tmp_path / "made.pth")
    server.routes["/" + file] = [whole(content, sent=len(content) // 3), whole(content)]
    prefix = get_record(file).sha256_prefix and sha256(content)[:8]
    record = dataclasses.replace(get_record(file), sha256_prefix=prefix)
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest_of(tmp_path, record)))
    monkeypatch.setenv("FACELANDMARKS_MIRROR", server.url)
    photo = skimage.data.astronaut()
    if prefix is None:
        with pytest.raises(fl.ChecksumError, match="allow_unverified=True"):
            fl.load_model(name)
        with pytest.warns(UserWarning, match=sha256(content)):
            first = fl.load_model(name, allow_unverified=True, device="cpu").predict(photo, FACE)
    else:
        first = fl.load_model(name, device="cpu").predict(photo, FACE)
    assert np.isfinite(first.points).all()
    assert len(server.requests) == 2  # broken off once, resumed once
    there = sorted(path.name.replace(sha256(content)[:16], "DIGEST") for path in cache.iterdir())
    copy = f"{Path(file).stem}.DIGEST.v1.safetensors"
    assert there == sorted([file, file + ".lock", file + ".pin.json", copy, copy + ".pin.json"])

    # Again: no socket, and no unpickling.
    monkeypatch.setenv("FACELANDMARKS_OFFLINE", "1")
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpickled again"))
    again = fl.load_model(name, device="cpu").predict(photo, FACE)
    np.testing.assert_array_equal(again.points, first.points)
    np.testing.assert_array_equal(again.scores, first.scores)


def write_manifest_of(folder: Path, *records) -> Path:
    return write_manifest(folder / "manifest.json", *records)


def load(name):
    return find_weights(name).state()


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dialect", ["mmpose0x", "mmpose1x", "hrnet_official", "safetensors", "packed"])
def test_code_in_a_verified_file_is_not_run(server, cache, tmp_path, monkeypatch, dialect, zipped):
    """The digest says that it is the published file; that does not make it harmless."""
    mark = tmp_path / "mark"
    content = save(tmp_path / "made.pth", {"state_dict": {"a": torch.ones(2)}, "meta": Hostile(mark)}, zipped=zipped)
    server.routes["/x"] = [whole(content)]
    record = record_of(f"{server.url}/x", body=content, dialect=dialect)
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest_of(tmp_path, record)))
    for _ in range(2):
        with pytest.raises(fl.CheckpointError):
            load(NAME)
    assert not mark.exists()
    assert not list(cache.glob("*.safetensors"))


@pytest.fixture
def small(server, cache, tmp_path, monkeypatch):
    """A small published file, loaded once."""
    content = save(tmp_path / "made.pth", {"backbone.conv1.weight": torch.arange(12.0).reshape(3, 4).T})
    server.routes["/x"] = [whole(content)]
    record = record_of(f"{server.url}/x", body=content)
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest_of(tmp_path, record)))
    expected = load(NAME)
    np.testing.assert_array_equal(expected["backbone.conv1.weight"], np.arange(12.0).reshape(3, 4).T)
    return expected


def test_the_copy_holds_the_same_numbers(small):
    again = load(NAME)
    assert list(again) == list(small)
    np.testing.assert_array_equal(again["backbone.conv1.weight"], small["backbone.conv1.weight"])
    assert again["backbone.conv1.weight"].dtype == np.float32


@pytest.mark.parametrize("damage", ["content", "cut", "gone", "pin", "no pin"])
def test_a_damaged_copy_is_made_anew(small, cache, damage):
    (copy,) = cache.glob("*.safetensors")
    pin = Path(f"{copy}.pin.json")
    good = copy.read_bytes()
    if damage == "content":
        copy.write_bytes(good[:-1] + b"\x01")
    elif damage == "cut":
        copy.write_bytes(good[:-1])
    elif damage == "gone":
        copy.unlink()
    elif damage == "pin":
        pin.write_text("{")
    else:
        pin.unlink()
    again = load(NAME)
    np.testing.assert_array_equal(again["backbone.conv1.weight"], small["backbone.conv1.weight"])
    assert copy.read_bytes() == good
    assert pin.is_file()


def test_the_original_is_still_checked_when_there_is_a_copy(small, cache):
    path = cache / NAME
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(fl.ChecksumError, match="clean"):
        load(NAME)


def test_without_room_for_a_copy_the_file_is_used(small, cache, monkeypatch):
    (copy,) = cache.glob("*.safetensors")
    copy.unlink()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    again = load(NAME)
    np.testing.assert_array_equal(again["backbone.conv1.weight"], small["backbone.conv1.weight"])


def test_files_of_the_wheel_need_nothing(cache):
    assert len(load("compact_300w.onnx")) > 50
    assert not cache.exists()


def test_options_of_load_model_reach_the_download(server, tmp_path, monkeypatch):
    with pytest.raises(fl.OfflineError, match=str(tmp_path / "mine")):
        fl.load_model("hrnetv2_w18_wflw", cache_dir=tmp_path / "mine", offline=True)
    with pytest.raises(
        fl.DownloadError, match=r"HR18-WFLW\.pth has only third-party copies.*1drv\.ms.*add HR18-WFLW\.pth"
    ):
        fl.load_model("hrnetv2_w18_wflw_official", cache_dir=tmp_path / "mine")


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    said = pytest.raises(OSError, match=r"No space left on device: '.*model.safetensors'")
    with said, whole_file(tmp_path / "model.safetensors") as partial:
        write_tensors({}, partial)
