"""Measure every model in every engine in one run, as ratios to plain eager HRNetV2-W18: machines differ.

python benchmarks/bench.py [--threads 2] [--seconds 60] [--models NAME ...] [--json FILE]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch
from baseline import Baseline

import facelandmarks as fl
from facelandmarks.engines.choose import RECORDS
from facelandmarks.model import Model
from facelandmarks.nn.build import build_network
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import DEFAULT_MODEL, MODELS, get_spec

SEEN = (
    "hrnetv2_w18_wflw_dark",
    "rtmpose_t_face6",
    "rtmpose_s_face6",
    "rtmpose_m_face6",
    DEFAULT_MODEL,
)
FACE = (180.0, 91.0, 264.0, 175.0)  # about the tight box of the astronaut's face
BATCHES = (1, 8, 32)
LEAST_TURNS = 3
TURN = 0.3  # seconds of a task at least, before the next has its turn
Task = Callable[[], object]


def measure(tasks: dict[str, Task], seconds: float) -> dict[str, float]:
    """Median milliseconds of each task; they take turns for so long, so that a busy moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    end = time.perf_counter() + seconds
    turns = 0
    while time.perf_counter() < end or turns < LEAST_TURNS:
        turns += 1
        for name, task in tasks.items():
            times[name] += turn(task)
    return {name: statistics.median(found) for name, found in times.items()}


def turn(task: Task) -> list[float]:
    """Milliseconds of some calls in a row; of short ones the first is left out.

    It pays for what ran before it: another engine's threads still spin, and the caches hold another network.
    """
    times: list[float] = []
    end = time.perf_counter() + TURN
    while time.perf_counter() < end:
        start = time.perf_counter()
        task()
        times.append(1000 * (time.perf_counter() - start))
    return times[1:] or times


def checkpoints(names: list[str], folder: Path) -> dict[str, Path | None]:
    """A file of random weights of each model, as its speed does not depend on them; None: it is in the wheel."""
    made: dict[str, Path | None] = {}
    for name in names:
        spec = get_spec(name)
        if name == DEFAULT_MODEL:
            made[name] = None
            continue
        torch.manual_seed(0)
        network = build_network(spec.network, {**spec.network_options, "landmarks": len(get_scheme(spec.scheme))})
        made[name] = folder / f"{name}.pth"
        torch.save({"state_dict": network.state_dict()}, made[name])
    return made


def engines() -> list[str]:
    """Those that are installed, PyTorch first."""
    return [name for name in sorted(RECORDS, reverse=True) if find_spec(name)]  # packages of the same names


def stages(model: Model, photo: np.ndarray, count: int) -> dict[str, Task]:
    """The parts of a prediction of so many faces, and the whole."""
    boxes = np.tile(np.array([FACE]), (count, 1))
    crops = model.prepare(photo, boxes)
    outputs = model.forward(crops)
    return {
        "crop": lambda: model.prepare(photo, boxes),
        "network": lambda: model.forward(crops),
        "decode": lambda: model.decode(outputs, crops),
        "total": lambda: model.predict(photo, boxes),
    }


def bench_batches(models: dict[tuple[str, str], Model], photo: np.ndarray, seconds: float) -> Iterator[dict]:
    """Rows of all models in all engines, batch by batch, with the baseline in the same turns."""
    baseline = Baseline()
    for count in BATCHES:
        boxes = np.tile(np.array([FACE]), (count, 1))
        tasks: dict[str, Task] = {"baseline": lambda boxes=boxes: baseline.predict(photo, boxes)}
        for (name, engine), model in models.items():
            for stage, task in stages(model, photo, count).items():
                tasks[f"{name}/{engine}/{stage}"] = task
        found = measure(tasks, seconds)
        whole = found.pop("baseline")
        yield {"model": "plain eager HRNetV2-W18", "engine": "torch", "batch": count, "total": whole, "ratio": 1.0}
        for name, engine in models:
            row = {stage: found[f"{name}/{engine}/{stage}"] for stage in ("crop", "network", "decode", "total")}
            yield {"model": name, "engine": engine, "batch": count, **row, "ratio": whole / row["total"]}


def fresh(name: str, engine: str, photo: Path, checkpoint: Path | None) -> dict:
    """Loading and the first prediction in a process of its own."""
    words = [sys.executable, str(Path(__file__).with_name("fresh.py")), name, engine, str(photo)]
    if checkpoint:
        words.append(str(checkpoint))
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return {"model": name, "engine": engine, **json.loads(done.stdout)}


