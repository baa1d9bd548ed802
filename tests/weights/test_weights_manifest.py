"""The manifest: its rules, and records of the user's own."""

import copy
import dataclasses
import json

import pytest
from paths import DOCS
from weight_records import fields_of, record_of, write_manifest

from facelandmarks.detection import FILES
from facelandmarks.errors import CheckpointError
from facelandmarks.weights.checkpoint import READERS
from facelandmarks.weights.manifest import (
    DIALECTS,
    FileRecord,
    check_manifest,
    field_rules,
    get_record,
    load_manifest,
    manifest_path,
)
from facelandmarks.zoo import MODELS

DETECTORS = {*FILES.values(), "compact.onnx"}


@pytest.fixture(scope="module")
def document():
    return json.loads(manifest_path().read_text())


def good():
    return {"schema": "facelandmarks-manifest/1", "files": {"a.pth": fields_of(record_of("https://example.com/a.pth"))}}


def test_every_field_of_a_record_has_a_rule():
    assert ["name", *field_rules()] == [field.name for field in dataclasses.fields(FileRecord)]


def test_the_manifest_of_the_package_keeps_the_rules(document):
    """No start checks them again."""
    check_manifest(document, "it")
    check_manifest(good(), "it")


def test_every_model_has_a_record_and_the_reverse(document):
    assert {spec.weights for spec in MODELS.values()} | DETECTORS == set(document["files"])


def test_every_dialect_can_be_read():
    assert {dialect.format for dialect in DIALECTS.values()} == {*READERS, "onnx"}


def test_tables_hold_nothing_that_is_not_used(document):
    rows = [row["protocol"] for fields in document["files"].values() for row in fields["published"]]
    used = {"training_data": set(), "papers": set(), "protocols": set(rows) - {None}}
    for fields in document["files"].values():
        used["training_data"] |= set(fields["training_data"])
        used["papers"] |= set(fields["papers"])
    assert {table: set(document[table]) for table in used} == used


def test_what_can_be_fetched_says_so(document):
    """Files in the wheel need no address; share pages are for people; all else has https addresses."""
    for name, fields in document["files"].items():
        assert fields.get("asset", False) or fields["urls"] or fields["pages"], name
        assert all(url.startswith("https://") for url in fields["urls"]), name
        shares = ("1drv.ms", "onedrive", "drive.google", "pan.baidu", "/tree/")
        assert not any(share in url for url in fields["urls"] for share in shares), name


def test_facts_of_the_research(document, shared):
    """Prefixes, trust and addresses are those that were found; only addresses of the same bytes are used."""
    facts = json.loads((shared / "zoo" / "zoo_facts.json").read_text())
    found = {record["file_name"]: record for record in (*facts["records"], *facts["face_detectors"])}
    # MediaPipe's have a research of their own: tests/zoo/test_mediapipe_model.py.
    outside = {
        name: fields
        for name, fields in document["files"].items()
        if not fields.get("asset") and fields["dialect"] != "mediapipe"
    }
    assert outside.keys() <= found.keys()
    for name, fields in outside.items():
        digest = found[name]["digest"]
        assert (fields["sha256"], fields["sha256_prefix"]) == (digest["sha256"], digest.get("sha256_prefix")), name
        assert fields["git_blob_sha1"] == digest["git_blob_sha1"], name
        assert fields["bytes"] == found[name].get("bytes"), name
        if fields["prefix_trust"]:
            assert fields["prefix_trust"] == digest["prefix_trust"], name
        usable = [row["url"] for row in found[name]["urls"] if row["same_bytes"] in ("yes", "expected", "unknown")]
        assert [url for url in usable if url in fields["urls"]] == fields["urls"], name


