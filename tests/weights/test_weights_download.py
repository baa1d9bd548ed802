"""Downloads against a server that misbehaves: verified files, or clear errors and no wrong file in the cache."""

import dataclasses
import hashlib
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from fault_server import (
    FaultServer,
    endless,
    gzipped,
    hang_up,
    redirect,
    status,
    web_page,
    whole,
    wrong_range,
)
from paths import DATA
from weight_records import BODY, NAME, OTHER, record_of

from facelandmarks.errors import ChecksumError, DownloadError
from facelandmarks.weights import download
from facelandmarks.weights.cache import Access, Place
from facelandmarks.weights.download import Limits, Origin, decide, retry_after
from facelandmarks.weights.fetch import obtain

CERTIFICATE = DATA / "self_signed.pem"


@pytest.fixture
def server():
    with FaultServer() as running:
        yield running


@pytest.fixture
def waits():
    return []


@pytest.fixture
def limits(waits):
    return Limits(connect=20.0, read=20.0, sleep=waits.append)


def fetch(server, folder, limits, *script, **changes):
    """Obtain the file from a server that answers by this script."""
    server.routes["/a/" + NAME] = list(script)
    return obtain(record_of(f"{server.url}/a/{NAME}", **changes), Access(folder, offline=False), limits=limits)


def verified(path, folder, body=BODY):
    """The file is right, in its place, and nothing of the download is left over."""
    assert path == folder / NAME
    assert path.read_bytes() == body
    assert sorted(p.name for p in folder.iterdir()) == [NAME, NAME + ".lock", NAME + ".pin.json"]


def refused(folder):
    """No file under the final name, and no partial file that could become one by mistake."""
    assert not (folder / NAME).exists()


# What each script of answers ends in: nothing is the verified file, otherwise the error and what it says.
SCRIPTS = {
    "whole": ([whole(BODY)], None),
    "whole, without length": ([whole(BODY, Content_Length=None)], None),
    "slow drip": ([whole(BODY, pause=0.001, piece=3000)], None),
    "cut at 0 %, then resumed": ([whole(BODY, sent=0), whole(BODY)], None),
    "cut at 1 %, then resumed": ([whole(BODY, sent=3000), whole(BODY)], None),
    "cut at 50 %, then resumed": ([whole(BODY, sent=150_000), whole(BODY)], None),
    "cut at 99 %, then resumed": ([whole(BODY, sent=297_000), whole(BODY)], None),
    "cut again and again": ([whole(BODY, sent=90_000)], None),
    "cut at the same byte for ever": (
        [whole(BODY, sent=90_000, ranges=False)],
        (DownloadError, r"byte 90000.*5 tries"),
    ),
    "closed without a word, then whole": ([hang_up, whole(BODY)], None),
    "closed without a word for ever": ([hang_up], (DownloadError, "broke off")),
    "wrong bytes": ([whole(b"nonsense")], (DownloadError, "offers 8 bytes, not 300000")),
    "wrong bytes, without length": (
        [whole(b"nonsense", Content_Length=None)],
        (ChecksumError, "has 8 bytes, not 300000"),
    ),
    "right size, wrong bytes": ([whole(OTHER)], (ChecksumError, hashlib.sha256(OTHER).hexdigest())),
    "length too small": ([whole(BODY, Content_Length=1000)], (DownloadError, "offers 1000 bytes")),
    "length too large": ([whole(BODY, Content_Length=400_000)], (DownloadError, "offers 400000 bytes")),
    "206 with a wrong range, then whole": ([whole(BODY, sent=3000), wrong_range(BODY), whole(BODY)], None),
    "206 with a wrong range for ever": ([whole(BODY, sent=3000), wrong_range(BODY)], (DownloadError, "another part")),
    "206 though nothing was asked for": ([wrong_range(BODY)], (DownloadError, "another part")),
    "file changed between cut and resume": ([whole(OTHER, sent=150_000, etag='"old"'), whole(BODY)], None),
    "changed, and the server minds no If-Range": (
        [whole(OTHER, sent=150_000, etag='"old"'), lambda h: whole(BODY, etag=h.headers["If-Range"] or '"1"')(h)],
        None,
    ),
    "changed, and no validators": ([whole(OTHER[::-1], sent=150_000, etag=None), whole(BODY, etag=None)], None),
    "server ignores Range": ([whole(BODY, sent=150_000), whole(BODY, ranges=False)], None),
    "301 and 302": ([redirect("/b", 301)], None),
    "307 and 308": ([redirect("/c", 307)], None),
    "redirects in a circle": ([redirect("/loop")], (DownloadError, "circle")),
    "redirects for ever": ([redirect("/far/0")], (DownloadError, "circle or too far")),
    "redirect without a place": ([status(302)], (DownloadError, "answered 302")),
    "redirect to http elsewhere": ([redirect("http://example.com/x")], (DownloadError, "plain http")),
    "redirect to a file": ([redirect("file:///etc/passwd")], (DownloadError, "file:///etc/passwd")),
    "403": ([status(403)], (DownloadError, "answered 403")),
    "404": ([status(404)], (DownloadError, "answered 404")),
    "410": ([status(410)], (DownloadError, "answered 410")),
    "416 after a cut, then whole": ([whole(BODY, sent=3000), status(416), whole(BODY)], None),
    "416 at once": ([status(416)], (DownloadError, "answered 416")),
    "429 with Retry-After, then whole": ([status(429, Retry_After=7), whole(BODY)], None),
    "500, then whole": ([status(500), whole(BODY)], None),
    "503, then whole": ([status(503), status(503), whole(BODY)], None),
    "503 for ever": ([status(503)], (DownloadError, r"answered 503 \(5 tries\)")),
    "gzip": ([gzipped(BODY)], None),
    "gzip bomb": ([gzipped(bytes(50_000_000))], (DownloadError, "more than the 300000 bytes")),
    "web page": ([web_page], (DownloadError, "web page")),
    "endless body": ([endless], (DownloadError, "more than the 300000 bytes")),
}


