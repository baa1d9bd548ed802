"""The decision table, and what is pinned."""

import dataclasses
import hashlib
import json
import os

import pytest
from weight_records import BODY, NAME, OTHER, record_of, sha256

from facelandmarks.errors import CheckpointError, ChecksumError
from facelandmarks.weights.cache import Access, Pin, Place, is_offline, read_pin, write_pin
from facelandmarks.weights.fetch import cached
from facelandmarks.weights.trust import Found, digest_kind, examine, judge

RIGHT, WRONG = sha256(BODY), sha256(OTHER)
GIT = hashlib.sha1(b"blob 300000\0" + BODY, usedforsecurity=False).hexdigest()
UNKNOWN = {"bytes": None, "sha256": None}
PREFIX = {**UNKNOWN, "sha256_prefix": RIGHT[:8]}
FOUND, FOUND_OTHER = Found(len(BODY), RIGHT, GIT), Found(len(OTHER), WRONG, "0" * 40)
PIN, OTHER_PIN = Pin(RIGHT, len(BODY), 0, "first use"), Pin(WRONG, len(OTHER), 0, "first use")

# changes of the record, what is found, pin, allow_unverified -> action, and what the reason or warning says
TABLE = [
    ({}, FOUND, None, False, "accept", "sha256"),
    ({}, FOUND_OTHER, None, True, "refuse", f"{WRONG}, not {RIGHT}"),
    ({}, FOUND, OTHER_PIN, False, "accept", "sha256"),  # what is published counts more than what was here before
    ({}, FOUND_OTHER, OTHER_PIN, True, "refuse", RIGHT),
    ({"bytes": 5}, FOUND, None, True, "refuse", f"300000 bytes, not 5; its SHA-256 is {RIGHT}"),
    ({**PREFIX, "prefix_trust": "high"}, FOUND, None, False, "accept", "sha256_prefix"),
    ({**PREFIX, "prefix_trust": "high"}, FOUND_OTHER, None, True, "refuse", f"{WRONG} and does not begin with"),
    ({**PREFIX, "prefix_trust": "high"}, FOUND, OTHER_PIN, True, "refuse", f"{RIGHT}, but {WRONG} was pinned"),
    ({**PREFIX, "prefix_trust": "medium"}, FOUND, None, False, "accept", "sha256_prefix"),
    ({**PREFIX, "prefix_trust": "medium"}, FOUND_OTHER, None, False, "refuse", "--allow-unverified"),
    ({**PREFIX, "prefix_trust": "medium"}, FOUND_OTHER, None, True, "accept", f"pinned as {WRONG}"),
    ({**PREFIX, "prefix_trust": "medium"}, FOUND_OTHER, OTHER_PIN, False, "accept", f"pinned as {WRONG}"),
    ({**PREFIX, "prefix_trust": "stale_likely"}, FOUND, None, False, "accept", "sha256_prefix"),
    ({**PREFIX, "prefix_trust": "stale_likely"}, FOUND_OTHER, None, False, "accept", f"pinned as {WRONG}"),
    ({**PREFIX, "prefix_trust": "stale_likely"}, FOUND_OTHER, PIN, True, "refuse", f"{WRONG}, but {RIGHT} was pinned"),
    ({**UNKNOWN, "git_blob_sha1": GIT}, FOUND, None, False, "accept", "git_blob_sha1"),
    ({**UNKNOWN, "git_blob_sha1": GIT}, FOUND_OTHER, None, True, "refuse", f"{'0' * 40}, not {GIT}"),
    (UNKNOWN, FOUND, None, False, "refuse", "--allow-unverified"),
    (UNKNOWN, FOUND, None, True, "accept", f"pinned as {RIGHT}"),
    (UNKNOWN, FOUND, PIN, False, "accept", "pin"),
    (UNKNOWN, FOUND_OTHER, PIN, True, "refuse", f"{WRONG}, but {RIGHT} was pinned"),
]


@pytest.mark.parametrize(("changes", "found", "pin", "allow", "action", "says"), TABLE)
def test_the_decision_table(changes, found, pin, allow, action, says):
    verdict = judge(record_of(**changes), found, pin, allow_unverified=allow)
    assert verdict.action == action
    assert says in f"{verdict.reason} {verdict.warning}"


