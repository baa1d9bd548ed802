"""The page: needs nothing else, says what the card says, is the same each time; faces are drawn where they are."""

import base64
import subprocess
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from evaluation_cases import evaluate
from miniature_releases import make_300w

from facelandmarks.evaluation.card import SIDE, draw_face

pytest.importorskip("matplotlib", reason="the extra report is not installed")


class Page(HTMLParser):
    """Sources of images, and all text."""

    def __init__(self):
        super().__init__()
        self.sources, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a run with two subsets, its text, and the card."""
    folder = tmp_path_factory.mktemp("page")
    make_300w(folder)
    options = ("--dataset", "300w", "--data-root", folder, "--model", "compact_300w", "--allow-partial")
    path = folder / "report.html"
    code, card = evaluate(
        folder, *options, "--subset", "full", "--subset", "challenge", "--boxes", "both", "--html", path
    )
    assert code == 0
    return path, card


def read(path):
    found = Page()
    found.feed(path.read_text(encoding="utf-8"))
    return found


def test_it_needs_nothing_else(page):
    found = read(page[0])
    assert found.sources
    assert all(source.startswith("data:image/") for source in found.sources)
    svgs = [source for source in found.sources if source.startswith("data:image/svg+xml;base64,")]
    # Curves and faces of each subset; nothing is detected in noise, so there are no faces of detected boxes.
    assert len(svgs) == 2 + 2
    for source in svgs:
        assert b"<svg" in base64.b64decode(source.partition(",")[2])


def test_it_says_what_the_card_says(page):
    text, card = read(page[0]).text, page[1]
    for cell in card["rows"][0]["cells"]:
        assert f"{cell['measured']:.2f} %" in text
    for subset in card["rows"][0]["subsets"].values():
        for part, error in subset["measured"]["per_contour"].items():
            assert part.replace("_", " ") in text
            assert f"{100 * error:.2f}" in text
    assert "detected boxes" in text
    for face in card["rows"][0]["subsets"]["full"]["worst"]:
        assert face["name"] in text
    assert "facelandmarks-eval --dataset 300w" in text


def test_it_is_made_again_from_the_card(page, tmp_path):
    again = tmp_path / "again.html"
    command = [sys.executable, "-m", "facelandmarks.cli.evaluate", "--render", str(page[0].with_name("card.json"))]
    subprocess.run([*command, "--html", str(again)], check=True, capture_output=True)
    assert again.read_bytes() == page[0].read_bytes()


def test_the_worst_faces_come_first(page):
    subset = page[1]["rows"][0]["subsets"]["full"]
    errors = [face["error"] for face in subset["worst"]]
    assert errors == sorted(subset["measured"]["errors"], reverse=True)


def test_a_face_is_drawn_where_it_is():
    picture = np.full((300, 400, 3), 90, np.uint8)
    truth = np.array([[100.0, 100.0], [200.0, 200.0], [5.0, 5.0]])
    points = truth + np.array([10.0, 0.0])
    jpeg = base64.b64decode(draw_face(picture, truth, points, np.array([True, True, False])))
    drawn = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert drawn.shape == (SIDE, SIDE, 3)
    # The box of the two visible points is 100 px of the picture, and two thirds of what is shown.
    left, right = SIDE / 6, SIDE * 5 / 6
    step = 10 * SIDE / 150
    for x, y in ((left, left), (right, right)):
        green, red = drawn[round(y), round(x)], drawn[round(y), round(x + step)]
        assert green[1] > green[0] + 80
        assert red[0] > red[1] + 80
