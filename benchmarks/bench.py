"""Measure everything in one run, as ratios to eager HRNetV2-W18 at batch 1: machines differ, ratios less so.

python benchmarks/bench.py [--threads 2] [--repeats 30]
"""

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch

import facelandmarks as fl
from facelandmarks.detection import load_detector
from facelandmarks.nn.build import build_network
from facelandmarks.nn.hrnet import HRNetV2
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import get_spec

ZOO = ("hrnetv2_w18_wflw", "deeppose_res50_wflw", "rtmpose_t_face6", "rtmpose_s_face6", "rtmpose_m_face6")
FACE = (180.0, 91.0, 264.0, 175.0)  # about the tight box of the astronaut's face


def measure(tasks: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each task; the tasks take turns, so that a busy moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 3):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if turn >= 3:  # the first turns warm up
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(found) for name, found in times.items()}


def reference() -> Callable[[], object]:
    """HRNetV2-W18 for WFLW as everybody runs it: eager, float32, batch 1, no flip test; speed needs no weights."""
    network = HRNetV2(18, 98).eval()
    crop = torch.zeros(1, 3, 256, 256)

    def run() -> object:
        with torch.inference_mode():
            return network(crop)

    return run


def untrained(name: str) -> Callable[[], object]:
    """The network of a zoo model in our engine at batch 1; its speed does not depend on its weights."""
    spec = get_spec(name)
    options = {**spec.network_options, "landmarks": len(get_scheme(spec.scheme))}
    model = fl.load_model(name, weights=build_network(spec.network, options).state_dict(), device="cpu")
    crop = np.zeros((1, *spec.input_size[::-1], 3), np.uint8)
    return lambda: model.engine.run(crop)


def command(*words: str) -> Callable[[], object]:
    """A command in a process of its own."""
    return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)

    photo = skimage.data.astronaut()
    scene = cv2.resize(photo, (640, 640))[:480]
    batch = np.tile(np.array([FACE]), (16, 1))
    model, detector = fl.load_model("compact_300w"), load_detector()
    crops = model.prepare(photo, [FACE])
    hrnet = "HRNetV2-W18, eager, batch 1"
    tasks = {
        hrnet: reference(),
        "compact_300w network, batch 1": lambda: model.forward(crops),
        "compact_300w predict, box given": lambda: model.predict(photo, FACE),
        "compact_300w predict, 16 boxes": lambda: model.predict(photo, batch),
        "compact detector, 640x480": lambda: detector.detect(scene),
        "predict on the demo photo (detector and landmarks)": lambda: model.predict(photo),
        **{f"{name} network, batch 1": untrained(name) for name in ZOO},
    }
    starts = {
        "facelandmarks-predict --help": command("-m", "facelandmarks.cli.predict", "--help"),
        "import facelandmarks": command("-c", "import facelandmarks"),
        "python alone": command("-c", "pass"),
    }
    found = measure(tasks, args.repeats)
    cpu = next((line for line in _cpu_info() if line.startswith("model name")), platform.processor())
    print(
        f"{cpu.split(':')[-1].strip()}, {args.threads} threads, torch {torch.__version__}, OpenCV {cv2.__version__}\n"
    )
    print(f"| what | ms | {hrnet} is this many times slower |\n| --- | --- | --- |")
    for name, value in found.items():
        print(f"| {name} | {value:.1f} | {found[hrnet] / value:.1f} |")
    for name, value in measure(starts, 5).items():
        print(f"| {name} | {value:.0f} | |")


def _cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