# What is changed in a good record, and a word of the complaint.
BAD = {
    "path as a name": (lambda d: d["files"].update({"../a.pth": d["files"].pop("a.pth")}), "plain file name"),
    "absolute name": (lambda d: d["files"].update({"/a.pth": d["files"].pop("a.pth")}), "plain file name"),
    "name of ours": (lambda d: d["files"].update({"a.part": d["files"].pop("a.pth")}), "plain file name"),
    "no schema": (lambda d: d.pop("schema"), "facelandmarks-manifest/1"),
    "another schema": (lambda d: d.update(schema="facelandmarks-manifest/2"), "facelandmarks-manifest/1"),
    "no files": (lambda d: d.pop("files"), "files"),
    "files as a list": (lambda d: d.update(files=[]), "files"),
    "unknown table": (lambda d: d.update(more={}), "more"),
    "record as a text": (lambda d: d["files"].update({"a.pth": "x"}), "object"),
    "http": (lambda d: d["files"]["a.pth"].update(urls=["http://example.com/a"]), "plain http"),
    "file": (lambda d: d["files"]["a.pth"].update(urls=["file:///etc/passwd"]), "file:///etc/passwd"),
    "ftp": (lambda d: d["files"]["a.pth"].update(urls=["ftp://example.com/a"]), "neither https"),
    "password": (lambda d: d["files"]["a.pth"].update(urls=["https://me:secret@example.com/a"]), "password"),
    "loopback in name only": (lambda d: d["files"]["a.pth"].update(urls=["http://localhost.example.com/"]), "http"),
    "path": (lambda d: d["files"]["a.pth"].update(urls=["/srv/a.pth"]), "/srv/a.pth"),
    "space": (lambda d: d["files"]["a.pth"].update(urls=["https://example.com/a b"]), "a b"),
    "hub without a path": (lambda d: d["files"]["a.pth"].update(urls=["hf://owner/name"]), "hf://owner/repository"),
    "hub with dots": (lambda d: d["files"]["a.pth"].update(urls=["hf://owner/name/../x"]), "hf://owner/repository"),
    "urls as a text": (lambda d: d["files"]["a.pth"].update(urls="https://example.com"), "urls must be"),
    "empty digest": (lambda d: d["files"]["a.pth"].update(sha256=""), "sha256 must be"),
    "short digest": (lambda d: d["files"]["a.pth"].update(sha256="ab" * 31), "sha256 must be"),
    "large digits": (lambda d: d["files"]["a.pth"].update(sha256="AB" * 32), "sha256 must be"),
    "prefix of nothing": (lambda d: d["files"]["a.pth"].update(sha256_prefix="", prefix_trust="high"), "prefix must"),
    "prefix without trust": (lambda d: d["files"]["a.pth"].update(sha256=None, sha256_prefix="abcdef12"), "together"),
    "trust without prefix": (lambda d: d["files"]["a.pth"].update(prefix_trust="high"), "together"),
    "unknown trust": (lambda d: d["files"]["a.pth"].update(prefix_trust="absolute"), "prefix_trust must be"),
    "bytes as a text": (lambda d: d["files"]["a.pth"].update(bytes="10"), "bytes must be"),
    "no bytes": (lambda d: d["files"]["a.pth"].update(bytes=0), "bytes must be"),
    "true bytes": (lambda d: d["files"]["a.pth"].update(bytes=True), "bytes must be"),
    "unknown dialect": (lambda d: d["files"]["a.pth"].update(dialect="pickle"), "dialect must be"),
    "missing field": (lambda d: d["files"]["a.pth"].pop("licence"), "licence is missing"),
    "unknown field": (lambda d: d["files"]["a.pth"].update(md5="x"), "md5 is unknown"),
    "page without address": (lambda d: d["files"]["a.pth"].update(pages=[{"note": "x"}]), "pages must be"),
    "published row": (lambda d: d["files"]["a.pth"].update(published=[{}]), "published must be"),
    "source": (lambda d: d["files"]["a.pth"].update(source={}), "source must be"),
    "asset as a number": (lambda d: d["files"]["a.pth"].update(asset=1), "asset must be"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_manifests_are_refused(what):
    change, says = BAD[what]
    bad = good()
    change(bad)
    with pytest.raises(CheckpointError, match=says):
        check_manifest(bad, "it")


def test_contradictions_are_refused():
    wrong = copy.deepcopy(good())
    wrong["files"]["a.pth"].update(training_data=["nothing"])
    with pytest.raises(CheckpointError, match="'nothing' is not in the table training_data"):
        check_manifest(wrong, "it")
    check_manifest(wrong, "it", {"training_data": {"nothing": {}}})
    wrong = copy.deepcopy(good())
    wrong["files"]["a.pth"].update(sha256_prefix="0" * 8, prefix_trust="high")
    with pytest.raises(CheckpointError, match="does not begin with"):
        check_manifest(wrong, "it")


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/a", "http://127.0.0.1/a", "http://[::1]:80/a", "hf://owner/name/folder/a.pth@main"]
)
def test_addresses_that_are_fine(url):
    fine = good()
    fine["files"]["a.pth"].update(urls=[url])
    check_manifest(fine, "it")


def test_own_records_are_added_and_replace(tmp_path, monkeypatch):
    name = MODELS["hrnetv2_w18_wflw"].weights
    before = len(load_manifest().files)
    own = tmp_path / "own.json"
    fields = fields_of(record_of("https://example.com/a", training_data=("WFLW",)))
    own.write_text(json.dumps({"schema": "facelandmarks-manifest/1", "files": {"new.pth": fields, name: fields}}))
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(own))
    assert len(load_manifest().files) == before + 1
    assert get_record("new.pth").training_data == ("WFLW",)
    assert get_record(name).urls == ("https://example.com/a",)
    write_manifest(own)  # changed on disk: seen
    assert len(load_manifest().files) == before
    monkeypatch.delenv("FACELANDMARKS_MANIFEST")
    assert get_record(name).sha256_prefix == "2bf032a6"


def test_the_record_in_the_documentation_keeps_the_rules(document):
    block = (DOCS / "weights.md").read_text().split("```json\n")[1].split("```")[0]
    check_manifest(json.loads(block), "docs/weights.md", document)


def test_own_records_keep_to_the_rules(tmp_path, monkeypatch):
    own = tmp_path / "own.json"
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(own))
    with pytest.raises(CheckpointError, match=r"cannot read the manifest .*own\.json"):
        load_manifest()
    own.write_text("{")
    with pytest.raises(CheckpointError, match=r"cannot read the manifest .*own\.json"):
        load_manifest()
    bad = good()
    bad["files"]["a.pth"]["urls"] = ["http://example.com"]
    own.write_text(json.dumps(bad))
    with pytest.raises(CheckpointError, match=r"own\.json: 'a\.pth': .*plain http"):
        load_manifest()
    for name, asset in (("compact_300w.onnx", False), ("b.pth", True)):
        own.write_text(json.dumps({**good(), "files": {name: {**good()["files"]["a.pth"], "asset": asset}}}))
        with pytest.raises(CheckpointError, match="file of the package"):
            load_manifest()


def test_files_that_are_not_listed():
    with pytest.raises(CheckpointError, match=r"no file 'other\.pth'"):
        get_record("other.pth")
