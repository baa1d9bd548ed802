"""The cache under stress: many processes, sudden death, no rights, no network."""

import os
import pwd
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fault_server import FaultServer, hub_file, whole
from paths import HELPERS, ROOT
from weight_records import BODY, NAME, OTHER, record_of, sha256, write_manifest

from facelandmarks._files import NotWritableError, exclusive
from facelandmarks.cli.weights import main
from facelandmarks.detection import load_detector
from facelandmarks.errors import ChecksumError, DownloadError, OfflineError
from facelandmarks.weights.cache import NOWHERE, Access, Place
from facelandmarks.weights.fetch import obtain

UNKNOWN = {"bytes": None, "sha256": None}
FETCH = """
import sys
from weight_records import record_of
from facelandmarks.weights.cache import Access
from facelandmarks.weights.fetch import obtain
print(obtain(record_of(sys.argv[1]), Access(sys.argv[2], offline=False)).stat().st_size)
"""


@pytest.fixture
def server():
    with FaultServer() as running:
        running.routes["/x"] = [whole(BODY, pause=0.02)]
        yield running


@pytest.fixture
def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(HELPERS), str(ROOT)])}


def test_eight_processes_at_once_make_one_transfer(server, tmp_path, environment):
    command = [sys.executable, "-c", FETCH, f"{server.url}/x", str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    assert [process.communicate()[0].strip() for process in processes] == [str(len(BODY))] * 8
    assert len(server.requests) == 1


def test_sudden_death_leaves_nothing_wrong(server, tmp_path, environment):
    """SIGKILL at random moments of 50 transfers."""
    server.routes["/x"] = [whole(BODY, pause=0.01, piece=30_000)]
    command = [sys.executable, str(HELPERS / "fetch_and_die.py"), f"{server.url}/x", str(tmp_path), sha256(BODY), "50"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 10  # else the moments were not random
    assert (tmp_path / NAME).read_bytes() == BODY
    assert any("Range" in headers for _, headers in server.requests)


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may write everywhere: not here."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        os.chmod(folder, 0o555)
        yield Path(folder)
        os.chmod(folder, 0o755)


def test_a_read_only_cache_with_the_file_works(read_only, monkeypatch):
    os.chmod(read_only, 0o755)
    (read_only / NAME).write_bytes(BODY)
    os.chmod(read_only, 0o555)
    monkeypatch.setattr(socket, "socket", None)
    with an_ordinary_user():
        assert obtain(record_of("https://nowhere.invalid/x"), Access(read_only)) == read_only / NAME
    assert [path.name for path in read_only.iterdir()] == [NAME]


def test_a_read_only_cache_without_the_file_is_named(read_only, server):
    with (
        an_ordinary_user(),
        pytest.raises(DownloadError, match=r"cannot be written to.*Permission denied.*FACELANDMARKS_CACHE"),
    ):
        obtain(record_of(f"{server.url}/x"), Access(read_only))
    assert not server.requests


def test_a_cache_that_cannot_be_made_is_named(tmp_path, server):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DownloadError, match="cannot be written to"):
        obtain(record_of(f"{server.url}/x"), Access(tmp_path / "file" / "cache"))


@pytest.fixture
def no_sockets(monkeypatch):
    """Fails as soon as anything asks for a socket or a name."""

    def refuse(*_, **__):
        pytest.fail("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.mark.parametrize("variable", ["FACELANDMARKS_OFFLINE", "HF_HUB_OFFLINE", None])
def test_offline_opens_no_socket(tmp_path, monkeypatch, no_sockets, variable):
    if variable:
        monkeypatch.setenv(variable, "1")
    offline = None if variable else True
    for url in ("https://nowhere.invalid/x", "hf://owner/name/file.pth"):
        with pytest.raises(OfflineError, match=f"(?s){NAME} is not in .*facelandmarks-weights add {NAME} FILE"):
            obtain(record_of(url), Access(tmp_path, offline=offline))
    assert not list(tmp_path.iterdir())
    (tmp_path / NAME).write_bytes(BODY)
    assert obtain(record_of("https://nowhere.invalid/x"), Access(tmp_path, offline=offline)).read_bytes() == BODY


def test_a_file_without_digest_is_not_even_asked_for(tmp_path, server):
    server.routes["/x"] = [whole(BODY)]
    record = record_of(f"{server.url}/x", **UNKNOWN)
    with pytest.raises(ChecksumError, match="allow_unverified=True"):
        obtain(record, Access(tmp_path))
    assert not server.requests
    with pytest.warns(UserWarning, match=f"no digest of {NAME} is published.*{sha256(BODY)}"):
        obtain(record, Access(tmp_path, allow_unverified=True))
    assert obtain(record, Access(tmp_path)).read_bytes() == BODY  # pinned now
    # The same address gives another file some day: refused, though the user would take anything.
    (tmp_path / NAME).unlink()
    server.routes["/x"] = [whole(OTHER)]
    with pytest.raises(ChecksumError, match=f"{sha256(OTHER)}, but {sha256(BODY)} was pinned"):
        obtain(record, Access(tmp_path, allow_unverified=True))
    assert not (tmp_path / NAME).exists()


def test_a_file_published_anew_under_its_old_name_is_taken_with_a_warning(tmp_path, server):
    server.routes["/x"] = [whole(BODY)]
    record = record_of(f"{server.url}/x", **UNKNOWN, sha256_prefix="00000000", prefix_trust="stale_likely")
    with pytest.warns(UserWarning, match=sha256(BODY)):
        obtain(record, Access(tmp_path))
    obtain(record, Access(tmp_path))


@pytest.mark.parametrize(
    "settings",
    [
        {},  # and no user of that number
        {"HOME": ""},
        {"HOME": "somewhere"},
        {"HOME": "", "XDG_CACHE_HOME": "relative"},
        {"FACELANDMARKS_CACHE": "~nobody-of-this-name/cache", "HOME": "/home/x"},
        {"FACELANDMARKS_CACHE": "~/cache"},
    ],
)
def test_without_a_home_folder_there_is_no_cache(monkeypatch, settings, no_sockets):
    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "FACELANDMARKS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert Access().folder == NOWHERE
    assert load_detector().name == "compact"
    with pytest.raises(DownloadError, match=r"no home folder to keep it in. Set FACELANDMARKS_CACHE"):
        obtain(record_of("https://nowhere.invalid/x"), Access(offline=False))
    with pytest.raises(OfflineError, match="FACELANDMARKS_CACHE"):
        obtain(record_of("https://nowhere.invalid/x"), Access(offline=True))


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("FACELANDMARKS_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    usual = Access().folder
    assert usual.is_relative_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # counts as not set
    assert Access().folder == usual
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Access().folder == tmp_path / "xdg" / "facelandmarks"
    monkeypatch.setenv("FACELANDMARKS_CACHE", "~/own")
    assert Access().folder == tmp_path / "own"
    assert Access("given").folder == Path("given")


def test_a_cache_of_somebody_else_is_as_good_as_empty(read_only, monkeypatch, capsys):
    os.chmod(read_only, 0o700)
    monkeypatch.setenv("FACELANDMARKS_CACHE", str(read_only / "cache"))
    with an_ordinary_user():
        if os.access(read_only / "..", os.X_OK) and os.geteuid() == read_only.stat().st_uid:
            os.chmod(read_only, 0o000)  # where the tests are no root
        assert load_detector().name == "compact"
        assert main(["list"]) == 0
        with pytest.raises(DownloadError, match="FACELANDMARKS_CACHE"):
            obtain(record_of("https://nowhere.invalid/x"), Access(offline=False))
    assert "compact" in capsys.readouterr().out


def test_a_failure_names_each_address_once(tmp_path, environment):
    """On the terminal, too: nothing is logged besides."""
    urls = [f"https://{name}.invalid/{NAME}" for name in ("one", "two")]
    record = record_of(*urls, pages=({"url": "https://share.example/1"}, {"url": urls[1]}))
    manifest = write_manifest(tmp_path / "manifest.json", record)
    command = [sys.executable, "-m", "facelandmarks.cli.weights", "--cache-dir", str(tmp_path), "fetch", NAME]
    env = {**environment, "FACELANDMARKS_MANIFEST": str(manifest)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert [done.stderr.count(url) for url in (*urls, "https://share.example/1")] == [1, 1, 1]
    assert "cannot resolve host one.invalid" in done.stderr
    assert done.stderr.count("Is this machine online?") == 1
    assert "\nFetch weights.pth by hand from https://share.example/1, then" in done.stderr


def test_files_that_no_program_can_fetch(tmp_path, no_sockets):
    pages = ({"url": "https://share.example/1"}, {"url": "https://share.example/2"})
    with pytest.raises(DownloadError, match=r"by hand from https://share.example/1 or https://share.example/2.*add"):
        obtain(record_of(pages=pages), Access(tmp_path))


def test_the_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), exclusive(Place(tmp_path, NAME).lock):
        1 / 0  # noqa: B018
    with exclusive(Place(tmp_path, NAME).lock):
        pass


def test_a_lock_that_another_holds_or_that_cannot_be_made(tmp_path, read_only):
    with exclusive(tmp_path / "a.lock"), pytest.raises(KeyError), exclusive(tmp_path / "a.lock", busy=KeyError("x")):
        pass
    with exclusive(tmp_path / "b.lock", busy=KeyError("x")):
        assert (tmp_path / "b.lock").exists()
    assert not (tmp_path / "b.lock").exists()
    with an_ordinary_user(), pytest.raises(NotWritableError), exclusive(read_only / "a.lock"):
        pass


def test_a_file_on_the_hub(server, tmp_path, environment):
    """`hf://` by the hub's own library in a process of its own, from an endpoint on this machine, with the token."""
    for revision in ("abc", "c" * 40):
        server.routes[f"/owner/name/resolve/{revision}/folder/weights.pth"] = [hub_file(BODY, "c" * 40)]
    manifest = write_manifest(tmp_path / "manifest.json", record_of("hf://owner/name@abc/folder/weights.pth"))
    settings = {"HF_ENDPOINT": server.url, "HF_TOKEN": "hf_secret", "FACELANDMARKS_MANIFEST": str(manifest)}
    settings["HF_HOME"] = str(tmp_path / "hub")
    command = [sys.executable, "-m", "facelandmarks.cli.weights", "--cache-dir", str(tmp_path), "fetch", NAME]
    result = subprocess.run(command, env={**environment, **settings}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / NAME).read_bytes() == BODY
    assert {headers.get("authorization") for _, headers in server.requests} == {"Bearer hf_secret"}
    assert list((tmp_path / "hub").rglob(NAME))
