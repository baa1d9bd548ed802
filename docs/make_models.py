"""Write docs/models.md from the records: python docs/make_models.py."""

from pathlib import Path
from typing import Any

import facelandmarks as fl
from facelandmarks.cli.models import headline
from facelandmarks.weights.manifest import load_manifest

INTRODUCTION = """\
# Models

`facelandmarks models` lists them on the command line, `fl.model_info(name)` says all about one. Errors are what the
authors published for the data set that a model was trained on; they compare within one data set only. For speed see
[engines](engines.md), for what may be used where [licences](licences.md).

| model | points | published | file, MB | trained on |
| --- | --- | --- | --- | --- |
"""
SETTINGS = """\
## How each runs

| model | crop | decoding | flip test | follows | box |
| --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Write the file beside this one."""
    Path(__file__).with_name("models.md").write_text(document(), encoding="utf-8")


def document() -> str:
    """The whole file."""
    infos = [fl.model_info(name) for name in fl.list_models()]
    parts = [INTRODUCTION + "\n".join(map(choice, sorted(infos, key=by_data)))]
    parts += [SETTINGS + "\n".join(map(settings, infos))]
    parts += ["## Scores", SCORES, *bullets({info["decode"]: info["scores"] for info in infos})]
    parts += ["## Published accuracy", PUBLISHED, *map(published, infos)]
    parts += ["## Normalisers", *bullets(normalisers(infos))]
    parts += ["## What to know", *bullets({info["name"]: told(info) for info in infos if told(info)})]
    parts += ["## Terms of the training data", TERMS, *bullets(terms(infos)), WRITTEN]
    return "\n\n".join(parts) + "\n"


WRITTEN = """\
Written by `python docs/make_models.py` from the records in [facelandmarks/zoo](../facelandmarks/zoo) and
[weights_manifest.json](../weights_manifest.json)."""
TERMS = "Weights carry no licence of their own. What their use is bound to, as far as anything is published:"


SCORES = """\
How sure a model is of a point: higher is surer. Scores of one model can be compared, those of two models cannot. What
they are depends on the decoding:"""
PUBLISHED = """\
Each number with the version of the program that gave it: MMPose 0.x and 1.x print different ones for the same file.
What a number is divided by stands under "Normalisers"."""


def by_data(info: dict[str, Any]) -> tuple[bool, str, float]:
    """Models of one data set side by side, the most accurate first; those without a published number at the end."""
    row = next(iter(info["published"]), {"dataset": "", "values": {"": 0.0}})
    number = headline(info).partition(" %")[0].rpartition(" ")[2]
    return not info["published"], row["dataset"], float(number) if info["published"] else 0.0


def choice(info: dict[str, Any]) -> str:
    """The model's row of the first table: what people choose by."""
    record = load_manifest().files[info["weights"]]
    size = f"{record.bytes / 1e6:.1f}" if record.bytes else ""
    points = f"[{info['landmarks']}](schemes.md#{info['scheme']})"
    return f"| `{info['name']}` | {points} | {headline(info)} | {size} | {', '.join(info['training_data'])} |"


def settings(info: dict[str, Any]) -> str:
    """The model's row of the second table."""
    width, height = info["input_size"]
    cells = [
        f"`{info['name']}`",
        f"{width}x{height}",
        info["decode"],
        "yes" if info["flip_test"] else "no",
        info["variant"] or "",
        info["box_convention"],
    ]
    return f"| {' | '.join(cells)} |"


def published(info: dict[str, Any]) -> str:
    """The model's rows of numbers, one a source."""
    rows = [row_of_numbers(row) for row in info["published"]] or ["- nothing is published"]
    return f"`{info['name']}`\n\n" + "\n".join(rows)


def row_of_numbers(row: dict[str, Any]) -> str:
    """One source's numbers."""
    values = ", ".join(f"{subset} {value}" for subset, value in row["values"].items())
    return f"- {row['dataset']}, {row['metric']} ({row['unit']}): {values}. {row['source']}; `{row['protocol']}`"


def normalisers(infos: list[dict[str, Any]]) -> dict[str, str]:
    """What errors are divided by, by protocol."""
    rows = [row for info in infos for row in info["published"]]
    return {row["protocol"]: row["normaliser"] or "unknown" for row in rows}


def told(info: dict[str, Any]) -> str:
    """What a user has to know of a model."""
    return ". ".join(text.rstrip(".") for text in (info["story"], *info["notes"]) if text)


def terms(infos: list[dict[str, Any]]) -> dict[str, str]:
    """What binds the use of each data set."""
    found = {name: data for info in infos for name, data in info["training_data"].items()}
    return {name: text_of_terms(data) for name, data in sorted(found.items())}


def text_of_terms(data: dict[str, str | None]) -> str:
    """The terms, where that is said, and a note."""
    said = data["terms"] or "nothing published"
    where = f" ({data['where']})" if data["where"] else ""
    return f"{said}{where}" + (f"; {data['note']}" if data["note"] else "")


def bullets(texts: dict[str, str]) -> list[str]:
    """One list, as one paragraph."""
    return ["\n".join(f"- `{name}`: {text}" for name, text in texts.items())]


if __name__ == "__main__":
    main()