@pytest.mark.parametrize("fault", SCRIPTS)
def test_faults(server, tmp_path, limits, fault):
    script, error = SCRIPTS[fault]
    server.routes |= {"/b": [redirect("/d")], "/c": [redirect("/d", 308)], "/d": [whole(BODY)]}
    server.routes |= {"/loop": [redirect("/loop2")], "/loop2": [redirect("/loop")]}
    server.routes |= {f"/far/{n}": [redirect(f"/far/{n + 1}")] for n in range(20)}
    if error is None:
        verified(fetch(server, tmp_path, limits, *script), tmp_path)
        return
    with pytest.raises(error[0], match=error[1]) as caught:
        fetch(server, tmp_path, limits, *script)
    assert "facelandmarks-weights add weights.pth FILE" in str(caught.value)
    refused(tmp_path)


@pytest.mark.parametrize("fault", SCRIPTS)
def test_faults_of_a_file_known_by_the_digits_in_its_name_only(server, tmp_path, limits, fault):
    """Without a size there is less to see at once, and the end must be the same."""
    script, error = SCRIPTS[fault]
    if fault in ("length too small", "endless body", "gzip bomb"):
        limits = dataclasses.replace(limits, tries=2)
    server.routes |= {"/b": [redirect("/d")], "/c": [redirect("/d", 308)], "/d": [whole(BODY)]}
    server.routes |= {"/loop": [redirect("/loop2")], "/loop2": [redirect("/loop")]}
    server.routes |= {f"/far/{n}": [redirect(f"/far/{n + 1}")] for n in range(20)}
    changes = {"bytes": None, "sha256": None, "sha256_prefix": hashlib.sha256(BODY).hexdigest()[:8]}
    changes["prefix_trust"] = "high"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "MOST_BYTES", 1_000_000)
        # The server's wrong length is one byte too many: found by asking for the rest.
        if error is None or fault == "length too large":
            verified(fetch(server, tmp_path, limits, *script, **changes), tmp_path)
            return
        with pytest.raises(DownloadError):
            fetch(server, tmp_path, limits, *script, **changes)
    refused(tmp_path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_resumed_transfer_asks_for_the_rest_only(server, tmp_path, limits, share):
    sent = int(len(BODY) * share)
    fetch(server, tmp_path, limits, whole(BODY, sent=sent), whole(BODY))
    first, second = (headers for _, headers in server.requests)
    assert "Range" not in first
    assert second["Range"] == f"bytes={sent}-"
    assert second["If-Range"] == '"1"'


def test_the_next_call_resumes_what_the_last_one_left(server, tmp_path, limits):
    once = dataclasses.replace(limits, tries=1)
    with pytest.raises(DownloadError, match="byte 150000 of 300000"):
        fetch(server, tmp_path, once, whole(BODY, sent=150_000))
    refused(tmp_path)
    assert (tmp_path / f"{NAME}.part").stat().st_size == 150_000
    server.requests.clear()
    verified(fetch(server, tmp_path, once, whole(BODY)), tmp_path)
    assert server.requests[0][1]["Range"] == "bytes=150000-"


def test_a_whole_partial_file_is_not_asked_for_again(server, tmp_path, limits):
    Place(tmp_path, NAME).partial.write_bytes(BODY)
    verified(fetch(server, tmp_path, limits, status(500)), tmp_path)
    assert not server.requests


def test_a_partial_file_of_unknown_origin_is_fetched_anew(server, tmp_path, limits):
    for left in (b"rubbish", OTHER, BODY + b"more"):
        Place(tmp_path, NAME).partial.write_bytes(left)
        verified(fetch(server, tmp_path, limits, whole(BODY)), tmp_path)
        (tmp_path / NAME).unlink()


def test_waiting_grows_and_obeys_the_server(server, tmp_path, limits, waits):
    fetch(server, tmp_path, limits, status(500), status(500), status(429, Retry_After=7), whole(BODY))
    assert 0.5 <= waits[0] <= 1
    assert 1 <= waits[1] <= 2
    assert waits[2] == 7


def test_a_server_that_asks_for_hours_is_given_up(server, tmp_path, limits, waits):
    with pytest.raises(DownloadError, match="answered 429"):
        fetch(server, tmp_path, limits, status(429, Retry_After=3600))
    assert len(server.requests) == 1
    assert not waits


def test_retry_after():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert retry_after("12") == 12
    assert 85 < retry_after(soon) <= 90
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_too_slow_counts_as_broken_off(server, tmp_path, limits):
    times = iter(range(0, 10**6, 100))  # each look at the clock is 100 seconds later
    slow = dataclasses.replace(limits, clock=lambda: next(times), least_speed=10_000)
    with pytest.raises(DownloadError, match="less than 10000 bytes a second came"):
        fetch(server, tmp_path, slow, whole(BODY, pause=0.001, piece=1000, ranges=False))
    refused(tmp_path)


def test_silence_ends_after_the_time_out(server, tmp_path, limits):
    quick = dataclasses.replace(limits, read=0.5, tries=2)
    # On a busy machine even the headers may come too late.
    with pytest.raises(DownloadError, match=r"(nothing came for 0.5 seconds|Read timed out).*2 tries"):
        fetch(server, tmp_path, quick, whole(BODY, pause=2))
    refused(tmp_path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"http://127.0.0.1:{free_port()}/x", "refused"),
        ("https://nowhere.invalid/x", "cannot resolve host nowhere.invalid"),
    ],
    ids=["refused", "no host"],
)
def test_hosts_that_are_not_there(tmp_path, limits, url, says):
    with pytest.raises(DownloadError, match=says):
        obtain(record_of(url), Access(tmp_path, offline=False), limits=limits)
    refused(tmp_path)


