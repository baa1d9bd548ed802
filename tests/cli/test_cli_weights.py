"""facelandmarks-weights: what it prints, what it writes, and its exit codes."""

import hashlib
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from fault_server import FaultServer, status, whole
from weight_records import BODY, NAME, OTHER, record_of, sha256, write_manifest

from facelandmarks.cli.weights import COMMANDS, build_parser, main
from facelandmarks.detection import FILES, YUNET_FILE
from facelandmarks.nn.build import network_shapes
from facelandmarks.weights.cache import read_pin, write_pin
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS

UNKNOWN = {"bytes": None, "sha256": None}
OFFICIAL = "hrnetv2_w18_aflw_official"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACELANDMARKS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server():
    with FaultServer() as running:
        running.routes = {"/" + NAME: [whole(BODY)], "/b.pth": [status(404)]}
        yield running


@pytest.fixture
def own(server, cache, tmp_path, monkeypatch):
    """Two files of our own: one that arrives, one that does not."""
    records = [record_of(f"{server.url}/{NAME}"), record_of(f"{server.url}/b.pth", name="b.pth")]
    path = write_manifest(tmp_path / "own.json", *records)
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(path))
    return path


def test_list(cache, capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(MODELS) + len(FILES)  # a heading, models, detectors
    (line,) = (line for line in lines if line.startswith("hrnetv2_w18_wflw "))
    for word in ("-", "first digits (high trust)", "Apache-2.0", "WFLW: no terms published"):
        assert word in line
    assert "wheel" in next(line for line in lines if line.startswith("compact_300w"))
    assert main(["list", "--dataset", "DeepFashion"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main(["list", "--dataset", "nothing"]) == 2
    assert "DeepFashion" in capsys.readouterr().err


def test_fetch(own, cache, capsys):
    assert main(["fetch", NAME]) == 0
    assert str(cache / NAME) in capsys.readouterr().out
    assert main(["fetch", NAME, "b.pth"]) == 1
    assert "answered 404" in capsys.readouterr().err
    assert main(["fetch", "b.pth"]) == 3
    assert main(["fetch", "b.pth", "--offline"]) == 3
    assert "offline" in capsys.readouterr().err
    assert main(["fetch", "compact_300w"]) == 0
    assert "in the wheel" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["a", "--all"], ["--all", "--dataset", "WFLW"]])
def test_fetch_wants_one_kind_of_choice(cache, arguments):
    assert main(["fetch", *arguments]) == 2


def test_fetch_of_a_data_set(server, cache, tmp_path, monkeypatch, capsys):
    files = [spec.weights for spec in MODELS.values() if "aflw" in spec.name and "official" not in spec.name]
    server.routes |= {f"/{file}": [whole(BODY)] for file in files}
    monkeypatch.setenv("FACELANDMARKS_MIRROR", server.url)
    records = [record_of(name=file, training_data=("AFLW",)) for file in files]
    records.append(record_of(name="HR18-AFLW.pth", training_data=("AFLW",), **UNKNOWN))
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(write_manifest(tmp_path / "own.json", *records)))
    assert main(["fetch", "--dataset", "AFLW"]) == 1  # the official one has no digest
    assert "--allow-unverified" in capsys.readouterr().err
    assert all((cache / file).is_file() for file in files)


@pytest.mark.parametrize("command", ["fetch", "verify", "path", "url", "clean"])
def test_unknown_names_are_wrong_usage(cache, capsys, command):
    assert main([command, "hrnetv2_w18_wfl"]) == 2
    assert "did you mean hrnetv2_w18_wflw" in capsys.readouterr().err
    assert main([command, "../../etc/passwd"]) == 2


def test_verify(own, cache, capsys):
    assert main(["verify", NAME]) == 3
    assert "is not in" in capsys.readouterr().err
    main(["fetch", NAME])
    assert main(["verify"]) == 0
    assert f"good (sha256), SHA-256 {sha256(BODY)}" in capsys.readouterr().out
    pin = cache / f"{NAME}.pin.json"
    (cache / NAME).write_bytes(OTHER)
    assert main(["verify"]) == 3
    assert f"{sha256(OTHER)}, not {sha256(BODY)}" in capsys.readouterr().err
    assert pin.is_file()


