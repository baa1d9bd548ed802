"""facelandmarks-eval: measure models on a dataset, and compare with the published numbers."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from facelandmarks._files import write_file
from facelandmarks.cli.common import (
    DONE,
    SOME_FAILED,
    STDOUT,
    WEIGHTS,
    add_engine_options,
    check_outputs,
    new_parser,
    parse_count,
    parse_threads,
    refuse,
    run_command,
)
from facelandmarks.detection import DETECTORS
from facelandmarks.evaluation.compare import compare_annotations
from facelandmarks.evaluation.datasets import get_release
from facelandmarks.evaluation.report import Report
from facelandmarks.evaluation.rows import list_datasets
from facelandmarks.evaluation.run import BOXES, evaluate

# fmt: off
OPTIONS = (  # of the command that go to `evaluate` as they are
    "dataset", "data_root", "models", "predictions", "subsets", "protocol", "form", "limit", "allow_partial", "boxes",
    "detector", "device", "engine", "dtype", "threads", "cache_dir", "weights", "scheme", "fetch", "batch_size",
    "workers", "resume",
)
# fmt: on
EPILOG = """\
A row is reference, measured, difference, and a verdict: PASS or FAIL against a published number on all faces of its
subset, SAME or DIFFERENT against one of our own, PARTIAL for other faces, - without a reference.
Numbers agree if they differ by at most one in the last printed digit. Models without weights on this machine are
listed, not measured.
Exit codes: 0 done, 1 a subset or weights could not be read, or FAIL, DIFFERENT or PARTIAL with --strict,
2 wrong usage, 3 weights or network, 4 nothing could be done, 130 interrupted, 141 nobody read the output.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    what = "Measure models on a dataset by the protocols of the published tables."
    parser = new_parser("facelandmarks-eval", what, EPILOG)
    add_choices(parser.add_argument_group("what to measure"))
    how = parser.add_argument_group("how to run")
    add_engine_options(how)
    how.add_argument(
        "--batch-size", type=parse_count, default=32, metavar="N", help="faces at once (default: %(default)s)"
    )
    how.add_argument(
        "--workers", type=parse_threads, default=4, metavar="N", help="threads that read images (default: %(default)s)"
    )
    how.add_argument(
        "--resume", type=Path, metavar="DIR", help="keep predictions in this folder, and reuse those in it"
    )
    out = parser.add_argument_group("output")
    out.add_argument("--list", action="store_true", help="print the datasets, where to get them, and published rows")
    out.add_argument(
        "--compare-annotations",
        action="store_true",
        help="print how the annotation files of a dataset differ; measure nothing",
    )
    out.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="say whether B is better than A on the same faces: two models, or two reports that --json wrote",
    )
    out.add_argument(
        "--render",
        type=Path,
        nargs="+",
        metavar="JSON",
        help="print earlier reports again, merged; measure nothing",
    )
    out.add_argument("--json", type=Path, metavar="FILE", help="write the whole report; - is stdout")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    out.add_argument("--csv", type=Path, metavar="FILE", help="write the numbers")
    out.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts and the worst faces")
    out.add_argument("--strict", action="store_true", help="exit with 1 unless every number agrees with its reference")
    out.add_argument("--force", action="store_true", help="overwrite files that exist")
    out.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def add_choices(what: "argparse._ArgumentGroup") -> None:
    """Add the options that say what is measured."""
    what.add_argument("--dataset", metavar="NAME", help="wflw, 300w, aflw, cofw, ...: see --list")
    what.add_argument("--data-root", type=Path, metavar="DIR", help="folder of the dataset's files")
    what.add_argument(
        "--model",
        dest="models",
        action="append",
        default=[],
        metavar="NAME",
        help="may be repeated (default: all models with published rows)",
    )
    what.add_argument("--fetch", action="store_true", help="fetch published weights that are not in the cache")
    what.add_argument("--weights", metavar="FILE", help="your own checkpoint for one --model")
    points = "the points of --weights, if they differ from the model's: a JSON file, or the name of a scheme"
    what.add_argument("--scheme", metavar="FILE.json|NAME", help=points)
    what.add_argument(
        "--predictions", type=Path, metavar="FILE", help="score another program's points instead of models"
    )
    what.add_argument(
        "--subset",
        dest="subsets",
        action="append",
        default=[],
        metavar="NAME",
        help="may be repeated (default: all subsets of the row)",
    )
    what.add_argument("--protocol", metavar="NAME", help="only rows of this protocol: see --list")
    what.add_argument("--form", metavar="NAME", help="annotation files to read instead of the protocol's")
    what.add_argument("--limit", type=parse_count, metavar="N", help="only the first N faces of each subset")
    what.add_argument(
        "--allow-partial", action="store_true", help="continue if the number of faces is not the published one"
    )
    what.add_argument(
        "--boxes",
        choices=BOXES,
        default="gt",
        help="annotated regions, detected boxes, or both side by side (default: %(default)s)",
    )
    what.add_argument(
        "--detector", choices=DETECTORS, default="auto", help="detector for --boxes (default: %(default)s)"
    )


