"""What an evaluation takes beyond its network: time against the bare network at the same batch size, and memory.

python benchmarks/bench_evaluation.py [--faces 256] [--batch-size 16] [--threads 2]

A release of WFLW's size of pictures is made of one photo; HRNetV2-W18 has random weights, as neither speed nor memory
needs others.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch

from facelandmarks.engines.torch import TorchEngine
from facelandmarks.evaluation.datasets import read
from facelandmarks.evaluation.protocols import WFLW_OFFICIAL
from facelandmarks.evaluation.stream import face_key, predict_faces
from facelandmarks.model import Model
from facelandmarks.nn.hrnet import HRNetV2
from facelandmarks.pipeline import choose
from facelandmarks.zoo import get_spec

PICTURE = (1024, 1024)  # WFLW's are 1024 wide
PICTURES = 50  # files; faces share them, as reading one is what takes time
MEGABYTE = 2**20


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
    """Seconds of all faces, and memory after each batch."""
    samples = ((face_key(s, "original"), s) for s in read("wflw", root, "test", form="original", allow_partial=True))
    start = time.perf_counter()
    batches = predict_faces(model, WFLW_OFFICIAL, samples, {}, batch_size=batch_size, workers=4)
    memory = [resident() for _ in batches]
    return time.perf_counter() - start, memory


def bare(model: Model, faces: int, batch_size: int) -> float:
    """Seconds of the network alone."""
    pixels = np.zeros((batch_size, 256, 256, 3), np.uint8)
    start = time.perf_counter()
    for first in range(0, faces, batch_size):
        model.engine.run(pixels[: faces - first])
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    spec = choose(get_spec("hrnetv2_w18_wflw_official"), decode="hrnet_official")
    network = HRNetV2(18, 98).eval()
    model = Model(spec, TorchEngine(network, spec.mean, spec.std, device="cpu", threads=args.threads))
    bare(model, 2 * args.batch_size, args.batch_size)  # warms up
    with tempfile.TemporaryDirectory() as folder:
        make_release(Path(folder), args.faces)
        before = bare(model, args.faces, args.batch_size)
        seconds, memory = evaluate(model, Path(folder), args.batch_size)
        after = bare(model, args.faces, args.batch_size)
    alone = (before + after) / 2
    early, late = memory[len(memory) // 4], memory[-1]
    print(f"evaluation of {args.faces} faces, batches of {args.batch_size}, torch {torch.__version__}\n")
    print(f"| | s | of the network alone |\n| --- | --- | --- |\n| network alone | {alone:.1f} | 1.00 |")
    print(f"| evaluation | {seconds:.1f} | {seconds / alone:.2f} |\n")
    print(f"memory: {early:.0f} MB after a quarter of the faces, {late:.0f} MB at the end")


if __name__ == "__main__":
    main()