def test_only_surprises_are_warned_of():
    rows = [
        (judge(record_of(**c), f, p, allow_unverified=a), s) for c, f, p, a, action, s in TABLE if action == "accept"
    ]
    assert all((verdict.warning is not None) == says.startswith("pinned as") for verdict, says in rows)


def test_digest_kinds():
    assert digest_kind(record_of()) == "SHA-256"
    assert digest_kind(record_of(**UNKNOWN, git_blob_sha1=GIT)) == "Git's SHA-1"
    assert digest_kind(record_of(**PREFIX, prefix_trust="high")) == "first digits (high trust)"
    assert digest_kind(record_of(**UNKNOWN)) == "none"


def test_examining_gives_gits_digest_too(tmp_path):
    (tmp_path / NAME).write_bytes(BODY)
    assert examine(tmp_path / NAME) == FOUND


@pytest.fixture
def place(tmp_path):
    (tmp_path / NAME).write_bytes(BODY)
    return Place(tmp_path, NAME)


def test_a_file_is_read_once(place, monkeypatch):
    record = record_of(**UNKNOWN)
    with pytest.raises(ChecksumError, match="allow-unverified"):
        cached(record, place)
    with pytest.warns(UserWarning, match=RIGHT):
        cached(record, place, allow_unverified=True)
    assert read_pin(place).sha256 == RIGHT
    monkeypatch.setattr("facelandmarks.weights.trust.examine", lambda _: pytest.fail("read again"))
    assert cached(record, place) == place.file


def test_a_file_that_changed_is_read_again_and_refused(place):
    write_pin(place, Pin(RIGHT, len(BODY), place.file.stat().st_mtime_ns, "first use"))
    record = record_of(**UNKNOWN)
    os.utime(place.file, ns=(1, 1))  # only the time: a copied cache
    assert cached(record, place) == place.file
    assert read_pin(place).mtime_ns == 1
    place.file.write_bytes(OTHER)
    with pytest.raises(ChecksumError, match=f"{WRONG}, but {RIGHT} was pinned.*clean {NAME}"):
        cached(record, place, allow_unverified=True)
    assert read_pin(place).sha256 == RIGHT


def test_a_manifest_that_changed_is_heard_though_the_file_did_not(place):
    write_pin(place, Pin(RIGHT, len(BODY), place.file.stat().st_mtime_ns, "first use"))
    with pytest.raises(ChecksumError, match=WRONG):
        cached(record_of(body=OTHER), place)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"sha256": 1}', b"\x00", b'{"sha256": "\xff'])
def test_a_damaged_pin_is_not_ignored(place, content):
    place.pin.write_bytes(content)
    with pytest.raises(ChecksumError, match="damaged"):
        cached(record_of(), place)


def test_pins_are_small_json(place):
    write_pin(place, PIN)
    assert json.loads(place.pin.read_text()) == {
        "schema": "facelandmarks-pin/1",
        "name": NAME,
        **dataclasses.asdict(PIN),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x.pth", "/etc/passwd", "a/b", "a\\b", "C:x", ".hidden", "x\n", "x\0y", "é.pth", "a" * 201),
        *("x.part", "x.lock", "x.pin.json", "-x", "~x"),
    ],
)
def test_names_that_are_no_plain_file_names(name):
    with pytest.raises(CheckpointError, match="plain file name"):
        Place(Access(".").folder, name)


def test_the_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FACELANDMARKS_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Access(tmp_path).folder == tmp_path
    assert Access().folder == tmp_path / "own"
    monkeypatch.delenv("FACELANDMARKS_CACHE")
    assert Access().folder == tmp_path / "xdg" / "facelandmarks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Access().folder.name == "facelandmarks"
    assert not Access("~/x").folder.as_posix().startswith("~")


@pytest.mark.parametrize("name", ["FACELANDMARKS_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(monkeypatch, name):
    assert not is_offline()
    for value, expected in (("1", True), ("TRUE", True), ("yes", True), ("0", False), ("", False)):
        monkeypatch.setenv(name, value)
        assert is_offline() is expected
        assert is_offline(False) is False
        assert is_offline(True) is True
