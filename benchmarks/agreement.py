"""How far the points of other engines and number types lie from float32 PyTorch's, on real faces.

python benchmarks/agreement.py DATA [--subset validation] [--model compact_300w] [--weights CHECKPOINT]

DATA is a folder with 300-W as `facelandmarks-eval --dataset 300w` takes it. Distances are in pixels of the pictures,
and errors in percent of the distance between the outer corners of the eyes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import facelandmarks as fl
from facelandmarks.engines.choose import RECORDS
from facelandmarks.evaluation.datasets import read
from facelandmarks.model import Model
from facelandmarks.results import Crops

OUTER_CORNERS = (36, 45)


def ways() -> Iterator[tuple[str, str]]:
    """Every engine in every number type; the first is the measure of the others."""
    yield "torch", "float32"
    for name, record in RECORDS.items():
        for dtype in record.dtypes:
            if (name, dtype) != ("torch", "float32"):
                yield name, dtype


def faces(model: Model, data: Path, subset: str) -> tuple[Crops, np.ndarray]:
    """Crops of labelled faces, and the labels (N, 68, 2)."""
    samples = list(read("300w", data, subset, allow_partial=True))
    boxes = [(*sample.points.min(0), *sample.points.max(0)) for sample in samples]
    crops = [model.prepare(sample.image, box) for sample, box in zip(samples, boxes, strict=True)]
    return Crops.join(crops), np.stack([sample.points for sample in samples])


def nme(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean error in percent; NaN for another scheme than that of the labels."""
    if points.shape != truth.shape:
        return float("nan")
    left, right = OUTER_CORNERS
    sizes = np.linalg.norm(truth[:, left] - truth[:, right], axis=-1)
    return float(100 * (np.linalg.norm(points - truth, axis=-1).mean(1) / sizes).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--subset", default="validation")
    parser.add_argument("--model", default="compact_300w")
    parser.add_argument("--weights", type=Path, metavar="CHECKPOINT")
    args = parser.parse_args()
    crops, truth, measure = None, None, None
    print("| engine | dtype | mean px | largest px | NME % |\n| --- | --- | --- | --- | --- |")
    for engine, dtype in ways():
        try:
            model = fl.load_model(args.model, engine=engine, dtype=dtype, device="cpu", weights=args.weights)
        except (fl.MissingDependencyError, fl.InvalidOptionError) as error:
            print(f"| {engine} | {dtype} | {error} | | |")
            continue
        if crops is None:
            crops, truth = faces(model, args.data, args.subset)
        points = model.infer(crops).points
        measure = points if measure is None else measure
        apart = np.linalg.norm(points.astype(np.float64) - measure, axis=-1)
        print(f"| {engine} | {dtype} | {apart.mean():.5f} | {apart.max():.4f} | {nme(points, truth):.4f} |", flush=True)


if __name__ == "__main__":
    main()
