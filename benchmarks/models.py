"""Measure what one face costs with each model, for the table of docs/models.md: python benchmarks/models.py [NAME ...].

Processor time of one thread in ONNX Runtime, so that a machine shared with others says nearly the same as an idle one:
`predict` with a box, as published, with the mirrored crop where the published numbers have it. Weights are random
where they are not in the wheel: speed does not depend on them. Results replace those of the same models in models.json.
"""

import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import cv2
import skimage.data

import facelandmarks as fl
from facelandmarks.api import network_numbers
from facelandmarks.nn.build import build_network
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS

RESULTS = Path(__file__).with_name("models.json")
FACE = (180.0, 91.0, 264.0, 175.0)  # about the tight box of the astronaut's face
ROUNDS = 20


def measure(name: str) -> float:
    """Milliseconds of the fastest of some rounds."""
    spec = MODELS[name]
    built_in = load_manifest().files[spec.weights].asset
    weights = None if built_in else build_network(spec.network, network_numbers(spec)).state_dict()
    model = fl.load_model(name, engine="onnxruntime", threads=1, weights=weights)
    image, times = skimage.data.astronaut(), []
    for _ in range(ROUNDS + 1):
        start = time.process_time()
        model.predict(image, FACE)
        times.append(time.process_time() - start)
    return round(1000 * min(times[1:]), 1)


def processor() -> str:
    """Name of the processor, as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def main() -> None:
    cv2.setNumThreads(1)
    known = json.loads(RESULTS.read_text())["ms"] if RESULTS.exists() else {}
    for name in sys.argv[1:] or fl.list_models():
        known[name] = measure(name)
        print(f"{name:40} {known[name]:8.1f}", flush=True)
        machine = f"{processor()}, one thread, ONNX Runtime {version('onnxruntime')}"
        found = {"machine": machine, "ms": dict(sorted(known.items()))}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
