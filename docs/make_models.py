"""Write docs/models.md from the records and benchmarks/models.json: python docs/make_models.py."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from pages import table

import facelandmarks as fl
from facelandmarks.api import network_numbers
from facelandmarks.nn.build import network_shapes
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS

SPEEDS = json.loads((Path(__file__).parents[1] / "benchmarks" / "models.json").read_text(encoding="utf-8"))
INTRODUCTION = """\
---
hide: [toc]
---

# Models

`facelandmarks-predict --model NAME` and `fl.load_model(NAME)` take a name. All models but the built-in ones are
downloaded on first use. On the site, click on a column to sort by it; [the columns](#the-columns) are explained below.
"""
COLUMNS = f"""\
## The columns

- **NME, %**: mean distance from the annotated points, divided as [Normalisers](#normalisers) says, as reported by
  the named authors on their data. Compare only within one dataset: [all published numbers](#published-accuracy).
- **MB** of the file; ~ marks an estimate, four bytes per parameter, where no size is published. **M** parameters.
- **ms** of processor time for one face with a given box, as published, so with the mirrored crop where the authors
  used one. {SPEEDS["machine"]}; `python benchmarks/models.py` measures it again. Other engines, threads and
  batches: [how fast](engines.md#how-fast).
- **Terms** of the training data, the strictest of them: [licences](licences.md). The code is Apache-2.0; the
  weights are another matter.
"""
SETTINGS = """\
## How each is run

`fl.model_info(name)` says the same and more. A crop is width x height; `box` is the [convention](coordinates.md) of
the boxes it was trained on.
"""
PUBLISHED = """\
## Published accuracy

The authors' own numbers, each with the program that printed it: MMPose 0.x and 1.x differ for the same file. They
are percent unless marked otherwise. `facelandmarks-eval` measures a model again on your copy of the data:
[evaluation](evaluation.md).
"""
SCORES = "Scores rank the points of one model and cannot be compared between models. Their range depends on the model:"
TERMS = "Weights carry no licence of their own. These are the published terms of their training data:"
# Short for the terms in the manifest, the strictest first.
STRICTNESS = ("research only", "non-commercial", "none published")
TERMS_IN_SHORT = {
    "300-W": "research only",
    "YouTube Faces": "research only",
    "COCO-WholeBody-Face": "non-commercial",
    "DeepFashion": "non-commercial",
    "Face6": "non-commercial",
    "LaPa": "non-commercial",
}
HEADLINES = ("full", "test", "all", "test (434 common-set faces)")  # the subset that stands for a dataset
SOURCES = {"mmpose v0": "MMPose 0.x", "mmpose v1": "MMPose 1.x", "README": "HRNet's authors", "measured by": "us"}


def main() -> None:
    """Write the file beside this one."""
    Path(__file__).with_name("models.md").write_text(document(), encoding="utf-8")


def document() -> str:
    """The whole file."""
    infos = [fl.model_info(name) for name in fl.list_models()]
    parts = [
        INTRODUCTION,
        sortable(table([("model", "points", "NME, %", "of", "MB", "M", "ms", "terms"), *map(choice, infos)])),
    ]
    parts += [COLUMNS]
    heads = ("model", "crop", "decoding", "flip test", "follows", "box", "trained on")
    parts += [SETTINGS, sortable(table([heads, *map(settings, infos)]))]
    parts += [PUBLISHED, *published(infos)]
    parts += ["### Normalisers", bullets(normalisers(infos))]
    parts += ["## Scores", SCORES, "\n".join(scores(infos))]
    parts += ["## What to know", bullets({info["name"]: told(info) for info in infos if told(info)})]
    parts += ["## Terms of the training data", TERMS, bullets(terms(infos))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def sortable(text: str) -> str:
    """A table that docs/site.js sorts."""
    return f'<div class="sortable" markdown>\n\n{text}\n</div>'


def choice(info: dict[str, Any]) -> list[object]:
    """The model's row of the table to choose by."""
    spec = MODELS[info["name"]]
    record = load_manifest().files[spec.weights]
    shapes = network_shapes(spec.network, network_numbers(spec))
    numbers = sum(product(shape) for name, shape in shapes.items() if not name.endswith("num_batches_tracked"))
    size = f"{record.bytes / 1e6:.1f}" if record.bytes else f"~{4 * numbers / 1e6:.0f}"
    nme, where = headline(info)
    name = f"`{info['name']}`" + (" (built in)" if record.asset else "")
    points = f"{info['landmarks']} ([{info['scheme']}](schemes.md#{info['scheme']}))"
    speed = f"{SPEEDS['ms'][spec.name]:.0f}" if spec.name in SPEEDS["ms"] else "-"
    return [name, points, nme, where, size, f"{numbers / 1e6:.1f}", speed, strictest(info)]


def product(shape: tuple[int, ...]) -> int:
    """How many numbers a tensor holds."""
    result = 1
    for side in shape:
        result *= side
    return result


def headline(info: dict[str, Any]) -> tuple[str, str]:
    """The model's NME in percent, and on what and by whom; of two sources, the one whose arithmetic is followed."""
    rows = [row for row in info["published"] if row["metric"] == "NME"]
    if not rows:
        return "-", "no NME published"
    follows = {"mmpose0x": "mmpose v0", "mmpose1x": "mmpose v1"}.get(info["variant"], "")
    row = next((row for row in rows if row["source"].startswith(follows)), rows[0])
    subset = next(name for name in HEADLINES if name in row["values"])
    percent = row["values"][subset] * (100 if row["unit"] == "fraction" else 1)
    on = "300-W common, 434 of 554 faces" if subset == HEADLINES[-1] else f"{row['dataset']} {subset}"
    return f"{percent:.2f}", f"{on}, by {named(row['source'])}"


def named(source: str) -> str:
    """Who reported a number."""
    return next(name for start, name in SOURCES.items() if source.startswith(start))


def strictest(info: dict[str, Any]) -> str:
    """The strictest terms of the model's training data, in short."""
    data = info["training_data"].items()
    short = {TERMS_IN_SHORT[name] if found["terms"] else "none published" for name, found in data}
    return f"[{min(short, key=STRICTNESS.index)}](#terms-of-the-training-data)"


def settings(info: dict[str, Any]) -> list[object]:
    """How the model is run: its row of the second table."""
    width, height = info["input_size"]
    flip = "yes" if info["flip_test"] else "no"
    data = ", ".join(info["training_data"])
    follows = info["variant"] or ""
    return [f"`{info['name']}`", f"{width}x{height}", info["decode"], flip, follows, info["box_convention"], data]


def published(infos: list[dict[str, Any]]) -> list[str]:
    """Return one table per dataset and metric, with one row per model and source."""
    rows = [(info["name"], row) for info in infos for row in info["published"]]
    parts = []
    for kind, group in groupby(sorted(rows, key=lambda pair: kind_of(pair[1])), key=lambda pair: kind_of(pair[1])):
        found = list(group)
        subsets = list(dict.fromkeys(subset for _, row in found for subset in row["values"]))
        lines = [
            [f"`{name}`", row["source"], *(row["values"].get(subset, "") for subset in subsets)] for name, row in found
        ]
        protocols = sorted({row["protocol"] for _, row in found})
        dataset, metric, unit = kind
        title = f"**{dataset}**, {metric}" + (f" ({unit})" if unit != "percent" else "")
        parts += [f"{title}; protocol `{'`, `'.join(protocols)}`"]
        parts += [sortable(table([["model", "source", *subsets], *lines]))]
    return parts


def kind_of(row: dict[str, Any]) -> tuple[str, str, str]:
    """What can be compared stands in one table."""
    return row["dataset"], row["metric"], row["unit"]


def normalisers(infos: list[dict[str, Any]]) -> dict[str, str]:
    """What errors are divided by, by protocol."""
    rows = [row for info in infos for row in info["published"]]
    return {row["protocol"]: row["normaliser"] or "unknown" for row in rows}


def scores(infos: list[dict[str, Any]]) -> list[str]:
    """What scores are, and of which models."""
    found: dict[str, list[str]] = {}
    for info in infos:
        found.setdefault(info["scores"], []).append(f"`{info['name']}`")
    return [f"- *{text}*: {', '.join(names)}" for text, names in found.items()]


def told(info: dict[str, Any]) -> str:
    """What a user has to know of a model."""
    return ". ".join(text.rstrip(".") for text in (info["story"], *info["notes"]) if text)


def terms(infos: list[dict[str, Any]]) -> dict[str, str]:
    """What binds the use of each dataset."""
    found = {name: data for info in infos for name, data in info["training_data"].items()}
    return {name: text_of_terms(data) for name, data in sorted(found.items())}


def text_of_terms(data: dict[str, str | None]) -> str:
    """The terms, where that is said, and a note."""
    said = data["terms"] or "nothing published"
    where = f" ({data['where']})" if data["where"] else ""
    return f"{said}{where}" + (f"; {data['note']}" if data["note"] else "")


def bullets(texts: dict[str, str]) -> str:
    """One list, as one paragraph."""
    return "\n".join(f"- `{name}`: {text}" for name, text in texts.items())


if __name__ == "__main__":
    main()
