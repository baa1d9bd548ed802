"""facelandmarks-eval: measure models on a data set, and compare with the published numbers."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from facelandmarks._files import write_file
from facelandmarks.cli.common import (
    DONE,
    SOME_FAILED,
    USAGE,
    WEIGHTS,
    check_outputs,
    complain,
    parse_count,
    run_command,
)
from facelandmarks.cli.evaluate_run import measure_given, measure_models
from facelandmarks.detection import DETECTORS
from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.charts import require_matplotlib
from facelandmarks.evaluation.compare import compare_annotations, describe
from facelandmarks.evaluation.datasets import get_release
from facelandmarks.evaluation.html import to_html
from facelandmarks.evaluation.listing import list_datasets
from facelandmarks.evaluation.report import Card, load_card, to_json, verdicts
from facelandmarks.evaluation.runner import Boxes, Settings
from facelandmarks.evaluation.tables import to_csv, to_markdown, to_text

STDOUT = Path("-")
BOXES: Mapping[str, tuple[Boxes, ...]] = {"gt": ("gt",), "detector": ("detector",), "both": ("gt", "detector")}
EPILOG = """\
A row is published, measured, difference, and PASS if they agree to one in the last digit that the table prints, else
FAIL; PARTIAL where other faces were used than the published ones. Models whose weights are not at hand are
listed.
Exit codes: 0 done, 1 a subset or weights that are wanted cannot be had, or a FAIL with --strict, 2 wrong usage,
3 weights or network, 4 nothing could be done, 130 interrupted.
"""


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="facelandmarks-eval",
        description="Measure models on a data set by the protocols of the published tables.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is measured")
    what.add_argument("--dataset", metavar="NAME", help="wflw, 300w, aflw, cofw, ...: see --list")
    what.add_argument("--data-root", type=Path, metavar="DIR", help="folder of the data set")
    what.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="may be repeated; without: all with a published row",
    )
    what.add_argument("--fetch", action="store_true", help="fetch published weights that are not in the cache")
    what.add_argument("--weights", type=Path, metavar="FILE", help="local file of weights for one --model")
    what.add_argument(
        "--predictions", type=Path, metavar="FILE", help="score points of another program, in place of models"
    )
    what.add_argument(
        "--subset", action="append", default=[], metavar="NAME", help="may be repeated; without: all of the row"
    )
    what.add_argument("--protocol", metavar="NAME", help="only rows that were measured this way: see --list")
    what.add_argument("--form", metavar="NAME", help="which files of annotations to read, in place of the protocol's")
    what.add_argument("--limit", type=parse_count, metavar="N", help="only the first N faces of each subset")
    what.add_argument("--allow-partial", action="store_true", help="go on with another number of faces than published")
    what.add_argument(
        "--boxes",
        choices=BOXES,
        default="gt",
        help="annotated regions, detected boxes, or both side by side (default: %(default)s)",
    )
    what.add_argument(
        "--detector", choices=DETECTORS, default="auto", help="finds the faces for --boxes (default: %(default)s)"
    )
    how = parser.add_argument_group("how it runs")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    how.add_argument("--engine", default="auto", help="what runs the network (default: %(default)s)")
    how.add_argument(
        "--batch-size", type=parse_count, default=32, metavar="N", help="faces at once (default: %(default)s)"
    )
    how.add_argument(
        "--workers", type=parse_count, default=4, metavar="N", help="threads that read pictures (default: %(default)s)"
    )
    how.add_argument(
        "--resume", type=Path, metavar="DIR", help="keep predictions in this folder, and use those that are there"
    )
    out = parser.add_argument_group("what comes out")
    out.add_argument("--list", action="store_true", help="print data sets, how to obtain them, and published rows")
    out.add_argument(
        "--compare-annotations",
        action="store_true",
        help="print how the forms of a data set differ; nothing is measured",
    )
    out.add_argument("--render", type=Path, metavar="JSON", help="print an earlier report again; nothing is measured")
    out.add_argument("--json", type=Path, metavar="FILE", help="write the whole report; - is stdout")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    out.add_argument("--csv", type=Path, metavar="FILE", help="write the numbers")
    out.add_argument("--html", type=Path, metavar="FILE", help="write a page with curves and faces (extra: report)")
    out.add_argument("--strict", action="store_true", help="exit with 1 if a number does not agree")
    out.add_argument("--force", action="store_true", help="overwrite files that exist")
    out.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def check_usage(args: argparse.Namespace) -> str | None:
    """What is wrong with the options taken together, or None."""
    if not (args.list or args.render) and not (args.dataset and args.data_root):
        return "give --dataset and --data-root, or --list"
    if args.data_root and not args.data_root.exists():
        return f"no such folder: {args.data_root}; --list says where the data are to be had"
    if args.predictions and (args.model or args.weights or args.boxes != "gt"):
        return "--predictions goes without --model, --weights and --boxes: nothing is predicted"
    if args.weights and len(args.model) != 1:
        return f"--weights goes with one --model, got {len(args.model)}"
    files = [path for path in (args.json, args.markdown, args.csv, args.html) if path and path != STDOUT]
    return check_outputs(files, args.force, None)


def run(args: argparse.Namespace, command: Sequence[str]) -> int:
    """The command."""
    problem = check_usage(args)
    if problem:
        complain(problem)
        return USAGE
    if args.list:
        print(list_datasets(), end="")
        return DONE
    if args.compare_annotations:
        print_comparisons(args.dataset, args.data_root, args.subset)
        return DONE
    if args.html:
        require_matplotlib()
    card = load_card(args.render) if args.render else _measure(args, command)
    write_reports(card, args)
    return exit_code(card, args.strict)


def _measure(args: argparse.Namespace, command: Sequence[str]) -> Card:
    settings = Settings(
        data_root=args.data_root,
        subsets=tuple(args.subset),
        form=args.form,
        limit=args.limit,
        allow_partial=args.allow_partial,
        boxes=BOXES[args.boxes],
        detector=args.detector,
        batch_size=args.batch_size,
        workers=args.workers,
        resume=args.resume,
    )
    return measure_given(args, settings, command) if args.predictions else measure_models(args, settings, command)


def print_comparisons(dataset: str, root: Path, subsets: Sequence[str]) -> None:
    """How the forms of annotations differ, by subset; without subsets of the release's first."""
    for subset in subsets or [next(iter(get_release(dataset).faces))]:
        for comparison in compare_annotations(dataset, root, subset):
            print(f"{dataset}, {subset}: {describe(comparison)}")