def test_verify_reads_what_a_load_would_not(own, cache, capsys):
    """Bytes that rot keep their size and time."""
    from facelandmarks.weights.cache import Place

    main(["fetch", NAME])
    place = Place(cache, NAME)
    pin = read_pin(place)
    place.file.write_bytes(OTHER)
    import dataclasses

    write_pin(place, dataclasses.replace(pin, mtime_ns=place.file.stat().st_mtime_ns))
    assert main(["path", NAME]) == 0
    assert main(["verify", NAME]) == 3


def fabricated(tmp_path, landmarks=19):
    """An official file with random numbers, under upstream's names."""
    tensors = {}
    for key, shape in network_shapes("hrnetv2", {"width": 18, "landmarks": landmarks}).items():
        name = (
            key.replace("backbone.", "", 1).replace("head.conv_layers.", "head.").replace("head.final_layer", "head.3")
        )
        tensors[name] = torch.zeros(shape) if "num_batches" not in key else torch.tensor(0)
    torch.save(tensors, tmp_path / "fetched by hand.pth")
    return tmp_path / "fetched by hand.pth"


def test_add_checks_pins_and_copies(cache, tmp_path, capsys, recwarn):
    file = fabricated(tmp_path)
    assert main(["add", OFFICIAL, str(file)]) == 0
    assert "SHA-256 is pinned" in str(recwarn[0].message)
    assert sha256(file.read_bytes()) in capsys.readouterr().out
    assert (cache / "HR18-AFLW.pth").read_bytes() == file.read_bytes()
    assert file.is_file()
    assert main(["path", OFFICIAL]) == 0
    assert capsys.readouterr().out.strip() == str(cache / "HR18-AFLW.pth")
    # Another file under that name, though nobody published a digest: refused, and the first one stays.
    other = tmp_path / "other.pth"
    other.write_bytes(file.read_bytes() + b"\0")
    assert main(["add", OFFICIAL, str(other)]) == 3
    assert "was pinned" in capsys.readouterr().err
    assert (cache / "HR18-AFLW.pth").read_bytes() == file.read_bytes()


def test_add_refuses_what_does_not_fit(cache, tmp_path, capsys, recwarn):
    wrong = fabricated(tmp_path, landmarks=98)
    assert main(["add", OFFICIAL, str(wrong)]) == 3
    error = capsys.readouterr().err
    assert "do not fit hrnetv2_w18_aflw_official" in error
    assert "looks like" in error
    (tmp_path / "page.html").write_text("<html>")
    assert main(["add", OFFICIAL, str(tmp_path / "page.html")]) == 3
    assert main(["add", OFFICIAL, str(tmp_path / "none.pth")]) == 3
    assert main(["add", "hrnetv2_w18_wflw", str(wrong)]) == 3
    assert "does not begin with 2bf032a6" in capsys.readouterr().err
    assert main(["add", "yunet", str(wrong)]) == 3
    assert [path.name for path in cache.iterdir() if not path.name.endswith(".lock")] == []


def test_url(cache, capsys):
    assert main(["url", "yunet"]) == 0
    out = capsys.readouterr().out
    assert "https://github.com/opencv/opencv_zoo" in out
    assert "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4" in out
    assert f"place     {cache / YUNET_FILE}" in out
    assert main(["url", "hrnetv2_w18_wflw_official"]) == 0
    out = capsys.readouterr().out
    assert "1drv.ms" in out
    assert "sha256    not published" in out
    assert main(["url", "hrnetv2_w18_wflw"]) == 0
    assert "begins with 2bf032a6 (high trust)" in capsys.readouterr().out


def test_files_of_the_wheel_are_where_they_are(cache, capsys):
    assert main(["path", "compact_300w"]) == 0
    place = capsys.readouterr().out.strip()
    assert Path(place).is_file()
    assert main(["verify", "compact_300w"]) == 0
    assert hashlib.sha256(Path(place).read_bytes()).hexdigest() in capsys.readouterr().out
    assert main(["url", "compact_300w"]) == 0
    out = capsys.readouterr().out
    assert f"{place} (in the wheel)" in out
    assert "register" not in out


