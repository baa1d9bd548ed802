"""The house stays in order: no import circles, no dust, no file that is too long, `predict` as four calls."""

import ast
import inspect
import textwrap
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import skimage.data

import facelandmarks as fl

PACKAGE = Path(fl.__file__).parent
MOST_LINES = 400
MOST_SINGLE_USES = 0.30  # of the private helpers
SOURCES = {
    ".".join(("facelandmarks", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text()) for name, path in SOURCES.items()}


def type_checking_only(tree):
    """Nodes that only type checkers read."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    return {id(inner) for block in blocks for statement in block.body for inner in ast.walk(statement)}


def imported(name):
    """Modules of the package that a module imports, also inside of functions."""
    skipped, found = type_checking_only(TREES[name]), set()
    for node in ast.walk(TREES[name]):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {part if part in SOURCES else node.module for part in parts}
    return {module for module in found if module in SOURCES and module != name}


def test_imports_have_no_circle():
    TopologicalSorter({name: imported(name) for name in SOURCES}).prepare()  # CycleError names the circle


@pytest.mark.parametrize("name", SOURCES)
def test_no_file_is_too_long(name):
    assert len(SOURCES[name].read_text().splitlines()) <= MOST_LINES


def test_private_helpers_are_used_more_than_once():
    private = single = 0
    for tree in TREES.values():
        uses = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        uses.update(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("_") and not node.name.startswith("__"):
                private += 1
                single += uses[node.name] == 1
    assert private > 100
    assert single / private <= MOST_SINGLE_USES, f"{single} of {private} private helpers have one use"


def calls_of(function):
    """Names of the calls in a function, in the order in which they are made."""
    body = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body
    assert all(isinstance(statement, ast.Expr | ast.Assign | ast.Return) for statement in body), "no branches, no loops"
    calls = [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return [ast.unparse(call.func) for call in calls]


def test_predict_is_four_calls():
    assert calls_of(fl.Model.predict) == ["Find", "load_image", "self.find", "self.prepare", "self.landmarks"]


@pytest.mark.parametrize("bbox", [None, (180.0, 91.0, 264.0, 175.0)])
def test_predict_gives_what_its_stages_give(bbox):
    model = fl.load_model()
    image = fl.load_image(skimage.data.astronaut())
    found = model.find(image, bbox)
    crops = model.prepare(image, found.boxes, detector_points=found.points, rotation=found.rotation)
    staged, whole = model.landmarks(crops, found), model.predict(image, bbox)
    assert staged.to_dict() == whole.to_dict()
    assert len(whole) == 1
    decoded = model.decode(model.forward(crops), crops)
    assert (decoded.points == whole.points).all()
    assert (decoded.scores == whole.scores).all()
