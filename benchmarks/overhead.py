"""What a prediction costs besides its network: `predict` with the network's answer given, in milliseconds a face.

python benchmarks/overhead.py [--model hrnetv2_w18_wflw_dark] [--threads 2]

The heatmaps are Gaussians with a little noise, as a trained network gives them; the box is given, the picture decoded.
Medians, and in brackets what a tenth of the calls stay below: on a shared machine they are far apart.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import skimage.data

from facelandmarks.engines.base import EngineInfo
from facelandmarks.model import Model
from facelandmarks.pipeline import choose
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import get_spec
from facelandmarks.zoo.spec import ModelSpec

FACE = (180.0, 91.0, 264.0, 175.0)  # about the tight box of the astronaut's face
BATCHES = (1, 8, 32)
SIGMA = 2.0  # of the Gaussians that networks are trained with, pixels of the map
SECONDS = 5.0
STRIDE = 4  # pixels of the crop to one of the map


class Given:
    """An engine that knows the answer."""

    info = EngineInfo("given", "1", "cpu", "float32", 1)

    def __init__(self, output: np.ndarray) -> None:
        self.output = output
        # As a network's activations do: after that glibc keeps what is freed, and does not fetch it page by page again.
        np.ones(30 * 2**20, np.uint8)

    def run(self, _pixels: np.ndarray) -> np.ndarray:
        """The answer, whatever is asked."""
        return self.output


def heatmaps(spec: ModelSpec, faces: int) -> np.ndarray:
    """float32 (faces, K, h, w)."""
    rng = np.random.default_rng(0)
    width, height = (side // STRIDE for side in spec.input_size)
    y, x = np.mgrid[:height, :width]
    shape = (faces, len(get_scheme(spec.scheme)), 1, 1)
    distance = (x - rng.uniform(5, width - 5, shape)) ** 2 + (y - rng.uniform(5, height - 5, shape)) ** 2
    maps = np.exp(-distance / (2 * SIGMA**2)) * rng.uniform(0.3, 1, shape)
    return (maps + rng.normal(0, 0.002, maps.shape)).astype(np.float32)


def levels(task: Callable[[], object], faces: int) -> str:
    """Median and, in brackets, what a tenth of the calls stay below; milliseconds a face."""
    times = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        task()
        times.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(times) / faces:.2f} ({np.quantile(times, 0.1) / faces:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="hrnetv2_w18_wflw_dark", help="a model of heatmaps")
    parser.add_argument("--threads", type=int, default=2, help="of OpenCV")
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    spec, photo = get_spec(args.model), skimage.data.astronaut()
    print("| faces | crop | decode | predict without its network | with flip test |\n|" + " --- |" * 5)
    for faces in BATCHES:
        maps, boxes = heatmaps(spec, faces), np.tile(np.array([FACE]), (faces, 1))
        model, flipping = (Model(choose(spec, flip_test=flip), Given(maps)) for flip in (False, True))
        crops = model.prepare(photo, boxes)
        tasks: list[Callable[[], object]] = [
            lambda model=model, boxes=boxes: model.prepare(photo, boxes),
            lambda model=model, maps=maps, crops=crops: model.decode(maps, crops),
            lambda model=model, boxes=boxes: model.predict(photo, boxes),
            lambda model=flipping, boxes=boxes: model.predict(photo, boxes),
        ]
        print(f"| {faces} | " + " | ".join(levels(task, faces) for task in tasks) + " |")


if __name__ == "__main__":
    main()
