"""The demo page in headless Chromium: a person's way through it, with all sockets watched.

Needs Gradio (extra `web`), Playwright and a Chromium: Playwright's own, or one that is installed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import pytest
import skimage.data

if find_spec("gradio") is None:
    pytest.skip("Gradio is not installed (extra web)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.network]
PATIENCE = 120_000  # milliseconds
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Runs the command; tells which addresses the process asks for, and whether PyTorch was loaded.
SERVER = """
import sys
log = open(sys.argv[1], "w", encoding="utf-8")
def watch(event, arguments):
    if event == "socket.connect":
        print(arguments[1][0], file=log, flush=True)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        print(arguments[0], file=log, flush=True)
sys.addaudithook(watch)
from facelandmarks.cli.demo import main
code = main(sys.argv[2:])
print("torch" in sys.modules, file=log, flush=True)
sys.exit(code)
"""


@pytest.fixture
def demo(tmp_path):
    """The page's address, with the server as a process of its own; afterwards it has asked nobody and left nothing."""
    log, temporary = tmp_path / "addresses.txt", tmp_path / "temporary"
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "FACELANDMARKS_ENGINE"}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(log), "--built-in", "--offline"],
        env={**environment, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield server.stdout.readline().split()[0]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.stdout.close()
        server.wait()
    *addresses, torch = log.read_text(encoding="utf-8").split()
    assert set(addresses) <= {"127.0.0.1", "localhost"}
    assert torch == "False"
    left = {path.name for path in temporary.iterdir()}
    assert not left, left


@pytest.fixture
def browser_page():
    """A page in Chromium; afterwards it has asked no other host, or was forbidden to (Gradio 6.0) by the policy."""
    with playwright.sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        found = str(own) if own.exists() else next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None:
            pytest.skip("there is no Chromium: playwright install chromium")
        # In containers, where tests may run as root, Chromium has no sandbox of its own.
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        asked, forbidden = set(), set()
        page.on("request", lambda request: asked.add(request.url))
        page.on("requestfailed", lambda request: forbidden.add(request.url) if request.failure == "csp" else None)
        yield page
        browser.close()
        assert {urlsplit(url).hostname for url in asked - forbidden if url.startswith("http")} == {"127.0.0.1"}


def saved(page, button):
    """The content of the file that a button downloads."""
    with page.expect_download() as download:
        page.get_by_text(button, exact=True).click()
    return download.value.suggested_filename, Path(download.value.path()).read_text(encoding="utf-8")


def test_a_photo_a_second_model_and_a_wrong_file(demo, browser_page, tmp_path):
    photo, wrong = tmp_path / "photo.jpg", tmp_path / "wrong.jpg"
    cv2.imwrite(str(photo), skimage.data.astronaut()[..., ::-1])
    wrong.write_text("<b>no image</b>")
    page, expect = browser_page, playwright.expect
    page.goto(demo)
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_text("compact_300w: 1 face found by compact").wait_for()
    expect(page.get_by_text("0 of 68").last).to_be_visible()
    name, text = saved(page, "Download JSON")
    assert name == "photo_landmarks.json"
    (record,) = json.loads(text)["images"]
    assert (record["image"], record["model"]) == ("photo.jpg", "compact_300w")
    assert len(record["faces"][0]["points"]) == len(record["faces"][0]["expected_error"]) == 68

    page.get_by_label("Compare with").click()
    page.get_by_role("option", name="tiny_300w").click()
    page.get_by_text("tiny_300w: 1 face found by compact").wait_for()
    assert [each["model"] for each in json.loads(saved(page, "Download JSON")[1])["images"]] == [
        "compact_300w",
        "tiny_300w",
    ]

    page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()
    page.get_by_text("No photo yet.").wait_for()
    page.locator("input[type=file]").first.set_input_files(wrong)
    alert = page.get_by_role("alert").filter(has_text="wrong.jpg is not an image in a known format")
    alert.wait_for()
    assert page.get_by_text("1 face found").count() == 0  # nothing of the photo before it
    expect(page.get_by_text("Download JSON", exact=True)).to_be_disabled()
