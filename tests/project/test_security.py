"""The package's own source: nothing that runs what a file says, no pattern that a long text makes slow."""

import ast
import re
import time
from pathlib import Path

import pytest

import facelandmarks

PACKAGE = Path(facelandmarks.__file__).parent
SOURCES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}

BUILTINS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
MODULES = {"marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "telnetlib", "ftplib", "xmlrpc"}
METHODS = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "os.system", "os.popen", "tempfile.mktemp"),
    *("torch.hub.load", "torch.jit.load", "numpy.loadtxt", "shutil.unpack_archive", "runpy.run_path"),
}
ALIASES = {"np": "numpy"}
STARTS_PROCESSES = {"subprocess", "multiprocessing", "os.exec", "os.spawn", "pty"}
PARSERS_OF_XML = {"xml.etree.ElementTree", "xml.dom.minidom", "xml.sax", "lxml"}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or an attribute, else an empty text."""
    if isinstance(node, ast.Name):
        return ALIASES.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else f"?.{node.attr}"
    return ""


def calls():
    for name, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{name}:{node.lineno}", dotted(node.func), {word.arg: word.value for word in node.keywords}


def imports():
    for name, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((f"{name}:{node.lineno}", alias.name) for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                yield from ((f"{name}:{node.lineno}", f"{node.module}.{alias.name}") for alias in node.names)


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_the_scan_sees_the_package():
    assert len(SOURCES) > 100
    assert any(name == "torch.load" for _, name, _ in calls())


def test_nothing_runs_what_a_text_or_a_file_says():
    # `.eval()` of a network is another thing: only the plain names count.
    assert [place for place, name, _ in calls() if name in BUILTINS | METHODS] == []
    assert [place for place, name in imports() if name.split(".")[0] in MODULES] == []


def test_checkpoints_are_never_unpickled_freely():
    loads = [words for _, name, words in calls() if name == "torch.load"]
    assert all(is_constant(words.get("weights_only"), True) for words in loads)
    arrays = [words for _, name, words in calls() if name == "numpy.load"]
    assert all(is_constant(words.get("allow_pickle"), False) for words in arrays)


def test_no_shell_and_no_process():
    assert [place for place, _, words in calls() if is_constant(words.get("shell"), True)] == []
    assert [place for place, name in imports() if any(name.startswith(start) for start in STARTS_PROCESSES)] == []


def test_connections_are_verified():
    assert [place for place, _, words in calls() if is_constant(words.get("verify"), False)] == []


def test_archives_are_read_member_by_member():
    assert [place for place, name, _ in calls() if name.endswith((".extractall", ".extract"))] == []
    assert [place for place, name in imports() if any(name.startswith(parser) for parser in PARSERS_OF_XML)] == []


# --- patterns -------------------------------------------------------------------------------------------------------


def patterns():
    """Every text of the package that is a regular expression: compiled by hand, or kept in a table of them."""
    import importlib

    found = {}
    for name in SOURCES:
        parts = name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        if "-" in parts:  # the hook, which PyInstaller alone imports
            continue
        module = "facelandmarks" if parts == "__init__" else f"facelandmarks.{parts}"
        for attribute, value in vars(importlib.import_module(module)).items():
            if isinstance(value, re.Pattern):
                found[f"{name}:{attribute}"] = value
    from facelandmarks.images import files as image_files
    from facelandmarks.weights.manifest import DIALECTS

    tables = {"image_files magic": [*image_files._UNREADABLE]}
    tables["renames"] = [pattern for dialect in DIALECTS.values() for pattern, _ in dialect.renames]
    for table, texts in tables.items():
        found |= {f"{table} {number}": re.compile(text) for number, text in enumerate(texts)}
    return found


PATTERNS = patterns()
PIECES = [
    *"0 1a.#\n\t<>{}[]-+/*:\xff\0",
    "0 ",
    "#1",
    " \n",
    "# \n",
    "<?xml",
    "<!doctype svg",
    "P5 ",
    "n_points: ",
    "bytes ",
]


def test_patterns_are_found():
    assert len(PATTERNS) > 20


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_is_slow_on_a_long_text(name):
    """Texts of 4,096 characters, as many as the tables are asked about; all else is in proportion to the length."""
    pattern = PATTERNS[name]
    begun = time.process_time()
    for piece in PIECES:
        for start in ("", "P5 ", "<?xml"):
            text = (start + piece * 4096)[:4096] + "\x01"
            subject = text.encode("latin-1") if isinstance(pattern.pattern, bytes) else text
            pattern.match(subject)
            if "magic" not in name:  # these are asked about the beginning of a file only
                pattern.search(subject)
    assert time.process_time() - begun < 5  # seconds, for about 150 searches; one that explodes takes hours
