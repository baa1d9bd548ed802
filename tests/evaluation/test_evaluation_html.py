"""The page: needs nothing else, says what the card says, is the same each time; charts show what they should."""

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from evaluation_cases import evaluate
from miniature_releases import make_300w
from skimage.color import deltaE_ciede2000, rgb2lab

from facelandmarks.evaluation import charts
from facelandmarks.evaluation.card import SIDE, draw_face
from facelandmarks.evaluation.metrics import STATISTICS

STYLE = files("facelandmarks.evaluation").joinpath("page.css").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Sources of images, tags, and all text."""

    def __init__(self):
        super().__init__()
        self.sources, self.tags, self.text = [], set(), ""

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.sources += [value for name, value in attributes if name == "src" or (name == "href" and value[0] != "#")]

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
    assert all(source.startswith("data:image/jpeg;base64,") for source in found.sources)
    assert not found.tags & {"script", "link", "iframe", "object"}
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_every_chart_is_there_and_whole(page):
    drawn = [ET.fromstring(svg) for svg in re.findall(r"<svg .*?</svg>", page[0].read_text(), re.DOTALL)]
    titles = [svg.get("aria-label") for svg in drawn if svg.get("aria-label")]
    # Of each subset; nothing is detected in noise, so there are no landmarks of detected boxes.
    assert titles.count("cumulative error distribution") == 2
    assert titles.count("cumulative error distribution, logarithmic") == 2
    assert titles.count("mean error by landmark") == 2
    assert titles.count("scores against errors") == 2
    assert titles.count("mean error, % of inter-ocular") == 2  # by part of the face
    assert sum("intervals" in title for title in titles) >= 2  # by size of the face; noise has no yaw


def test_it_says_what_the_card_says(page):
    text, card = read(page[0]).text, page[1]
    for cell in card["rows"][0]["cells"]:
        assert f"{cell['measured']:.2f} %" in text
        assert " to ".join(f"{100 * end:.2f}" for end in cell["interval"]) in text
    for subset in card["rows"][0]["subsets"].values():
        for part in subset["measured"]["per_contour"]:
            assert part.replace("_", " ") in text
        for name in STATISTICS:
            number = subset["measured"]["statistics"][name]
            assert f"{100 * number['value']:.2f}" in text
            assert " to ".join(f"{100 * end:.2f}" for end in number["interval"]) in text
    assert "detected boxes" in text
    assert "full, 6 of 689" in text
    for face in card["rows"][0]["subsets"]["full"]["worst"]:
        assert face["name"] in text
    assert "facelandmarks-eval --dataset 300w" in text


def test_it_says_what_ran_when_and_on_what(page):
    """Its engine and no other; no path of this machine."""
    text, card = page[0].read_text(), page[1]
    (run,) = card["runs"]
    engine = card["rows"][0]["run"]["engine"]
    assert f"{engine['engine']} {engine['version']}" in text
    assert set(run["versions"]) == {"python", "facelandmarks-zoo", "numpy", "opencv-python", engine["engine"]}
    assert run["date"] in text
    assert run["processor"] in text
    assert card["rows"][0]["run"]["weights"]["sha256"] in text
    assert card["rows"][0]["subsets"]["full"]["annotations"]["faces_sha256"] in text
    assert str(page[0].parent) not in text
    for subset in card["rows"][0]["subsets"].values():
        assert not subset["annotations"]["path"].startswith("/")


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
    points = truth + np.array([20.0, 0.0])
    jpeg = base64.b64decode(draw_face(picture, truth, points, np.array([True, True, False])))
    drawn = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert drawn.shape == (SIDE, SIDE, 3)
    # The box of the two visible points is 100 px of the picture, and two thirds of what is shown.
    left, right = SIDE / 6, SIDE * 5 / 6
    step = 20 * SIDE / 150
    for x, y in ((left, left), (right, right)):
        blue, orange = drawn[round(y) - 4, round(x)], drawn[round(y), round(x + step)]  # on the ring, in the dot
        assert blue[2] > blue[0] + 60
        assert orange[0] > orange[2] + 80


def steps(svg):
    """Positions (x, y) of the corners of the first curve."""
    path = re.search(r'class="line s0" d="M([\d.]+) ([\d.]+)((?:[HV][\d.]+)+)"', svg)
    x, y = float(path[1]), float(path[2])
    corners = []
    for way, number in re.findall(r"([HV])([\d.]+)", path[3]):
        x, y = (float(number), y) if way == "H" else (x, float(number))
        corners.append((x, y))
    return corners


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("count", [7, 1000])
def test_the_curve_goes_to_the_worst_face(count, log):
    rng = np.random.default_rng(0)
    errors = rng.lognormal(-3.4, 0.5, count)
    errors[3] = np.nan
    svg = charts.ced_chart([errors], "inter-ocular", log)
    corners = steps(svg)
    worst = np.nanmax(errors)
    low = np.nanmin(errors) * 0.9 if log else 0.0
    share = np.log(worst / low) / np.log(1.03 * worst / low) if log else 1 / 1.03
    x0, x1, y0, y1 = 54, charts.WIDTH - 18, charts.HEIGHT - 44, 14
    # The last step is at the worst error, and at the share of the faces that were found.
    assert corners[-2][0] == pytest.approx(x0 + share * (x1 - x0), abs=0.1)
    assert corners[-2][1] == pytest.approx(y0 + (count - 1) / count * (y1 - y0), abs=0.1)
    assert len(corners) <= 2 * 401


def test_values_stand_where_they_should():
    svg = charts.dot_chart([("a", [(0.02, 0.01, 0.05)]), ("b", [None])], "mean")
    whisker = re.search(r'class="whisker s0" d="M([\d.]+) [\d.]+H([\d.]+)"', svg)
    mark = float(re.search(r'class="mark s0" transform="translate\(([\d.]+)', svg)[1])
    low, high = float(whisker[1]), float(whisker[2])
    assert (mark - low) / (high - low) == pytest.approx(0.25, abs=0.005)
    assert svg.count('class="mark') == 1
    ticks = {int(v): float(x) for x, v in re.findall(r'class="tick" x="([\d.]+)" y="[\d.]+">(\d)<', svg)}
    assert ticks[1] == pytest.approx(low, abs=0.1)
    assert ticks[5] == pytest.approx(high, abs=0.1)


def test_the_worst_landmarks_are_numbered():
    errors = np.linspace(0.01, 0.05, 10)
    svg = charts.landmark_chart(np.random.default_rng(0).uniform(-0.5, 0.5, (10, 2)).tolist(), errors)
    assert sorted(map(int, re.findall(r">(\d+)</text>", svg))) == [4, 5, 6, 7, 8, 9]
    assert "landmark 9: 5.00 %" in svg


# Machado et al., A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009, severity 1.0.
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colour_blind_readers_tell_the_series_apart(mode, kind):
    """The first four colours; those after them have dashes and markers of their own, too."""
    part = STYLE.partition("@media screen and (prefers-color-scheme: dark)")[0 if mode == "light" else 2]
    hexes = [re.search(rf"--s{number}: #(\w{{6}})", part)[1] for number in range(4)]
    colours = np.array([[int(text[i : i + 2], 16) for i in (0, 2, 4)] for text in hexes]) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(BLINDNESS[kind]).T, 0, 1)
    seen = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(seen[:, None])[:, 0]
    differences = [deltaE_ciede2000(lab[i], lab[j]) for i in range(4) for j in range(i)]
    assert min(differences) > 11  # a difference of 1 is just seen side by side, 10 at a glance


def test_one_style_for_light_dark_and_paper():
    for block in ("prefers-color-scheme: dark", "@media print", "@page", "break-inside: avoid", "max-width: 600px"):
        assert block in STYLE
    names = [set(re.findall(r"--(\w+):", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]]
    assert names[0] == names[1]  # no colour of one mode is missing in the other
