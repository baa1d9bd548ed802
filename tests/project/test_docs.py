"""Documents: those written from the records are up to date, links lead somewhere, examples give what they say."""

import ast
import doctest
import importlib.util
import re

import cv2
import pytest
import skimage.data
from paths import ROOT

import facelandmarks as fl

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


MADE = {"models": "docs/models.md", "licences": "docs/licences.md", "requirements": "requirements-light.txt"}


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_of_records_is_up_to_date(name):
    spec = importlib.util.spec_from_file_location(f"make_{name}", DOCS / f"make_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = (ROOT / MADE[name]).read_text(encoding="utf-8")
    assert module.document() == expected, f"run python docs/make_{name}.py"


def anchors(page):
    """The anchors of a page's headings, as web sites make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    plain = [re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower() for title in HEADING.findall(text)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


@every_page
def test_relative_links_and_anchors_exist(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


def test_every_page_is_in_the_site():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r": (\w+\.md)$", text, re.MULTILINE))
    assert listed == {page.name for page in DOCS.glob("*.md")}


@every_page
def test_python_in_documents_is_python(page):
    for kind, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if kind == "python" and ">>>" not in block:
            ast.parse(block)


@pytest.mark.parametrize("page", [page for page in PAGES if ">>>" in page.read_text("utf-8")], ids=lambda p: p.name)
def test_examples_give_what_they_say(page, tmp_path, monkeypatch):
    """Blocks with prompts run one after the other, beside a photo.jpg with one face, without network."""
    monkeypatch.setenv("FACELANDMARKS_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.jpg", skimage.data.astronaut()[..., ::-1])
    blocks = [block for kind, block in FENCE.findall(page.read_text("utf-8")) if kind == "python" and ">>>" in block]
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)
    report = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(test, out=report.append)
    assert test.examples
    assert not runner.failures, "".join(report)


def test_the_page_of_the_api_has_every_module_with_public_names():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: (facelandmarks\.[\w.]+)", text, re.MULTILINE)
    packages = ("bulk", "video", "evaluation", "measures", "errors", "boxes", "draw", *fl._HOMES.values())
    for name in {f"facelandmarks.{package}" for package in packages}:
        assert any(module == name or module.startswith(f"{name}.") for module in shown), f"docs/api.md lacks {name}"
