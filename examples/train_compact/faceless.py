"""Collect parts of photos without faces, so that the landmark model can learn to give them low scores.

    python faceless.py DATA OUT.npz [--detector compact.onnx] [--most 4000]

`OUT.npz` holds `names` and `boxes` (tight, xyxy): what the detector takes for faces, from a low score on, and a box
anywhere in each photo. `pack.py --faceless` packs them. Nothing with `val` = 1 is looked at.
"""

import argparse
from pathlib import Path

import numpy as np
from detector_data import read_rgb, read_rows

from facelandmarks.detection.compact import CompactDetector

LEAST_SCORE = 0.1
SIDES = (0.1, 0.9)  # of the photo's shorter side: a box that is put anywhere


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--detector", type=Path, help="weights; default: those of the package")
    parser.add_argument("--most", type=int, default=4000, help="boxes")
    args = parser.parse_args()
    detector, rng = CompactDetector(weights=args.detector, threads=1), np.random.default_rng(0)
    folder = args.data / "faces_pack" / "noface"
    names, boxes, scores = [], [], []
    for row in read_rows(folder / "index.csv"):
        if row["val"] == "1":
            continue
        image = read_rgb(folder / row["file"])
        found = detector.detect(image, min_score=LEAST_SCORE)
        side = rng.uniform(*SIDES) * min(image.shape[:2])
        corner = rng.uniform(0, np.subtract(image.shape[1::-1], side))
        names += [str(Path("faces_pack/noface") / row["file"])] * (len(found.boxes) + 1)
        boxes += [*found.boxes, np.concatenate([corner, corner + side])]
        scores += [*found.scores, LEAST_SCORE * rng.random()]
    best = np.argsort(scores)[::-1][: args.most]
    np.savez_compressed(args.out, names=np.array(names)[best], boxes=np.array(boxes, np.float32)[best])
    print(f"{len(best)} boxes of {len(names)}")


if __name__ == "__main__":
    main()
