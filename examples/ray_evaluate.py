"""Measure models on one dataset in parallel, one per GPU (or CPU), on this machine or on a cluster of Ray.

    python examples/ray_evaluate.py --dataset 300w --data-root FOLDER --out FOLDER [--gpus-per-model 1] MODEL..

Each model is one call of `facelandmarks.evaluation.evaluate`; its report is saved in the folder as MODEL.json, and its
table is printed. An evaluation whose machine dies is repeated.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports home unless told not to, before it is imported
import ray


def measure(dataset: str, data_root: str, model: str, out: str, options: dict) -> str:
    """Evaluate one model; return its table, or the error."""
    from facelandmarks import FaceLandmarksError
    from facelandmarks.evaluation import evaluate

    try:
        report = evaluate(dataset, data_root, model, thumbnails=True, **options)
    except FaceLandmarksError as error:
        return f"error: {error}\n"
    report.save(Path(out) / f"{model}.json")
    return report.to_text()


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure models side by side.")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data-root", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--gpus-per-model", type=float, default=0)
    parser.add_argument("--subset", action="append", default=[], dest="subsets")
    parser.add_argument("--boxes", choices=("gt", "detector", "both"), default="gt")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--allow-partial", action="store_true")
    parser.add_argument("--fetch", action="store_true")
    options = vars(parser.parse_args())
    models, dataset, gpus = (options.pop(name) for name in ("models", "dataset", "gpus_per_model"))
    root, out = (options.pop(name).absolute() for name in ("data_root", "out"))
    out.mkdir(parents=True, exist_ok=True)
    ray.init(ignore_reinit_error=True)
    jobs = ray.remote(num_gpus=gpus, max_retries=-1)(measure)
    tables = ray.get([jobs.remote(dataset, str(root), model, str(out), options) for model in models])
    for model, table in zip(models, tables, strict=True):
        print(f"{model}:\n{table}")
    return int(any(table.startswith("error: ") for table in tables))


if __name__ == "__main__":
    sys.exit(main())
