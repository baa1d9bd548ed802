"""Pack face pictures and their points into one file that training reads at once.

    python pack.py DATA OUT.npz [--labels labels.npz] [--faceless faceless.npz] [--side 256]

`DATA` holds `300w/` (`index.csv` with a column `val`, and `{afw,helen,lfpw}/train/*.{jpg,pts}`, points one-based),
`300w_test/{lfpw,helen}/test` and, optionally, `ytf68/` (`ytf68.csv`, zero-based).
Each face becomes a `--side` px square that covers 1.9 times the longer side of the tight box of its points,
which is all that the augmentation ever reads. Near-duplicates of validation and test faces are left out of training.
`labels.npz` of `pseudo_label.py` adds the split "pseudo": where its views disagree a point counts little, and a face
whose points disagree in the mean is left out. `faceless.npz` of `faceless.py` adds the split "faceless": parts of
photos that show no face, whose trust is `NO_FACE`.
"""

import argparse
import csv
import logging
from pathlib import Path

import cv2
import numpy as np

log = logging.getLogger("pack")
COVER = 1.9  # side of a packed square / longer side of the tight box
HASH_DISTANCE = 6  # of 64 bits: two faces this near are taken as the same photo
DOUBT = 0.03  # spread of a point in tight sides at which its weight is exp(-1)
NO_FACE = -1.0  # in place of the weight of a point
WORST = 0.03  # mean spread of the points from which a face is left out


def read_pts(path: Path) -> np.ndarray:
    """Zero-based points (68, 2) of a .pts file with or without header."""
    rows = [line.split() for line in path.read_text().splitlines()]
    numbers = [r for r in rows if len(r) == 2 and all(c.replace(".", "").replace("-", "").isdigit() for c in r)]
    points = np.array(numbers, dtype=np.float64) - 1.0
    if points.shape != (68, 2):
        raise ValueError(f"{path}: expected 68 points, found {points.shape}")
    return points


def pack_face(image: np.ndarray, points: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The square around a face (side, side, 3) and the points in it, pixel centres at whole numbers."""
    low, high = points.min(0), points.max(0)
    scale = side / (COVER * (high - low).max())
    offset = (side - 1) / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    crop = cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return crop, points * scale + offset


def perceptual_hash(crop: np.ndarray) -> np.ndarray:
    """64 bits of the low frequencies of the middle of a packed face."""
    margin = crop.shape[0] // 5
    grey = cv2.cvtColor(crop[margin:-margin, margin:-margin], cv2.COLOR_BGR2GRAY)
    low = cv2.dct(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32))[:8, :8].ravel()
    return low > np.median(low)


def list_300w(data: Path) -> list[tuple[str, Path, np.ndarray]]:
    """(split, picture, points) of the train faces of AFW, HELEN and LFPW, and of the test faces of HELEN and LFPW."""
    with open(data / "300w" / "index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if "/train/" in row["file"]]
    found = [("val" if row["val"] == "1" else "train", data / "300w" / row["file"]) for row in rows]
    for source in ("lfpw", "helen"):
        found += [("test", path) for path in sorted((data / "300w_test" / source / "test").glob("*.jpg"))]
    return [(split, path, read_pts(path.with_suffix(".pts"))) for split, path in found]


def list_ytf68(data: Path) -> list[tuple[str, Path, np.ndarray]]:
    """(split "extra", picture, points) of the YouTube Faces frames, if they are there."""
    table = data / "ytf68" / "ytf68.csv"
    if not table.exists():
        return []
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    axes = [[f"{axis}{i}" for axis in "xy"] for i in range(68)]
    return [
        ("extra", data / "ytf68" / row["file"], np.array([[float(row[a]) for a in pair] for pair in axes]))
        for row in rows
    ]


def list_labels(data: Path, labels: Path | None) -> list[tuple[str, Path, np.ndarray, np.ndarray]]:
    """Return (split "pseudo", picture, points, weights (68,)) of the faces labelled by networks."""
    if labels is None:
        return []
    with np.load(labels) as file:
        names, points, spreads = file["names"], file["points"], file["spreads"].astype(np.float32)
    trust = np.exp(-np.square(spreads / DOUBT))
    kept = np.flatnonzero(spreads.mean(1) < WORST)
    return [("pseudo", data / str(names[row]), points[row].astype(np.float64), trust[row]) for row in kept]


def list_faceless(data: Path, boxes: Path | None) -> list[tuple[str, Path, np.ndarray, np.ndarray]]:
    """Return (split "faceless", picture, an ellipse in the box in place of points, `NO_FACE` (68,))."""
    if boxes is None:
        return []
    with np.load(boxes) as file:
        names, places = file["names"], file["boxes"].astype(np.float64)
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1) / 2
    nothing = np.full(68, NO_FACE, np.float32)
    return [
        ("faceless", data / str(name), (box[:2] + box[2:]) / 2 + circle * (box[2:] - box[:2]), nothing)
        for name, box in zip(names, places, strict=True)
    ]


def looks_like_held_out(splits: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Mask of the faces whose hash is near that of a validation or test face."""
    held = hashes[np.isin(splits, ["val", "test"])]
    return (hashes[:, None, :] != held[None, :, :]).sum(-1).min(1) <= HASH_DISTANCE


def listed_duplicates(data: Path, held: set[str]) -> set[str]:
    """Faces that the data's own list pairs with one of `held` (names such as lfpw/train/image_0003)."""
    table = data / "300w_test" / "near_duplicates.csv"
    if not table.exists():
        return set()
    with open(table, newline="") as file:
        pairs = [(row["face_a"], row["face_b"]) for row in csv.DictReader(file)]
    return {a for a, b in pairs if b in held} | {b for a, b in pairs if a in held}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--faceless", type=Path)
    parser.add_argument("--side", type=int, default=256)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    sure = np.ones(68, np.float32)
    faces = [(*face, sure) for face in list_300w(args.data)]
    # The frames' own points are rough: a network's labels, where there are any, replace them.
    faces += list_labels(args.data, args.labels) or [(*face, sure) for face in list_ytf68(args.data)]
    faces += list_faceless(args.data, args.faceless)
    packed = [pack_face(cv2.imread(str(path)), points, args.side) for _, path, points, _ in faces]
    images = np.stack([image for image, _ in packed])[..., ::-1]
    points = np.stack([points for _, points in packed]).astype(np.float32)
    trust = np.stack([weights for *_, weights in faces])
    splits = np.array([split for split, *_ in faces])
    names = np.array([str(path.relative_to(args.data)) for _, path, *_ in faces])
    hashes = np.stack([perceptual_hash(image) for image, _ in packed])
    keys = np.array([name.split("/", 1)[1].removesuffix(".jpg") for name in names])
    is_training = np.isin(splits, ["train", "extra", "pseudo"])
    listed = listed_duplicates(args.data, set(keys[~is_training]))
    drop = is_training & (looks_like_held_out(splits, hashes) | np.isin(keys, list(listed)))
    log.info("left out as near-duplicates: %d", drop.sum())
    keep = ~drop
    arrays = {"images": images, "points": points, "trust": trust, "splits": splits, "names": names}
    np.savez(args.out, **{name: array[keep] for name, array in arrays.items()})
    for split in np.unique(splits):
        log.info("%s: %d faces", split, (splits[keep] == split).sum())


if __name__ == "__main__":
    main()