def write_reports(card: Card, args: argparse.Namespace) -> None:
    """The table to stdout, and the files that were asked for."""
    files = ((args.json, to_json), (args.markdown, to_markdown), (args.csv, to_csv), (args.html, to_html))
    for path, render in files:
        if path and path != STDOUT:
            write_file(path, _text_of(card, render, args.render).encode())
    print(_text_of(card, to_json if args.json == STDOUT else to_text, args.render), end="")


def _text_of(card: Card, render: Callable[[Card], str], source: Path | None) -> str:
    """The card as text; if it was read from a file and lacks something, that is said of the file."""
    try:
        return render(card)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if source is None:
            raise
        raise InvalidOptionError(f"{source} is no whole report of facelandmarks-eval: {error!r}") from error


def exit_code(card: Card, strict: bool) -> int:
    """What the report amounts to."""
    if not card["rows"]:
        return WEIGHTS
    settings = card["settings"]
    # Who takes an incomplete release, and names no subset, misses none.
    missing = not settings["allow_partial"] or settings["subsets"]
    failed = (
        (strict and "FAIL" in verdicts(card))
        or any(entry["failed"] for entry in card["not_run"])
        or (missing and any(row["missing"] for row in card["rows"]))
    )
    return SOME_FAILED if failed else DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    args = build_parser().parse_args(given)
    return run_command(lambda: run(args, ["facelandmarks-eval", *given]))


if __name__ == "__main__":
    sys.exit(main())
