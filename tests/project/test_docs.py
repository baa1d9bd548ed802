"""Documents: those written from the records are up to date, links lead somewhere, examples give what they say."""

import ast
import doctest
import importlib.util
import re
from pathlib import Path

import cv2
import pytest
import skimage.data
from paths import ROOT

from facelandmarks.cli.predict import build_parser

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md"])
IN_THE_SITE_ONLY = {"examples.md", "notebook.md"}  # made by docs/site_hooks.py
IN_A_CHECKOUT_ONLY = {"gallery.jpg", "demo_page.jpg"}  # too large for the source distribution
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


MADE = {
    **{name: f"docs/{name}.md" for name in ("models", "licences", "weights", "accuracy")},
    "requirements": "requirements-light.txt",
}


def maker(name):
    """The script that makes a document."""
    spec = importlib.util.spec_from_file_location(f"make_{name}", DOCS / f"make_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_of_records_is_up_to_date(name):
    expected = (ROOT / MADE[name]).read_text(encoding="utf-8")
    assert maker(name).document() == expected, f"run python docs/make_{name}.py"


@pytest.mark.parametrize("name", ["api", "commands"])
def test_folders_of_pages_are_up_to_date(name):
    """The options are those of the parsers, and every public name has a page."""
    pages = {page.relative_to(DOCS).as_posix(): page.read_text(encoding="utf-8") for page in DOCS.glob(f"{name}/*.md")}
    assert maker(name).documents() == pages, f"run python docs/make_{name}.py"


def test_pages_of_commands_have_every_option():
    page = (DOCS / "commands" / "predict.md").read_text(encoding="utf-8")
    for action in build_parser()._actions:
        for option in action.option_strings if action.dest not in ("help", "version") else ():
            assert f"`{option}" in page, option


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
        if path in IN_THE_SITE_ONLY:
            continue
        target = (page.parent / path).resolve() if path else page
        if target.name in IN_A_CHECKOUT_ONLY and (ROOT / "PKG-INFO").is_file():
            continue
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


def test_every_page_is_in_the_site():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r": ([\w/]+\.md)\b", text, re.MULTILINE))
    for index in [name for name in listed if "/" in name]:  # whose pages docs/site_hooks.py adds
        folder = Path(index).parent
        rows = re.findall(r"^\| \[.*?\]\((\w+\.md)\)", (DOCS / index).read_text(encoding="utf-8"), re.MULTILINE)
        listed |= {(folder / name).as_posix() for name in rows}
    assert listed - IN_THE_SITE_ONLY == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


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


@every_page
@pytest.mark.parametrize(("used", "extra"), [("clip.mp4 ", "video"), ("faces.parquet", "parquet")])
def test_commands_that_need_an_extra_are_on_pages_that_name_it(page, used, extra):
    """The install lines of the README bring no extras: no command below them may fail by surprise."""
    text = page.read_text(encoding="utf-8")
    if any(used in block for _, block in FENCE.findall(text)):
        assert f"`{extra}`" in text or f"[{extra}]" in text
