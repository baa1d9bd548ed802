"""facelandmarks models: the models by name, or everything about one."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facelandmarks.cli import common
from facelandmarks.zoo import DEFAULT_MODEL

EPILOG = """\
Without NAME, print one line per model: its points, their scheme, the crop, the error that its authors report, and where
its weights are: in the wheel, cached, or - for not fetched yet. docs/models.md compares the models.
Exit codes: 0 done, 2 wrong usage, 3 network, or a record of your own that cannot be read, 130 interrupted,
141 nobody read the output.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = common.new_parser("facelandmarks models", "List the models, or print everything about one.", EPILOG)
    parser.add_argument("name", nargs="?", metavar="NAME", help="print everything about this model, as JSON")
    parser.add_argument("--points", type=common.parse_count, metavar="K", help="only models with K points")
    parser.add_argument("--cache-dir", type=Path, metavar="DIR", help="cache folder")
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the table, or the record of one model."""
    from facelandmarks.api import list_models, model_info

    if args.name is not None:
        print(json.dumps(model_info(args.name), indent=1))
        return common.DONE
    infos = [model_info(name) for name in list_models()]
    rows = [row for row in (describe(info, args.cache_dir) for info in infos) if args.points in (None, int(row[1]))]
    head = ("name", "points", "scheme", "crop", "reported error", "weights")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return common.DONE


def describe(info: Mapping[str, Any], cache_dir: Path | None) -> tuple[str, ...]:
    """Return the cells of a model."""
    from facelandmarks.weights.cache import Access, is_cached
    from facelandmarks.weights.manifest import load_manifest

    record = load_manifest().files[info["weights"]]
    here = "in the wheel" if record.asset else "cached" if is_cached(record.name, Access(cache_dir)) else "-"
    name = info["name"] + (" (default)" if info["name"] == DEFAULT_MODEL else "")
    crop = "{} x {}".format(*info["input_size"])
    return name, str(info["landmarks"]), info["scheme"], crop, headline(info), here


def headline(info: Mapping[str, Any]) -> str:
    """Return the first reported number of a model, of all faces if there is one: "NME 3.98 % (WFLW test)"."""
    if not info["published"]:
        return "-"
    row = info["published"][0]
    values = row["values"]
    wanted = (key for part in ("full", "all", "test") for key in values if key.split()[0] == part)
    subset = next(wanted, next(iter(values)))
    if "/" in row["metric"]:  # several metrics in place of subsets
        return f"{subset} {values[subset]} % ({row['dataset']})"
    percent = values[subset] * (100 if row["unit"] == "fraction" else 1)
    faces = subset if (own := row["source"].startswith("measured by")) else f"{row['dataset']} {subset}"
    return f"{row['metric'].split()[0]} {percent:.4g} % ({'our own: ' * own}{faces})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return common.run_command(lambda words: run(build_parser().parse_args(words)), argv)
