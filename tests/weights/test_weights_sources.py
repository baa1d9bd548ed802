"""Kinds of sources: copies of third parties, files in a tar, digests that belong to a source and not to the file."""

import hashlib
import io
import tarfile

import pytest
from fault_server import FaultServer, whole
from weight_records import BODY, NAME, OTHER, record_of, sha256

from facelandmarks.errors import ChecksumError, DownloadError
from facelandmarks.weights.cache import Access, Place, read_pin
from facelandmarks.weights.download import Limits
from facelandmarks.weights.fetch import MOST_MEMBERS, add_file, extract, obtain, usable
from facelandmarks.weights.manifest import FileSource, get_record
from facelandmarks.weights.trust import is_independent

GIT = hashlib.sha1(b"blob 300000\0" + BODY, usedforsecurity=False).hexdigest()
UNKNOWN = {"bytes": None, "sha256": None}
MEDIUM = {**UNKNOWN, "sha256_prefix": sha256(BODY)[:8], "prefix_trust": "medium"}
LIMITS = Limits(tries=1)
MEMBER = "fer/weights.pth"


@pytest.fixture
def server():
    with FaultServer() as running:
        running.routes["/good"] = [whole(BODY)]
        running.routes["/bad"] = [whole(OTHER)]
        yield running


def third(url, **facts):
    return FileSource(url, "third-party", **facts)


def test_a_third_party_copy_needs_a_word(server, tmp_path):
    """Where nothing of the authors tells which file is meant; then its own digest counts."""
    record = record_of(third(f"{server.url}/good", git_blob_sha1=GIT), **UNKNOWN)
    with pytest.raises(DownloadError, match=r"only third-party copies .*allow_third_party=True \(--third-party\)"):
        obtain(record, Access(tmp_path, offline=False), limits=LIMITS)
    with pytest.raises(DownloadError, match="only third-party copies"):  # another word than this
        obtain(record, Access(tmp_path, offline=False, allow_unverified=True), limits=LIMITS)
    assert not server.requests
    access = Access(tmp_path, offline=False, allow_third_party=True)
    assert obtain(record, access, limits=LIMITS).read_bytes() == BODY
    assert read_pin(Place(tmp_path, NAME)).basis == "first use, digest of its source"
    assert obtain(record, Access(tmp_path, offline=True)).read_bytes() == BODY  # pinned: no more words


def test_a_third_party_copy_with_a_digest_of_the_authors(server, tmp_path):
    for number, known in enumerate(({}, {**UNKNOWN, "git_blob_sha1": GIT}, MEDIUM)):
        record = record_of(third(f"{server.url}/good"), **known)
        assert obtain(record, Access(tmp_path / str(number), offline=False), limits=LIMITS).read_bytes() == BODY
    stale = {**MEDIUM, "prefix_trust": "stale_likely"}
    with pytest.raises(DownloadError, match="only third-party copies"):
        obtain(record_of(third(f"{server.url}/good"), **stale), Access(tmp_path / "s", offline=False), limits=LIMITS)


@pytest.mark.parametrize("facts", [{"git_blob_sha1": GIT}, {"sha256": sha256(BODY)}])
def test_a_wrong_copy_leads_to_the_next_source(server, tmp_path, facts):
    record = record_of(third(f"{server.url}/bad", **facts), f"{server.url}/good", **MEDIUM)
    for number, words in enumerate(({}, {"allow_third_party": True, "allow_unverified": True})):
        access = Access(tmp_path / str(number), offline=False, **words)
        assert obtain(record, access, limits=LIMITS).read_bytes() == BODY
    alone = record_of(third(f"{server.url}/bad", **facts), **MEDIUM)
    with pytest.raises(ChecksumError, match="as from this source"):
        obtain(alone, Access(tmp_path / "alone", offline=False, allow_unverified=True), limits=LIMITS)
    assert not (tmp_path / "alone" / NAME).exists()


def test_a_third_party_copy_must_have_the_digits_of_the_name(server, tmp_path):
    """Both witnesses, whatever may be taken from others: `medium` digits are waived for the authors' host only."""
    wrong = {**MEDIUM, "sha256_prefix": "00000000"}
    everything = {"offline": False, "allow_unverified": True, "allow_third_party": True}
    with pytest.raises(ChecksumError, match=r"third-party copy is .* and does not begin with 00000000"):
        obtain(record_of(third(f"{server.url}/good", git_blob_sha1=GIT), **wrong), Access(tmp_path, **everything))
    with pytest.warns(UserWarning, match="does not begin with 00000000"):
        obtain(record_of(f"{server.url}/good", **wrong), Access(tmp_path, **everything), limits=LIMITS)


def test_what_was_left_out_is_said(server, tmp_path):
    record = record_of(f"{server.url}/gone", third(f"{server.url}/good", git_blob_sha1=GIT), **UNKNOWN)
    with pytest.raises(DownloadError, match="1 third-party copies were not tried"):
        obtain(record, Access(tmp_path, offline=False, allow_unverified=True), limits=LIMITS)


def test_a_digest_of_a_source_is_not_held_against_a_file_by_hand(tmp_path):
    """HR18-300W: the digest pins one copy; the authors published none."""
    (tmp_path / "mine").write_bytes(OTHER)
    record = record_of(third("https://nowhere.invalid/x", git_blob_sha1=GIT), **UNKNOWN)
    with pytest.warns(UserWarning, match=sha256(OTHER)):
        path = add_file(record, tmp_path / "mine", tmp_path / "cache", lambda _: None)
    assert path.read_bytes() == OTHER
    assert obtain(record, Access(tmp_path / "cache", offline=True)).read_bytes() == OTHER


