"""Measure a model on your own photos, with points beside them, as `name.jpg` and `name.pts`.

    python examples/evaluation.py FOLDER [--model NAME] [--boxes labels|detector]

Points are in the form and count of 300-W: `.pts` files that count pixels from 1. The error is the NME: mean distance of
the points over the distance of the two points that the scheme divides by, in percent. `facelandmarks-eval` measures
published models on published datasets by the protocols of their authors; this shows the parts it is made of.
"""

import argparse
from pathlib import Path

import numpy as np

import facelandmarks as fl
from facelandmarks.boxes import tight_boxes
from facelandmarks.evaluation.datasets.files import read_pts
from facelandmarks.evaluation.metrics import bootstrap_interval, distances, normalised, point_pair

COUNTS_FROM = 1
FAILED = 0.08  # the usual limit for the share of failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="compact_300w")
    parser.add_argument("--boxes", choices=("labels", "detector"), default="labels")
    args = parser.parse_args()

    model = fl.load_model(args.model)
    photos = sorted(path for path in args.folder.rglob("*.jpg") if path.with_suffix(".pts").is_file())
    truth = np.array([read_pts(path.with_suffix(".pts"))[0] - COUNTS_FROM for path in photos])
    by_label = args.boxes == "labels"
    results = [predict(model, photo, points, by_label) for photo, points in zip(photos, truth, strict=True)]
    found = np.array([points is not None for points in results], bool)
    points = np.array([points for points in results if points is not None])
    print(f"{args.model}: {found.sum()} of {len(photos)} faces, boxes of the {args.boxes}")
    if not found.any():
        return
    errors = normalised(distances(points, truth[found]), point_pair(truth[found], model.scheme.normaliser)).mean(axis=1)
    low, high = bootstrap_interval(lambda drawn: errors[drawn].mean(), len(errors))
    print(f"NME {errors.mean():.2%} (95 % of bootstrap samples: {low:.2%} to {high:.2%})")
    print(f"faces off by more than {FAILED:.0%}, or not found: {(errors > FAILED).sum() + (~found).sum()}")


def predict(model, photo, truth, by_label):
    """Points (K, 2) of the labelled face, or None where no face is found at its place."""
    if by_label:
        return model.predict(photo, tight_boxes(truth[None]), box_convention="tight").points[0]
    faces = model.predict(photo)
    off = np.linalg.norm(faces.points.mean(axis=1) - truth.mean(axis=0), axis=-1)
    near = off < np.ptp(truth, axis=0).max() / 2
    return faces.points[np.where(near, off, np.inf).argmin()] if near.any() else None


if __name__ == "__main__":
    main()
