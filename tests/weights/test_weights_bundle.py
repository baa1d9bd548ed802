"""Bundles: what is packed arrives, and what is hostile is refused as a whole."""

import dataclasses
import json
import stat
import zipfile

import pytest
from fault_server import FaultServer, whole
from weight_records import BODY, NAME, OTHER, fields_of, record_of, sha256, write_manifest

from facelandmarks.errors import CheckpointError, ChecksumError, FaceLandmarksError
from facelandmarks.weights.bundle import unpack_bundle, write_bundle
from facelandmarks.weights.cache import Access
from facelandmarks.weights.fetch import obtain
from facelandmarks.weights.manifest import get_record

MANIFEST = "weights_manifest.json"
UNKNOWN = {"bytes": None, "sha256": None}


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A record whose digest nobody published, in force."""
    made = record_of("https://nowhere.invalid/x", **UNKNOWN, training_data=("WFLW",))
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest(tmp_path / "own.json", made)))
    return made


@pytest.fixture
def bundle(tmp_path, record):
    (tmp_path / NAME).write_bytes(BODY)
    write_bundle(tmp_path / "out.zip", [(record, tmp_path / NAME)])
    return tmp_path / "out.zip"


def test_a_bundle_arrives_and_is_pinned(bundle, tmp_path, record):
    folder = tmp_path / "other"
    with pytest.warns(UserWarning, match=sha256(BODY)):
        assert unpack_bundle(bundle, folder) == [folder / NAME]
    assert (folder / NAME).read_bytes() == BODY
    assert json.loads((folder / f"{NAME}.pin.json").read_text())["sha256"] == sha256(BODY)
    assert obtain(record, Access(folder, offline=True)) == folder / NAME
    assert unpack_bundle(bundle, folder) == [folder / NAME]  # again: nothing to do


def test_the_manifest_inside_has_full_digests_and_terms(bundle):
    document = json.loads(zipfile.ZipFile(bundle).read(MANIFEST))
    fields = document["files"][NAME]
    assert (fields["sha256"], fields["bytes"]) == (sha256(BODY), len(BODY))
    assert list(document["training_data"]) == ["WFLW"]


def test_an_unpacked_bundle_is_a_mirror(bundle, tmp_path, record, monkeypatch):
    with zipfile.ZipFile(bundle) as archive, FaultServer() as server:
        server.routes = {f"/{name}": [whole(archive.read(name))] for name in archive.namelist()}
        monkeypatch.setenv("FACELANDMARKS_MIRROR", server.url)
        archive.extract(MANIFEST, tmp_path / "inside")
        monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(tmp_path / "inside" / MANIFEST))
        assert obtain(get_record(NAME), Access(tmp_path / "third")).read_bytes() == BODY


def rewrite(bundle, change):
    """The same bundle with its members (name -> content) changed."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(members) or members
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def manifest_of(record):
    return json.dumps({"schema": "facelandmarks-manifest/1", "files": {record.name: fields_of(record)}}).encode()


TRICKS = {
    "path up": lambda m: m.update({"../x.pth": b"x"}),
    "absolute path": lambda m: m.update({"/tmp/x.pth": b"x"}),
    "folder": lambda m: m.update({"folder/x.pth": b"x"}),
    "backslash": lambda m: m.update({"..\\x.pth": b"x"}),
    "drive": lambda m: m.update({"C:x.pth": b"x"}),
    "a pin": lambda m: m.update({NAME + ".pin.json": b"{}"}),
    "stranger": lambda m: m.update({"stranger.pth": b"x"}),
    "file missing": lambda m: m.pop(NAME) and None,
    "manifest missing": lambda m: m.pop(MANIFEST) and None,
    "manifest damaged": lambda m: m.update({MANIFEST: b"{"}),
    "manifest of nothing": lambda m: m.update({MANIFEST: b"{}"}),
    "manifest with a path": lambda m: m.update({MANIFEST: m[MANIFEST].replace(NAME.encode(), b"../" + NAME.encode())}),
    "no digest": lambda m: m.update({MANIFEST: manifest_of(record_of(**UNKNOWN))}),
    "unknown to the manifest in force": lambda m: (
        m.update({MANIFEST: manifest_of(dataclasses.replace(record_of(), name="new.pth"))}),
        m.update({"new.pth": m.pop(NAME)}),
    )[0],
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks(bundle, tmp_path, trick):
    rewrite(bundle, TRICKS[trick])
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(CheckpointError):
        unpack_bundle(bundle, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == before  # not even the folder


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO])
def test_links_and_other_things_are_refused(bundle, tmp_path, kind):
    with zipfile.ZipFile(bundle, "a") as archive:
        info = zipfile.ZipInfo("link.pth")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(CheckpointError, match="a folder or a link"):
        unpack_bundle(bundle, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name(bundle, tmp_path):
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(NAME, OTHER)
    with pytest.raises(CheckpointError, match="one name"):
        unpack_bundle(bundle, tmp_path / "other")


def test_wrong_bytes(bundle, tmp_path):
    rewrite(bundle, lambda m: m.update({NAME: OTHER}))
    with pytest.raises(ChecksumError, match=f"{sha256(OTHER)}, not {sha256(BODY)}"):
        unpack_bundle(bundle, tmp_path / "other")
    assert not (tmp_path / "other" / NAME).exists()


def test_the_manifest_in_force_has_the_last_word(bundle, tmp_path, monkeypatch):
    """A bundle that is right by its own digests, and wrong by those that are published."""
    own = write_manifest(tmp_path / "strict.json", record_of(body=OTHER))
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(own))
    with pytest.raises(ChecksumError, match=f"{sha256(BODY)}, not {sha256(OTHER)}"):
        unpack_bundle(bundle, tmp_path / "other")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    """A few kilobytes that would become 30 MB: written no further than the published size."""
    own = record_of()
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest(tmp_path / "own.json", own)))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, manifest_of(own))
        archive.writestr(NAME, bytes(30_000_000))
    with pytest.raises(ChecksumError, match="more than 300000 bytes"):
        unpack_bundle(tmp_path / "bomb.zip", tmp_path / "other")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_cut_and_damaged_bundles(bundle, tmp_path, kept):
    data = bundle.read_bytes()
    bundle.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(CheckpointError, match="cannot read the bundle"):
        unpack_bundle(bundle, tmp_path / "other")
    middle = len(data) // 2
    bundle.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    with pytest.raises(FaceLandmarksError):
        unpack_bundle(bundle, tmp_path / "other")
    assert not (tmp_path / "other" / NAME).exists()
