"""Faces a second through a GPU: `predict_batch` from decoded pictures, beside the bare network as a CUDA graph.

Both take turns in one run, without flip test; their ratio is what cropping, copying, decoding and Python leave of the
network's rate. With random weights, flat maps have peaks that a last bit moves: there only the rates mean something.

    python benchmarks/bench_gpu.py [--published] [--seconds 10] [--models NAME ...] [--json FILE]
    python benchmarks/bench_gpu.py --device cpu --counts 1 2 --seconds 0.1 --models compact_300w   # tries the script
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch
from bench import FACE, checkpoints, measure, show

import facelandmarks as fl
from facelandmarks.engines.torch import WARM_UPS, TorchEngine, pick_device
from facelandmarks.model import Model
from facelandmarks.zoo import MODELS

SEEN = ("hrnetv2_w18_wflw_dark", "rtmpose_m_face6", "compact_300w")
NUMBERS = ("float32", "float16")
COUNTS = (1, 64, 256)
COMPARED = 16  # faces whose points are compared


def bare(engine: TorchEngine, size: tuple[int, int], count: int, device: torch.device) -> Callable[[], object]:
    """The network alone on a batch that is there already; on a CUDA device as a graph."""
    normalised = engine._network
    batch = torch.randn(count, 3, *size[::-1], device=device, dtype=normalised.dtype)
    batch = batch.contiguous(memory_format=torch.channels_last)
    network = torch.inference_mode()(lambda: normalised.network(batch))
    return recorded(network, device) if device.type == "cuda" else network


def recorded(task: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """The same as a CUDA graph; each call waits until it is done."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        aside = torch.cuda.Stream()
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                task()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            task()

    def replay() -> None:
        graph.replay()
        torch.cuda.synchronize(device)

    return replay


def load(name: str, weights: Path | None, device: str, **options: object) -> Model:
    """A model in PyTorch without flip test."""
    return fl.load_model(name, engine="torch", device=device, weights=weights, flip_test=False, **options)


def distance(model: Model, cpu: Model, photo: np.ndarray) -> float:
    """The largest between two models' points of the same boxes, in px of the picture."""
    boxes = np.array(FACE) + np.random.default_rng(0).uniform(-8, 8, (COMPARED, 4))
    return float(np.linalg.norm(model.predict(photo, boxes).points - cpu.predict(photo, boxes).points, axis=-1).max())


def rows(args: argparse.Namespace, files: dict[str, Path | None], photo: np.ndarray) -> Iterator[dict]:
    """One of each model, number type and count of faces."""
    device = pick_device(args.device)
    graphs = device.type == "cuda"
    for name, file in files.items():
        cpu = load(name, file, "cpu")
        for dtype in NUMBERS:
            model = load(name, file, args.device, dtype=dtype, cuda_graphs=graphs)
            row = {"model": name, "dtype": dtype, "weights": "random" if file else "real"}
            row["px"] = distance(model, cpu, photo)
            for count in args.counts:
                pictures, boxes = [photo] * count, [FACE] * count
                tasks = {
                    "whole": lambda model=model, pictures=pictures, boxes=boxes: model.predict_batch(pictures, boxes),
                    "network": bare(model.engine, model.spec.input_size, count, device),
                }
                rates = {task: 1000 * count / ms for task, ms in measure(tasks, args.seconds).items()}
                yield {**row, "faces": count, **rates, "ratio": rates["whole"] / rates["network"]}


def machine(device: torch.device) -> str:
    """Where this runs."""
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    parts = [f"{device} ({chip})", f"CUDA {torch.version.cuda}", f"{os.cpu_count()} processors"]
    return ", ".join([*parts, f"torch {torch.__version__}", f"OpenCV {cv2.__version__}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS, metavar="FACES")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each row, at least")
    parser.add_argument("--models", nargs="+", default=SEEN, choices=sorted(MODELS))
    parser.add_argument("--published", action="store_true", help="the published weights, from the cache or fetched")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    try:
        device = pick_device(args.device)
        with tempfile.TemporaryDirectory() as folder:
            files = dict.fromkeys(args.models) if args.published else checkpoints(list(args.models), Path(folder))
            found = list(rows(args, files, skimage.data.astronaut()))
    except fl.FaceLandmarksError as error:
        print(error, file=sys.stderr)
        return 1
    print(machine(device))
    columns = {"model": "", "dtype": "", "faces": "", "whole": ".1f", "network": ".1f", "ratio": ".2f"}
    print("\nfaces a second; the largest distance from float32 on the CPU in px")
    show(found, {**columns, "weights": "", "px": ".4f"})
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(device), "rows": found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
