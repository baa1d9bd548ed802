"""Measure models of one data set side by side, one a GPU (or a CPU), on this machine or on a cluster of Ray.

    python examples/ray_evaluate.py --dataset 300w --data-root FOLDER --out FOLDER [--gpus-per-model 1] MODEL..

Each model is one `facelandmarks-eval`, whose card MODEL.json goes into the folder; what it printed comes back. An
evaluation whose machine dies is done again.
"""

import argparse
import contextlib
import io
import sys
from pathlib import Path

import ray


def measure(row: dict) -> dict:
    """One evaluation: its exit code and what it printed."""
    from facelandmarks.cli.evaluate import main as evaluate

    card = Path(row["out"]) / f"{row['model']}.json"
    words = ["--dataset", row["dataset"], "--data-root", row["data_root"], "--model", row["model"], "--json", str(card)]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = evaluate([*words, "--force", *row["words"]])
    return {"model": row["model"], "code": code, "printed": printed.getvalue()}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure models side by side.")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--gpus-per-model", type=float, default=0)
    args, words = parser.parse_known_args()  # the rest is for facelandmarks-eval
    out = Path(args.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    common = {"dataset": args.dataset, "data_root": str(Path(args.data_root).absolute()), "out": str(out)}
    rows = [{"model": model, **common, "words": words} for model in args.models]
    ray.init(ignore_reinit_error=True)
    jobs = ray.remote(num_gpus=args.gpus_per_model, max_retries=-1)(measure)
    found = ray.get([jobs.remote(row) for row in rows])
    for result in found:
        print(f"{result['model']}: exit code {result['code']}\n{result['printed']}")
    return max(result["code"] for result in found)


if __name__ == "__main__":
    sys.exit(main())
