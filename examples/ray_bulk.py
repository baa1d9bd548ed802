"""Predict many images with Ray, on this machine or unchanged on a cluster.

    python examples/ray_bulk.py IMAGES.. --out FOLDER [--actors N] [--gpus-per-actor 1]

IMAGES are folders, patterns, or lists of paths in files *.txt (of which Ray reads only as much as it needs). FOLDER
gets Parquet files with one row per face. Every machine of the cluster must see images and folder under these paths. On
a cluster run it on one of its machines (or with RAY_ADDRESS set); on a single machine Ray starts by itself.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports home unless told not to, before it is imported
import ray

from facelandmarks.bulk import RayPredictor, find_images


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Landmarks of many images with Ray.")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--out", required=True, help="folder of Parquet files; must not exist")
    parser.add_argument("--model", default="compact_300w")
    parser.add_argument("--actors", type=int, help="processes in the cluster (one per GPU or CPU)")
    parser.add_argument("--gpus-per-actor", type=float, default=0)
    parser.add_argument("--threads-per-actor", type=int, default=1, help="CPU threads, also those that read images")
    parser.add_argument("--batch-size", type=int, default=64)
    return parser.parse_args()


def paths_of(inputs: list[str]) -> tuple[ray.data.Dataset, str]:
    """The images, and the column of their paths. Of lists only as much is read as is needed at a time."""
    if all(name.endswith(".txt") for name in inputs):
        return ray.data.read_text([str(Path(name).absolute()) for name in inputs]), "text"
    return ray.data.from_items([{"path": str(Path(path).absolute())} for path in find_images(inputs)]), "path"


def main() -> int:
    args = parse()
    if Path(args.out).exists():
        sys.exit(f"{args.out} exists")
    ray.init(ignore_reinit_error=True)
    resources = ray.cluster_resources()
    share = resources.get("GPU", 0) / args.gpus_per_actor if args.gpus_per_actor else resources["CPU"]
    actors = args.actors or max(1, int(share if args.gpus_per_actor else share / args.threads_per_actor))
    paths, column = paths_of(args.images)
    begin = time.perf_counter()
    # An actor that dies is started again, and its batches are done again: that is Ray Data's own default.
    paths.repartition(target_num_rows_per_block=args.batch_size).map_batches(
        RayPredictor,
        batch_size=args.batch_size,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=args.threads_per_actor / 2,  # of Ray's counting: lists are read and files written on the other half
        num_gpus=args.gpus_per_actor,
        fn_constructor_kwargs={
            "model": args.model,
            "column": column,
            "workers": args.threads_per_actor,
            "load": {"device": "cuda" if args.gpus_per_actor else "cpu", "threads": args.threads_per_actor},
        },
    ).write_parquet(str(Path(args.out).absolute()))
    rows = ray.data.read_parquet(args.out).select_columns(["image", "status"]).to_pandas()
    seconds = time.perf_counter() - begin
    counts = rows.drop_duplicates("image").status.value_counts().to_dict()
    print(f"{rows.image.nunique()} images, {len(rows)} rows, {counts}, {actors} actors, {seconds:.1f} s -> {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