def run(args: argparse.Namespace, command: Sequence[str]) -> int:
    """Do what the options say; return the exit code."""
    refuse(check_usage(args))
    if args.list:
        print(list_datasets(), end="")
        return DONE
    if args.compare_annotations:
        for subset in args.subsets or [next(iter(get_release(args.dataset).faces))]:
            for comparison in compare_annotations(args.dataset, args.data_root, subset):
                print(f"{args.dataset}, {subset}: {comparison.to_text()}")
        return DONE
    if args.render:
        report = Report.merge(*map(Report.load, args.render))
    elif args.compare:
        saved = all(name.endswith(".json") for name in args.compare)
        first, second = (Report.load(name) if saved else _evaluate(args, command, [name]) for name in args.compare)
        report = first.compare(second)
    else:
        report = _evaluate(args, command, args.models)
    renders = (report.to_json, report.to_markdown, report.to_csv, report.to_html)
    for path, render in zip((args.json, args.markdown, args.csv, args.html), renders, strict=True):
        if path and path != STDOUT:
            write_file(path, render().encode(errors="backslashreplace"))
    print(report.to_json() if args.json == STDOUT else report.to_text(), end="")
    return exit_code(report, args.strict)


def check_usage(args: argparse.Namespace) -> str | None:
    """Say what is wrong with the options taken together, or None."""
    reports = args.compare and all(name.endswith(".json") for name in args.compare)
    if args.compare and (args.models or args.predictions or args.weights or args.render):
        return "--compare A B names all that is compared: leave out --model, --weights, --predictions and --render"
    if not (args.list or args.render or reports):
        if args.dataset is None:
            return "give --dataset NAME and --data-root DIR, or --list"
        where = get_release(args.dataset)  # a wrong name comes first
        if args.data_root is None:
            return f"give --data-root DIR, the folder of {where.title}; --list says where to get the data"
    if args.data_root and not args.data_root.exists():
        return f"no such folder: {args.data_root}; --list says where to get the data"
    if STDOUT in (args.markdown, args.csv, args.html):
        return "only --json - is stdout: give --markdown, --csv and --html the names of files"
    files = [path for path in (args.json, args.markdown, args.csv, args.html) if path]
    return check_outputs(files, args.force, inputs=[args.predictions] if args.predictions else ())


def _evaluate(args: argparse.Namespace, command: Sequence[str], models: Sequence[str]) -> Report:
    given = {name: getattr(args, name) for name in OPTIONS} | {"models": models}
    return evaluate(**given, thumbnails=bool(args.html or args.json), progress=not args.quiet, command=command)


def exit_code(report: Report, strict: bool) -> int:
    """Return the exit code of a report."""
    card = report.card
    if not card["rows"]:
        return WEIGHTS
    # With --allow-partial and no --subset, a missing subset is not an error.
    chosen = [run.get("settings", {}) for run in card["runs"]]  # a report from elsewhere may have none
    missing = any(not settings.get("allow_partial") or settings.get("subsets") for settings in chosen)
    failed = (
        (strict and not {"FAIL", "DIFFERENT", "PARTIAL"}.isdisjoint(report.verdicts))
        or any(entry.get("failed") for entry in card["not_run"])
        or (missing and any(row["missing"] for row in card["rows"]))
    )
    return SOME_FAILED if failed else DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_command(lambda words: run(build_parser().parse_args(words), ["facelandmarks-eval", *words]), argv)


if __name__ == "__main__":
    sys.exit(main())