def bench_fresh(files: dict[str, Path | None], photo: Path) -> Iterator[dict]:
    """Loads of every model in every engine; of the one in the wheel with its graph already kept."""
    for name, file in files.items():
        for engine in engines():
            if file is None:
                fresh(name, engine, photo, file)
            yield fresh(name, engine, photo, file)


def bench_commands(photo: Path, seconds: float) -> dict[str, float]:
    """Milliseconds of whole commands."""

    def command(*words: str) -> Task:
        return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)

    predict = ("-m", "facelandmarks.cli.predict", str(photo), "--json", "-", "--device", "cpu")
    return measure(
        {
            "python alone": command("-c", "pass"),
            "import facelandmarks": command("-c", "import facelandmarks"),
            "facelandmarks-predict --help": command("-m", "facelandmarks.cli.predict", "--help"),
            **{f"facelandmarks-predict PHOTO, {name}": command(*predict, "--engine", name) for name in engines()},
        },
        seconds,
    )


def bench_one_thread(file: Path, photo: np.ndarray, seconds: float) -> dict[str, float]:
    """The built-in model beside HRNetV2-W18 in ONNX Runtime on one thread, by the network alone: milliseconds."""
    tasks = {}
    for name, engine, weights in [("hrnetv2_w18_wflw_dark", "onnxruntime", file)] + [
        (DEFAULT_MODEL, engine, None) for engine in engines()
    ]:
        model = fl.load_model(name, engine=engine, device="cpu", threads=1, weights=weights)
        crops = model.prepare(photo, [FACE])
        tasks[f"{name}/{engine}"] = lambda model=model, crops=crops: model.forward(crops)
    return measure(tasks, seconds)


def machine(threads: int) -> dict[str, str]:
    """Where this runs."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    flags = next((line for line in lines if line.startswith("flags")), "")
    known = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8") if f" {name}" in flags]
    packages = ["torch", "numpy", "opencv-python", *(name for name in engines() if name != "torch")]
    return {
        "cpu": f"{cpu} ({', '.join(known) or 'no AVX2'})",
        "threads": str(threads),
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def show(rows: list[dict], columns: dict[str, str]) -> None:
    """A table in Markdown."""
    print(f"\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for row in rows:
        cells = [format(row[key], form) if key in row else "" for key, form in columns.items()]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each size of batch, at least")
    parser.add_argument("--models", nargs="+", default=SEEN, choices=sorted(MODELS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    photo = skimage.data.astronaut()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACELANDMARKS_CACHE"] = folder
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
        picture = Path(folder) / "photo.png"
        cv2.imwrite(str(picture), photo[..., ::-1])
        files = checkpoints(list(args.models), Path(folder))
        models = {
            (name, engine): fl.load_model(
                name, engine=engine, device="cpu", threads=args.threads, weights=file, flip_test=False
            )
            for name, file in files.items()
            for engine in engines()
        }
        result = {
            "machine": machine(args.threads),
            "batches": list(bench_batches(models, photo, args.seconds)),
            "fresh": list(bench_fresh(files, picture)),
            "commands": bench_commands(picture, args.seconds / 4),
        }
        if "onnxruntime" in engines():
            result["one_thread"] = bench_one_thread(
                checkpoints(["hrnetv2_w18_wflw_dark"], Path(folder))["hrnetv2_w18_wflw_dark"], photo, args.seconds / 4
            )
    print(", ".join(f"{key}: {value}" for key, value in result["machine"].items()))
    numbers = dict.fromkeys(("crop", "network", "decode", "total", "ratio"), ".1f")
    show(result["batches"], {"model": "", "engine": "", "batch": "", **numbers})
    seconds = dict.fromkeys(("import_s", "load_s", "first_predict_s"), ".2f")
    show(result["fresh"], {"model": "", "engine": "", **seconds, "load_peak_mb": ".0f", "peak_mb": ".0f"})
    show([{"command": name, "ms": value} for name, value in result["commands"].items()], {"command": "", "ms": ".0f"})
    alone = result.get("one_thread", {})
    slowest = max(alone.values(), default=0.0)
    rows = [{"network, 1 thread": name, "ms": value, "ratio": slowest / value} for name, value in alone.items()]
    show(rows, {"network, 1 thread": "", "ms": ".2f", "ratio": ".1f"})
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