def test_bundle_and_unbundle(own, cache, tmp_path, capsys):
    assert main(["bundle", str(tmp_path / "out.zip"), NAME, NAME]) == 0
    assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["weights_manifest.json", NAME]
    assert main(["bundle", str(tmp_path / "out.zip"), NAME]) == 2
    assert "out.zip exists" in capsys.readouterr().err
    assert main(["bundle", str(tmp_path / "out.zip"), NAME, "--force"]) == 0
    other = tmp_path / "other"
    assert main(["--cache-dir", str(other), "unbundle", str(tmp_path / "out.zip")]) == 0
    assert (other / NAME).read_bytes() == BODY
    assert main(["bundle", str(tmp_path / "no.zip"), "b.pth"]) == 3
    assert not (tmp_path / "no.zip").exists()
    assert main(["unbundle", str(tmp_path / "own.json")]) == 3
    assert "cannot read the bundle" in capsys.readouterr().err


def test_lock_fills_in_what_was_verified(server, cache, tmp_path, monkeypatch, capsys):
    prefix = {**UNKNOWN, "sha256_prefix": sha256(BODY)[:8], "prefix_trust": "high"}
    records = [record_of(f"{server.url}/{NAME}", **prefix), record_of(name="b.pth", **UNKNOWN)]
    own = write_manifest(tmp_path / "own.json", *records)
    monkeypatch.setenv("FACELANDMARKS_MANIFEST", str(own))
    assert main(["fetch", NAME]) == 0
    assert main(["lock", str(own)]) == 0
    assert "1 record filled in" in capsys.readouterr().out
    files = json.loads(own.read_text())["files"]
    assert (files[NAME]["sha256"], files[NAME]["bytes"]) == (sha256(BODY), len(BODY))
    assert files["b.pth"]["sha256"] is None
    assert load_manifest().files[NAME].sha256 == sha256(BODY)  # still a manifest


def test_clean(own, cache, capsys):
    assert main(["clean"]) == 0  # nothing there yet
    main(["fetch", NAME])
    (cache / "b.pth.part").write_bytes(b"half")
    (cache / "mine.txt").write_text("not ours")
    (cache / "weights.0123456789abcdef.v1.safetensors").write_bytes(b"copy")
    assert main(["clean"]) == 0
    assert sorted(path.name for path in cache.iterdir()) == [
        "mine.txt",
        "weights.0123456789abcdef.v1.safetensors",
        NAME,
        NAME + ".pin.json",
    ]
    assert main(["clean", NAME]) == 0
    assert [path.name for path in cache.iterdir()] == ["mine.txt"]
    assert main(["clean", "--all"]) == 0


def test_every_command_has_help(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit) as caught:
            build_parser().parse_args([command, "--help"])
        assert caught.value.code == 0
    assert "NAME" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


def test_help_and_list_load_no_heavy_package():
    code = (
        "import sys\n"
        "from facelandmarks.cli.weights import main\n"
        "main(['list'])\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    print('heavy:', sorted({'torch', 'cv2', 'numpy', 'requests'} & set(sys.modules)))"
    )
    began = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" in result.stdout, time.monotonic() - began


def test_kinds_of_sources_are_shown(cache, capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "sources" in lines[0]
    row = next(line for line in lines if line.startswith("rtmpose_m_face6 "))
    assert "1 original, 1 mirror, 1 third-party" in row
    assert main(["url", "hrnetv2_w18_wflw_official"]) == 0
    said = capsys.readouterr().out
    assert "fer.tar?dl=1  (third-party; member fer/HR18-WFLW.pth of a tar; 94b1f8c2" in said


def test_a_third_party_copy_is_named_and_needs_the_option(cache, capsys, monkeypatch):
    monkeypatch.setenv("FACELANDMARKS_OFFLINE", "0")
    assert main(["fetch", "hrnetv2_w18_300w_official"]) == 3
    assert "--third-party" in capsys.readouterr().err