def test_who_may_be_asked_for_the_files_of_the_manifest(tmp_path):
    """RTMPose-m has digits of its authors; HR18-300W, -AFLW and -WFLW have copies of others only."""
    usual, words = Access(tmp_path), Access(tmp_path, allow_third_party=True)
    rtmpose = get_record("rtmpose-m_simcc-face6_pt-in1k_120e-256x256-72a37400_20230529.pth")
    assert [source.kind for source in usable(rtmpose, usual, "")] == ["original", "third-party", "mirror"]
    assert is_independent(rtmpose)
    for name, digest in (("300W", "git_blob_sha1"), ("AFLW", "sha256"), ("WFLW", "sha256")):
        record = get_record(f"HR18-{name}.pth")
        assert not is_independent(record)
        with pytest.raises(DownloadError, match="only third-party copies"):
            usable(record, usual, "")
        (source,) = usable(record, words, "")
        assert getattr(source, digest)
        assert (source.member is not None) == (digest == "sha256")
    with pytest.raises(ChecksumError, match="no digest of HR18-COFW"):
        usable(get_record("HR18-COFW.pth"), words, "")


def tar_of(*members):
    """An uncompressed tar of names with contents, or of `TarInfo`s without."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_a_file_in_a_tar_in_one_go_and_offline_again(server, tmp_path):
    archive = tar_of(special("fer", tarfile.DIRTYPE), ("fer/other.pth", OTHER), (MEMBER, BODY))
    server.routes["/x.tar?dl=1"] = [whole(archive)]
    record = record_of(third(f"{server.url}/x.tar?dl=1", member=MEMBER, sha256=sha256(archive)), **UNKNOWN)
    access = Access(tmp_path, offline=False, allow_third_party=True)
    assert obtain(record, access, limits=LIMITS).read_bytes() == BODY
    here = {path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")}
    assert here == {NAME, f"{NAME}.pin.json"}  # nothing of the tar is left
    assert obtain(record, Access(tmp_path, offline=True)).read_bytes() == BODY


def test_another_tar_is_not_opened(server, tmp_path):
    archive = tar_of((MEMBER, BODY))
    server.routes["/x.tar"] = [whole(archive)]
    source = third(f"{server.url}/x.tar", member=MEMBER, sha256="0" * 64)
    with pytest.raises(ChecksumError, match=f"archive is {sha256(archive)}, not 0000"):
        obtain(record_of(source, **UNKNOWN), Access(tmp_path, offline=False, allow_third_party=True), limits=LIMITS)
    record = record_of(source, f"{server.url}/good")  # the next source is taken
    assert obtain(record, Access(tmp_path, offline=False), limits=LIMITS).read_bytes() == BODY


HOSTILE = {
    "path up": (tar_of((MEMBER, BODY), ("../evil", b"x")), "not a plain path"),
    "path up inside": (tar_of((MEMBER, BODY), ("fer/../../evil", b"x")), "not a plain path"),
    "absolute": (tar_of((MEMBER, BODY), ("/etc/evil", b"x")), "not a plain path"),
    "backslash": (tar_of((MEMBER, BODY), ("fer\\..\\evil", b"x")), "not a plain path"),
    "drive": (tar_of((MEMBER, BODY), ("C:evil", b"x")), "not a plain path"),
    "symbolic link": (tar_of((MEMBER, BODY), special("fer/link", tarfile.SYMTYPE, "/etc/passwd")), "a link or"),
    "hard link": (tar_of(("fer/a", BODY), special(MEMBER, tarfile.LNKTYPE, "fer/a")), "a link or"),
    "member is a link": (tar_of(special(MEMBER, tarfile.SYMTYPE, "/etc/passwd")), "a link or"),
    "device": (tar_of((MEMBER, BODY), special("fer/null", tarfile.CHRTYPE)), "a link or a device"),
    "pipe": (tar_of((MEMBER, BODY), special("fer/pipe", tarfile.FIFOTYPE)), "a link or a device"),
    "missing": (tar_of(("fer/other.pth", BODY)), "no single file"),
    "twice": (tar_of((MEMBER, BODY), (MEMBER, OTHER)), "no single file"),
    "folder": (tar_of(special(MEMBER, tarfile.DIRTYPE)), "no single file"),
    "too large": (tar_of((MEMBER, BODY + b"x")), "of at most 300000 bytes: 300001 bytes"),
    "cut off": (tar_of((MEMBER, BODY))[:200_000], "damaged"),
    "no tar": (BODY, "damaged"),
    "empty": (b"", "damaged|no single file"),
    "compressed": (__import__("gzip").compress(tar_of((MEMBER, BODY))), "damaged"),
    "claims a size": (
        tar_of((MEMBER, BODY)).replace(b"%011o" % len(BODY), b"7" * 11, 1),
        "damaged|more than|no single",
    ),
    "many": (tar_of(*[special(f"d{n}", tarfile.DIRTYPE) for n in range(MOST_MEMBERS + 1)]), "more than 10000 members"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_tars_are_refused(tmp_path, what):
    content, says = HOSTILE[what]
    archive, place = Place(tmp_path, "x.tar"), Place(tmp_path, NAME)
    archive.partial.write_bytes(content)
    with pytest.raises(ChecksumError, match=says):
        extract(archive, MEMBER, place, len(BODY))
    assert {path.name for path in tmp_path.iterdir()} <= {"x.tar.part", f"{NAME}.part"}
    assert not place.file.exists()
