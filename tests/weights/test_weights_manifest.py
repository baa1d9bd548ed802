"""The manifest: its rules, and records of the user's own."""

import copy
import dataclasses
import json
import re

import pytest
from paths import DOCS
from weight_records import fields_of, record_of, write_manifest

from facelandmarks.detection import FILES
from facelandmarks.errors import CheckpointError
from facelandmarks.weights.checkpoint import READERS
from facelandmarks.weights.manifest import (
    DIALECTS,
    FIELD_RULES,
    FileRecord,
    check_manifest,
    get_record,
    load_manifest,
    manifest_path,
)
from facelandmarks.zoo import MODELS

ORIGINAL = dict.fromkeys(("download.openmmlab.com", "storage.googleapis.com", "github.com"), "original")
# Found after the research of zoo_facts.json: a digest, and copies of others by address with kind and digest.
LATER = {
    "mmpose_anime-face_hrnetv2.pth": {"sha256": "65b9951b29fb708a89c0467678094dd19b0136cddaf1366eb9d1e6e310dee842"}
}
RTMPOSE_M = "rtmpose-m_simcc-face6_pt-in1k_120e-256x256-72a37400_20230529.pth"
GITHUB = "https://raw.githubusercontent.com"
TAU_J = "hf://Tau-J/RTMPose@cd4d7095f5cfc9cfc4f46289bee91ea4a1e1d9fd/rtmposev1/"
COPIES = {
    f"{GITHUB}/AmyBai0620/SWS3026-Visual-Computing-Project/2d425062e33d7337953f0ec9c97a92602df72d97/expert/models/"
    f"rtmpose_face/{RTMPOSE_M}": ("third-party", "5bdfff1bfa37e57dce0972187be709098a8a00c0"),
    f"{GITHUB}/mucunwuxian/HRNet-Facial-Landmark-Detection/980c98c48a4c947b9fedb9625b8890bf8e34f935/hrnetv2_pretrained/"
    "HR18-300W.pth": ("third-party", "f633a0147a1ba475e52da7310588250621efc1c3"),
    "https://www.dropbox.com/s/1u6e7yvss56nx1n/fer.tar?dl=1": (
        "third-party",
        "94b1f8c23dfc5e626c1de0e76257f174463b8f2c371670036ce75f0923d4985d",
    ),
    **{TAU_J + spec.weights: ("mirror", None) for spec in MODELS.values() if spec.weights.startswith("rtmpose-")},
}
DETECTORS = {*FILES.values(), "compact.onnx"}


@pytest.fixture(scope="module")
def document():
    return json.loads(manifest_path().read_text())


def from_(url, **changes):
    return [{"url": url, "kind": "original", **changes}]


def good():
    return {"schema": "facelandmarks-manifest/1", "files": {"a.pth": fields_of(record_of("https://example.com/a.pth"))}}


def test_every_field_of_a_record_has_a_rule():
    assert ["name", *FIELD_RULES] == [field.name for field in dataclasses.fields(FileRecord)]


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
        urls = [source["url"] for source in fields["sources"]]
        assert fields.get("asset", False) or urls or fields["pages"], name
        assert all(url.startswith(("https://", "hf://")) for url in urls), name
        assert all(re.search("@[0-9a-f]{40}/", url) for url in urls if url.startswith("hf://")), name
        shares = ("1drv.ms", "onedrive", "drive.google", "pan.baidu", "/tree/")
        assert not any(share in url for url in urls for share in shares), name


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
        digest = {**found[name]["digest"], **LATER.get(name, {})}
        assert (fields["sha256"], fields["sha256_prefix"]) == (digest["sha256"], digest.get("sha256_prefix")), name
        assert fields["git_blob_sha1"] == digest["git_blob_sha1"], name
        assert fields["bytes"] == found[name].get("bytes"), name
        if fields["prefix_trust"]:
            assert fields["prefix_trust"] == digest["prefix_trust"], name
        usable = [row["url"] for row in found[name]["urls"] if row["same_bytes"] in ("yes", "expected", "unknown")]
        urls = [source["url"] for source in fields["sources"] if source["url"] not in COPIES]
        assert [url for url in usable if url in urls] == urls, name
    sources = {source["url"]: source for fields in outside.values() for source in fields["sources"]}
    for url, (kind, digest) in COPIES.items():
        assert (sources[url]["kind"], sources[url].get("git_blob_sha1") or sources[url].get("sha256")) == (kind, digest)


def test_the_kinds_of_sources(document):
    """The authors' own hosts are original; the maintainer's mirror comes last, for what lies beside its files."""
    for name, fields in document["files"].items():
        for source in fields["sources"]:
            host = source["url"].removeprefix("hf://").removeprefix("https://").partition("/")[0]
            assert ORIGINAL.get(host, source["kind"]) == source["kind"], name
        hub = [source for source in fields["sources"] if source["url"].startswith("hf://Tau-J/RTMPose@")]
        assert hub == (fields["sources"][-1:] if name.startswith("rtmpose-") else []), name
        assert all(source["url"].endswith(f"/rtmposev1/{name}") for source in hub)


def test_an_archive_needs_its_own_digest():
    bad = good()
    bad["files"]["a.pth"].update(sources=from_("https://example.com/a.tar", member="a/a.pth"))
    with pytest.raises(CheckpointError, match=r"a\.tar is an archive: it needs its own sha256"):
        check_manifest(bad, "it")
    bad["files"]["a.pth"]["sources"][0]["sha256"] = "0" * 64
    check_manifest(bad, "it")


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
    "http": (lambda d: d["files"]["a.pth"].update(sources=from_("http://example.com/a")), "plain http"),
    "file": (lambda d: d["files"]["a.pth"].update(sources=from_("file:///etc/passwd")), "file:///etc/passwd"),
    "ftp": (lambda d: d["files"]["a.pth"].update(sources=from_("ftp://example.com/a")), "neither https"),
    "password": (lambda d: d["files"]["a.pth"].update(sources=from_("https://me:secret@example.com/a")), "password"),
    "loopback in name only": (
        lambda d: d["files"]["a.pth"].update(sources=from_("http://localhost.example.com/")),
        "http",
    ),
    "path": (lambda d: d["files"]["a.pth"].update(sources=from_("/srv/a.pth")), "/srv/a.pth"),
    "space": (lambda d: d["files"]["a.pth"].update(sources=from_("https://example.com/a b")), "a b"),
    "hub without a path": (
        lambda d: d["files"]["a.pth"].update(sources=from_("hf://owner/name")),
        "hf://owner/repository",
    ),
    "hub with dots": (
        lambda d: d["files"]["a.pth"].update(sources=from_("hf://owner/name/../x")),
        "hf://owner/repository",
    ),
    "urls as a text": (lambda d: d["files"]["a.pth"].update(sources="https://example.com"), "sources must be"),
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
    "unknown field": (lambda d: d["files"]["a.pth"].update(md5="x"), "'md5' is unknown"),
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
    "url", ["http://localhost:8000/a", "http://127.0.0.1/a", "http://[::1]:80/a", "hf://owner/name@main/folder/a.pth"]
)
def test_addresses_that_are_fine(url):
    fine = good()
    fine["files"]["a.pth"].update(sources=from_(url))
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
    assert [source.url for source in get_record(name).sources] == ["https://example.com/a"]
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
    bad["files"]["a.pth"]["sources"] = from_("http://example.com")
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
