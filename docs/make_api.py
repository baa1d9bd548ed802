"""Write docs/api/, the pages of the public API, from tests/project/public_api.txt: python docs/make_api.py."""

import re
from importlib import import_module
from pathlib import Path

from pages import write

DOCS = Path(__file__).parent
SURFACE = DOCS.parent / "tests" / "project" / "public_api.txt"
NAME = re.compile(r"^(facelandmarks(?:\.[a-z_0-9]+)*)\.(\w+)(?:\(|: (?:class|error))")  # module, function or class
TOP = "facelandmarks"
ERRORS = "*Error"
# A page: its file, its title, a sentence, and its modules with names that come first, which may not be in the list.
PAGES = (
    (
        "predicting",
        "Predicting",
        "Load a model, find faces and landmarks.",
        {TOP: "predict detect load_model list_models model_info Model load_image"},
    ),
    ("results", "Results", "What a prediction gives, and the crops between.", {TOP: "Landmarks Face Crops Detections"}),
    (
        "schemes",
        "Schemes",
        "Point layouts, and what turns one into another.",
        {
            TOP: "get_scheme Scheme convert get_conversion",
            "facelandmarks.schemes": "",
            "facelandmarks.schemes.conversions": "",
        },
    ),
    (
        "images",
        "Images and drawings",
        "From any input to pixels, and landmarks on them.",
        {
            TOP: "Style",
            "facelandmarks.images": "load_image",
            "facelandmarks.draw": "draw_landmarks",
            "facelandmarks.draw.schemes": "draw_scheme",
        },
    ),
    (
        "boxes",
        "Boxes and rotations",
        "Box conventions, and images that lie on their side.",
        {"facelandmarks.boxes": "", "facelandmarks.finding": ""},
    ),
    (
        "detection",
        "Detectors",
        "Detectors by name, and what one of your own has to give.",
        {"facelandmarks.detection": "", "facelandmarks.detection.base": "Detector"},
    ),
    ("measures", "Measures", "Open eyes, head pose, aligned crops.", {"facelandmarks.measures": ""}),
    ("bulk", "Many images", "Folders, lists and clusters.", {"facelandmarks.bulk": ""}),
    ("video", "Videos", "Faces with numbers that stay, and steady points.", {"facelandmarks.video": ""}),
    (
        "export",
        "Engines and export",
        "What runs a network, and models as ONNX files.",
        {TOP: "export_model", "facelandmarks.export": "", "facelandmarks.engines.base": ""},
    ),
    (
        "evaluation",
        "Evaluation",
        "Published, measured, difference.",
        {
            "facelandmarks.evaluation": "evaluate Report",
            "facelandmarks.evaluation.metrics": "",
            "facelandmarks.evaluation.datasets": "",
        },
    ),
    ("sharing", "Sharing", "Models as folders and repositories.", {"facelandmarks.share": ""}),
    (
        "geometry",
        "Geometry",
        "Crop conventions: both directions in one object.",
        {"facelandmarks.geometry.classic": "", "facelandmarks.geometry.hrnet_official": ""},
    ),
    (
        "formats",
        "File formats",
        "Documents of several images; those of one are methods of [Landmarks](results.md).",
        {"facelandmarks.formats": "to_coco from_coco to_pts from_pts"},
    ),
    ("web", "Demo page", "The page of `facelandmarks-demo`.", {"facelandmarks.web": ""}),
    ("errors", "Errors", "Every error is one of these, and one of Python's own too.", {TOP: ERRORS}),
)
INDEX = """\
# API

Written by `python docs/make_api.py`. Names at the top of the package, such as `fl.predict`, are imported when they
are first used; everything else is used by its module's name. What stands here changes by the rules of
[Releasing](../releasing.md#deprecation) only.

| page | what |
| --- | --- |
"""


def main() -> None:
    """Write the folder beside this file."""
    write("api", documents())


def documents() -> dict[str, str]:
    """All pages, by their path in docs/."""
    public = surface()
    rows = [f"| [{title}]({file}.md) | {what} |" for file, title, what, _ in PAGES]
    pages = {"api/index.md": INDEX + "\n".join(rows) + "\n"}
    shown: set[str] = set()
    for file, title, what, modules in PAGES:
        parts = [f"# {title}", what]
        for module, first in modules.items():
            names = [*first.split(), *([] if module == TOP else public.get(module, []))]
            if first == ERRORS:
                names = [name for name in public[TOP] if name.endswith("Error")]
            places = [place for place in dict.fromkeys(place_of(module, name) for name in names) if place not in shown]
            shown.update(places)
            head = [] if module == TOP or not places else [f"## `{module}`"]
            level = 2 if module == TOP else 3
            parts += head + [f"::: {place}\n    options:\n      heading_level: {level}" for place in places]
        pages[f"api/{file}.md"] = "\n\n".join(parts) + "\n"
    missing = {place_of(module, name) for module, names in public.items() for name in names} - shown
    if missing:
        raise LookupError(f"add to a page of PAGES: {', '.join(sorted(missing))}")
    return pages


def place_of(module: str, name: str) -> str:
    """Where a public name is defined."""
    value = getattr(import_module(module), name)
    return f"{value.__module__}.{value.__qualname__}"


def surface() -> dict[str, list[str]]:
    """The public functions and classes of each module."""
    found: dict[str, list[str]] = {}
    for line in SURFACE.read_text(encoding="utf-8").splitlines():
        if match := NAME.match(line):
            found.setdefault(match[1], []).append(match[2])
    return found


if __name__ == "__main__":
    main()
