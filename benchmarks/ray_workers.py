"""Pictures a second by Ray with one and two actors, and by the plain runner with one and two threads, in one run.

    python benchmarks/ray_workers.py FOLDER [--pictures 2000] [--engine torch] [--rounds 1]

Copies of the pictures of FOLDER are predicted; an actor has one processor, the plain runner as many as threads. What
starts up (processes, imports, the model, a first batch of each actor) is not counted: it is the same for any number of
pictures. Two actors may be ready at different times, so take enough pictures. Needs the extra `ray`, and Linux, where a
process can be held on one processor.
"""

import argparse
import logging
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray

from facelandmarks.api import load_model
from facelandmarks.bulk import RayPredictor, find_images, predict_batches

BATCH = 32
WORKERS = (1, 2)


def make_copies(folder: Path, count: int, target: Path) -> list[str]:
    """So many pictures: those of the folder again and again."""
    given = find_images([folder])
    copies = [target / f"{number:06}{Path(given[number % len(given)]).suffix}" for number in range(count)]
    for number, copy in enumerate(copies):
        shutil.copyfile(given[number % len(given)], copy)
    return [str(copy) for copy in copies]


def plain(paths: Sequence[str], threads: int, engine: str) -> tuple[float, str]:
    """Pictures a second of the plain runner, on so many processors; and what ran."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    model = load_model(engine=engine, threads=threads)
    list(predict_batches(model, paths[:BATCH], batch_size=BATCH, workers=threads))
    begin = time.perf_counter()
    rows = sum(len(batch) for batch in predict_batches(model, paths, batch_size=BATCH, workers=threads))
    info = model.engine_info()
    return rows / (time.perf_counter() - begin), f"{info.engine} {info.version}"


class TimedPredictor(RayPredictor):
    """Tells when a batch began and ended, in place of its rows. Takes a processor for itself."""

    def __init__(self, claims: str, engine: str) -> None:
        for cpu in sorted(os.sched_getaffinity(0)):
            try:
                Path(claims, str(cpu)).touch(exist_ok=False)
            except FileExistsError:
                continue
            os.sched_setaffinity(0, {cpu})
            break
        super().__init__(workers=1, load={"engine": engine, "threads": 1})
        self._warm = False

    def __call__(self, batch: dict[str, Any]) -> pa.Table:
        if not self._warm:
            super().__call__(batch)
            self._warm = True
        begin = time.time()
        rows = super().__call__(batch)
        pictures = len(set(rows["image"].to_pylist()))
        return pa.table({"begin": [begin], "end": [time.time()], "pictures": [pictures]})


def by_ray(paths: Sequence[str], actors: int, engine: str) -> float:
    """Pictures a second of a pool of actors, from the first batch that an actor begins warm to the last one's end."""
    ray.init(num_cpus=actors + 1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as claims:
            done = (
                ray.data.from_items([{"path": path} for path in paths])
                .repartition(target_num_rows_per_block=BATCH)
                .map_batches(
                    TimedPredictor,
                    batch_size=BATCH,
                    compute=ray.data.ActorPoolStrategy(size=actors),
                    num_cpus=1,
                    fn_constructor_kwargs={"claims": claims, "engine": engine},
                )
                .to_pandas()
            )
        return float(done["pictures"].sum() / (done["end"].max() - done["begin"].min()))
    finally:
        ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        paths = make_copies(args.folder, args.pictures, Path(folder))
        size = sum(Path(path).stat().st_size for path in paths) / len(paths)
        print(f"{len(paths)} pictures of {size / 1000:.0f} kB, Ray {ray.__version__}, {os.cpu_count()} processors")
        for _ in range(args.rounds):
            for workers in WORKERS:
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    rate, engine = pool.submit(plain, paths, workers, args.engine).result()
                rates["plain, threads", workers].append(rate)
                rates["Ray, actors", workers].append(by_ray(paths, workers, args.engine))
    print(f"engine {engine}; medians of {args.rounds} rounds")
    for kind in ("plain, threads", "Ray, actors"):
        one, two = (statistics.median(rates[kind, workers]) for workers in WORKERS)
        print(f"{kind}: 1: {one:.1f} pictures/s, 2: {two:.1f} pictures/s, ratio {two / one:.2f}")


if __name__ == "__main__":
    main()
