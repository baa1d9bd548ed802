"""What an evaluation takes beyond its network: time against the bare network at the same batch size, and memory.

python benchmarks/bench_evaluation.py [--faces 2500] [--batch-size 16] [--threads 2]

A release of WFLW's size of pictures is made of one photo, and its test row measured as facelandmarks-eval does it, from
the list to the card. HRNetV2-W18 has random weights, as neither speed nor memory needs others.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch

from facelandmarks.engines.base import Engine
from facelandmarks.engines.choose import EngineSettings
from facelandmarks.engines.torch import TorchEngine
from facelandmarks.evaluation.card import card_of_row
from facelandmarks.evaluation.datasets import get_release
from facelandmarks.evaluation.measuring import Settings, measure_row
from facelandmarks.evaluation.predict import PredictionStore, predict_faces
from facelandmarks.evaluation.rows import plan_rows
from facelandmarks.model import Model
from facelandmarks.nn.hrnet import HRNetV2
from facelandmarks.pipeline import choose
from facelandmarks.zoo import get_spec

NAME = "hrnetv2_w18_wflw_official"
PICTURE = (1024, 1024)  # WFLW's are 1024 wide
PICTURES = 50  # files; faces share them, as reading one is what takes time
SAMPLE = 10  # batches of the bare network before the evaluation, and as many after it
MEGABYTE = 2**20
MOST_TIME = 1.15  # of the bare network's
PARTS = 10  # of the run, whose memory is compared
MOST_GROWTH = 0.02  # of memory, from the second tenth, when all buffers are there, to the last


def make_release(root: Path, faces: int) -> None:
    """`list_98pt_rect_attr_test.txt` and its pictures."""
    photo = cv2.resize(skimage.data.astronaut(), PICTURE)[..., ::-1]
    for number in range(PICTURES):
        path = root / "WFLW_images" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), photo)
    rng = np.random.default_rng(0)
    with (root / "list_98pt_rect_attr_test.txt").open("w") as file:
        for face in range(faces):
            points = rng.uniform([360, 180], [530, 350], (98, 2)).ravel()
            numbers = [f"{value:.4f}" for value in points] + ["360", "180", "530", "350"] + ["0"] * 6
            file.write(" ".join([*numbers, f"{face % PICTURES}.jpg"]) + "\n")


def resident() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def evaluate(model: Model, root: Path, batch_size: int) -> tuple[float, list[float]]:
    """Seconds of all faces, and memory after each batch, MB, less the points and truth kept of the faces till then."""
    (row,) = plan_rows("wflw", [NAME], subsets=["test"], given=True).rows
    settings = Settings("wflw", root, subsets=("test",), form="original", allow_partial=True, batch_size=batch_size)
    memory: list[float] = []
    store = PredictionStore(None, {})
    start = time.perf_counter()
    predict = partial(predict_faces, model, row.protocol, known=store, batch_size=batch_size, workers=settings.workers)
    measured, _ = measure_row(row, predict, store, settings, lambda _faces: memory.append(resident()))
    card_of_row(row, {}, measured, {}, {})
    seconds = time.perf_counter() - start
    faces = measured["test"].faces
    kept = (faces.points.nbytes + faces.truth.nbytes + faces.visible.nbytes) / len(faces.names) / MEGABYTE
    return seconds, [level - (number + 1) * batch_size * kept for number, level in enumerate(memory)]


class Timed:
    """An engine, and how many seconds it has run."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.info, self.seconds = engine, engine.info, 0.0

    def run(self, pixels: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        output = self.engine.run(pixels)
        self.seconds += time.perf_counter() - start
        return output


def bare(engine: Engine, batches: int, batch_size: int) -> float:
    """Seconds a face of the network alone."""
    pixels = np.zeros((batch_size, 256, 256, 3), np.uint8)
    start = time.perf_counter()
    for _ in range(batches):
        engine.run(pixels)
    return (time.perf_counter() - start) / batches / batch_size


def main() -> int:
    """Exit code 1 if it takes too long or memory grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=get_release("wflw").faces["test"][0])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    spec = choose(get_spec(NAME), decode="hrnet_official")
    engine = Timed(TorchEngine(HRNetV2(18, 98), spec.mean, spec.std, EngineSettings("cpu", threads=args.threads)))
    bare(engine, 2, args.batch_size)  # warms up
    with tempfile.TemporaryDirectory() as folder:
        make_release(Path(folder), args.faces)
        before = bare(engine, SAMPLE, args.batch_size)
        engine.seconds = 0.0
        seconds, memory = evaluate(Model(spec, engine), Path(folder), args.batch_size)
        inside = engine.seconds
        after = bare(engine, SAMPLE, args.batch_size)
    alone = args.faces * (before + after) / 2
    levels = [statistics.median(part) for part in np.array_split(memory, PARTS)]
    print(f"evaluation of {args.faces} faces, batches of {args.batch_size}, torch {torch.__version__}\n")
    print(f"| | s | of the network alone |\n| --- | --- | --- |\n| network alone | {alone:.1f} | 1.00 |")
    print(f"| evaluation | {seconds:.1f} | {seconds / alone:.2f} |")
    print(f"| of it in the network | {inside:.1f} | {inside / alone:.2f} |\n")
    tenths = ", ".join(f"{level:.0f}" for level in levels)
    print(f"memory beyond the kept points by tenths of the faces, medians, MB: {tenths}")
    return int(seconds > MOST_TIME * alone or levels[-1] > (1 + MOST_GROWTH) * levels[1])


if __name__ == "__main__":
    sys.exit(main())