@pytest.fixture
def secure(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer(CERTIFICATE) as running:
        yield running


def test_a_certificate_that_nobody_vouches_for(secure, server, tmp_path, limits):
    with pytest.raises(DownloadError, match="no valid certificate"):
        fetch(secure, tmp_path, limits, whole(BODY))
    assert not secure.requests
    refused(tmp_path)
    # A server that speaks no TLS at all.
    url = server.url.replace("http:", "https:")
    with pytest.raises(DownloadError, match="speaks no TLS"):
        obtain(record_of(f"{url}/{NAME}"), Access(tmp_path, offline=False), limits=limits)


def test_a_certificate_that_the_user_vouches_for(secure, tmp_path, limits, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    verified(fetch(secure, tmp_path, limits, whole(BODY)), tmp_path)


def test_https_never_leads_to_http(secure, server, tmp_path, limits, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    server.routes["/plain"] = [whole(BODY)]
    with pytest.raises(DownloadError, match="leads to plain http"):
        fetch(secure, tmp_path, limits, redirect(f"{server.url}/plain"))
    assert not server.requests
    refused(tmp_path)


@pytest.mark.parametrize(
    "first",
    [status(404), status(410), status(403), status(503), web_page, hang_up, whole(OTHER), whole(b"short")],
)
def test_the_next_source_is_asked(server, tmp_path, limits, first):
    server.routes = {"/1": [first], "/2": [whole(BODY)]}
    record = record_of(f"{server.url}/1", "https://nowhere.invalid/x", f"{server.url}/2")
    verified(obtain(record, Access(tmp_path, offline=False), limits=limits), tmp_path)


def test_the_own_mirror_is_asked_first(server, tmp_path, limits, monkeypatch):
    monkeypatch.setenv("FACELANDMARKS_MIRROR", f"{server.url}/mirror/")
    server.routes = {"/mirror/" + NAME: [whole(BODY)], "/1": [whole(BODY)]}
    obtain(record_of(f"{server.url}/1"), Access(tmp_path, offline=False), limits=limits)
    assert [path for path, _ in server.requests] == ["/mirror/" + NAME]


def test_a_mirror_is_trusted_no_more_than_others(server, tmp_path, limits, monkeypatch):
    monkeypatch.setenv("FACELANDMARKS_MIRROR", server.url)
    server.routes = {"/" + NAME: [whole(OTHER)]}
    with pytest.raises(ChecksumError, match="sent another file"):
        obtain(record_of(), Access(tmp_path, offline=False), limits=limits)
    refused(tmp_path)


@pytest.mark.parametrize(
    "mirror", ["http://example.com", "ftp://example.com", "https://me:pass@example.com", "nonsense"]
)
def test_mirrors_that_cannot_be_trusted(tmp_path, monkeypatch, mirror):
    monkeypatch.setenv("FACELANDMARKS_MIRROR", mirror)
    with pytest.raises(DownloadError, match="FACELANDMARKS_MIRROR") as caught:
        obtain(record_of(), Access(tmp_path, offline=False))
    assert "pass" not in str(caught.value).replace("password", "")


def test_a_changed_file_put_together_from_two_transfers_is_fetched_once_more(server, tmp_path, limits):
    """A server without validators lets two files be mixed; the digest tells, and the second time starts at 0."""
    plain = {"etag": None}
    fetch(server, tmp_path, limits, whole(OTHER[::-1], sent=1000, **plain), whole(BODY, **plain))
    assert ["Range" in headers for _, headers in server.requests] == [False, True, False]


def test_a_full_disk_is_named(server, tmp_path, limits, monkeypatch):
    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, _):
            raise OSError(28, "No space left on device")

    path_open = Path.open

    def opened(self, mode="r", *args, **options):
        file = path_open(self, mode, *args, **options)
        return Full(file) if mode == "ab" else file

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(DownloadError, match=r"No space left on device.*FACELANDMARKS_CACHE"):
        fetch(server, tmp_path, limits, whole(BODY))
    refused(tmp_path)


def test_the_bar_is_shown_on_request_only(server, tmp_path, limits, capfd):
    fetch(server, tmp_path, limits, whole(BODY))
    assert capfd.readouterr().err == ""  # no terminal here
    (tmp_path / NAME).unlink()
    obtain(record_of(f"{server.url}/a/{NAME}"), Access(tmp_path, offline=False, progress=True), limits=limits)
    out, err = capfd.readouterr()
    assert NAME in err
    assert out == ""


def test_weak_validators_are_not_sent(server, tmp_path, limits):
    weak = {"etag": 'W/"1"', "Last_Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
    fetch(server, tmp_path, limits, whole(BODY, sent=1000, **weak), whole(BODY, ranges=False))
    assert server.requests[1][1]["If-Range"] == weak["Last_Modified"]


def test_a_compressed_part_is_not_appended():
    headers = {"Content-Range": "bytes 10-19/20", "Content-Encoding": "gzip"}
    origin = Origin("u", None, None, 20)
    assert decide(206, headers, offset=10, origin=origin, size=20, most=20).action == "restart"


def test_proxies_are_used(server, tmp_path, limits, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", server.url)
    address = "http://127.0.0.1:1/behind"
    server.routes[address] = [whole(BODY)]
    verified(obtain(record_of(address), Access(tmp_path, offline=False), limits=limits), tmp_path)


def test_names_that_the_hub_cannot_have(tmp_path, limits):
    with pytest.raises(DownloadError, match="owner--name"):
        obtain(record_of("hf://owner--name/.x/file"), Access(tmp_path, offline=False), limits=limits)
