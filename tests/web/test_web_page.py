"""The demo page and its command: what they refuse, and what they say; in a browser it is `test_web_browser`."""

import asyncio
import sys
from pathlib import Path

import pytest

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
    assert "server of somebody else" in capsys.readouterr().err


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
