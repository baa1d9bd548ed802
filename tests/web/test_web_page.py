"""The demo page and its command: what they refuse, and what they say; in a browser it is `test_web_browser`."""

import asyncio
import runpy
import sys
import tomllib
from pathlib import Path

import pytest
import yaml  # comes with huggingface-hub
from paths import EXAMPLES, ROOT

import facelandmarks as fl
from facelandmarks.cli.demo import build_parser, main
from facelandmarks.web import page


def test_without_gradio_the_extra_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(fl.MissingDependencyError, match=r'pip install "facelandmarks-zoo\[web\]"'):
        page.build_page(folder=tmp_path)
    assert main([]) == 4
    assert "facelandmarks-zoo[web]" in capsys.readouterr().err


def test_telemetry_is_off_before_gradio_is_imported(monkeypatch, tmp_path):
    for name in page.QUIET:
        monkeypatch.setenv(name, "True")
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(fl.MissingDependencyError):
        page.load_gradio(tmp_path)
    assert {name: page.os.environ[name] for name in page.QUIET} == page.QUIET


def test_the_server_listens_on_this_machine_only_unless_told_otherwise():
    assert build_parser().parse_args([]).host == "127.0.0.1"


def test_sharing_is_refused_with_the_reason(capsys):
    assert main(["--share"]) == 2
    assert "somebody else's server" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http"])
def test_a_port_is_a_number_of_a_port(port, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--port", port])
    assert ended.value.code == 2
    assert "1 to 65535" in capsys.readouterr().err


def test_errors_are_text_and_name_the_file_only():
    file = Path("/srv/uploads/3f2a/<b>me.jpg")
    shown = page.refuse(f"{file} is not an image", file)
    assert shown == "<p role='alert' class='refused'>&lt;b&gt;me.jpg is not an image</p>"
    assert page.say("<script>") == "<p role='status'>&lt;script&gt;</p>"


def test_every_answer_tells_browsers_to_load_nothing_from_elsewhere():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    asyncio.run(page.OwnHostOnly(app)({"type": "http"}, None, send))
    assert sent[0]["headers"] == [(b"a", b"b"), (b"content-security-policy", page.POLICY)]
    assert b"default-src 'self'" in page.POLICY
    assert b"http" not in page.POLICY
    assert len(sent) == 2


def test_the_space_serves_the_models_of_the_wheel_without_fetching(monkeypatch):
    calls = []
    monkeypatch.setattr("facelandmarks.web.serve", lambda *models, **options: calls.append((models, options)))
    runpy.run_path(str(EXAMPLES / "space" / "app.py"))
    ((models,), options) = calls[0]
    assert models == ["compact_300w", "tiny_300w"]
    assert options == {"host": "0.0.0.0", "port": 7860, "offline": True}


def test_the_space_has_the_header_that_the_hub_reads():
    readme = (EXAMPLES / "space" / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(readme.split("---\n")[1])
    assert header["sdk"] == "gradio"
    assert (EXAMPLES / "space" / header["app_file"]).is_file()
    assert len(header["short_description"]) <= 60  # the Hub's limit
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (gradio,) = [line for line in project["optional-dependencies"]["web"] if line.startswith("gradio")]
    assert int(header["sdk_version"].split(".")[0]) >= int(gradio.partition(">=")[2].split(".")[0])
    needed = (EXAMPLES / "space" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert f"{project['name']}[web]" in needed
    assert next(line for line in project["dependencies"] if line.startswith("torch")) in needed
