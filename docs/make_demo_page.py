"""Take docs/demo_page.jpg, the demo page with two models beside each other: python docs/make_demo_page.py [CHROMIUM].

Needs Gradio (extra `web`), Playwright, and a Chromium: Playwright's own, or the one that is named.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import skimage.data
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("demo_page.jpg")
COMMAND = [sys.executable, "-m", "facelandmarks.cli.demo", "--built-in", "--offline"]


def take(address: str, photo: Path, browser: str | None) -> None:
    """Go through the page as a visitor does, and photograph it."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1180, "height": 760})
        page.goto(address)
        page.locator("input[type=file]").first.set_input_files(photo)
        page.get_by_text("compact_300w: 1 face").wait_for()
        page.get_by_label("Compare with").click()
        page.get_by_role("option", name="tiny_300w").click()
        page.get_by_text("tiny_300w: 1 face").wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(2000)  # until the second image has faded in
        page.screenshot(path=PICTURE, type="jpeg", quality=82, full_page=True)
        chromium.close()


def main() -> None:
    """Serve the page, and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        cv2.imwrite(str(photo), skimage.data.astronaut()[:330, 60:390, ::-1])
        server = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own command)
        try:
            take(server.stdout.readline().split()[0], photo, sys.argv[1] if len(sys.argv) > 1 else None)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
