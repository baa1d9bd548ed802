"""The training images of the detector, decoded once: all pixels in one memory-mapped file, the labels beside it.

    python detector_cache.py DATA CACHE

Writes `CACHE/pixels.npy` and `CACHE/labels.npz`. Reading costs nothing until a photo is drawn, and processes share it.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import detector_data as source
import numpy as np
from detector_data import Photo

# Whole photos with many small faces, masks, and old pictures are what the detector has most to learn from.
GROUP_SHARES = {"wider": 1.6, "mask": 1.8, "historic": 2.0, "portrait": 0.4, "site": 0.9, "fashion": 0.7, "coco": 1.3}
LEVELS = 4
FACES = ("faces", "unsure", "points", "weights")


@dataclass
class Pool:
    """Photos by their kind."""

    photos: dict[str, list[Photo]]


def kinds(data: Path) -> dict[str, Iterator[Photo]]:
    """Return the training photos by kind, not yet read."""
    return {
        "pack": source.load_pack(data / "faces_pack" / "photos", GROUP_SHARES),
        "large": source.load_large(data),
        "scene": source.load_scenes(data),
        "crop": source.load_crops(data),
        "frame": source.load_frames(data),
        "plain": source.load_faceless(data, "plain"),
        "hard": source.load_faceless(data, "hard"),
    }


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes at which an image is kept: as it is, then in halves."""
    return [(max(1, height >> level), max(1, width >> level)) for level in range(LEVELS)]


def with_levels(photo: Photo) -> Photo:
    levels = [photo.image]
    for height, width in level_sizes(*photo.image.shape[:2])[1:]:
        levels.append(cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_AREA))
    return replace(photo, levels=tuple(levels))


def write(data: Path, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    labels: dict[str, np.ndarray] = {}
    with (cache / "pixels.npy").open("wb") as file:
        for kind, photos in kinds(data).items():
            shapes, shares = [], []
            columns: dict[str, list[np.ndarray]] = {name: [] for name in FACES}
            for photo in map(with_levels, photos):
                for level in photo.levels:
                    file.write(level.tobytes())
                shapes.append(photo.image.shape[:2])
                shares.append(photo.share)
                for name in FACES:
                    columns[name].append(getattr(photo, name))
            labels |= {f"{kind}.shapes": np.array(shapes), f"{kind}.shares": np.array(shares)}
            for name in FACES:
                labels[f"{kind}.{name}"] = np.concatenate(columns[name])
                labels[f"{kind}.{name}.counts"] = np.array([len(part) for part in columns[name]])
            print(f"{kind}: {len(shapes)} photos, {len(labels[f'{kind}.faces'])} faces")
    np.savez(cache / "labels.npz", **labels)


def read(cache: Path) -> Pool:
    pixels = np.memmap(cache / "pixels.npy", np.uint8, "r")
    with np.load(cache / "labels.npz") as file:
        labels = dict(file)
    photos: dict[str, list[Photo]] = {}
    start = 0
    for kind in [name.removesuffix(".shapes") for name in labels if name.endswith(".shapes")]:
        columns = {
            name: np.split(labels[f"{kind}.{name}"], np.cumsum(labels[f"{kind}.{name}.counts"])[:-1]) for name in FACES
        }
        photos[kind] = []
        for i, (height, width) in enumerate(labels[f"{kind}.shapes"].tolist()):
            levels = []
            for rows, wide in level_sizes(height, width):
                levels.append(np.asarray(pixels[start : start + rows * wide * 3].reshape(rows, wide, 3)))
                start += rows * wide * 3
            share = float(labels[f"{kind}.shares"][i])
            photo = Photo(levels[0], *(columns[name][i] for name in FACES), share, tuple(levels))
            photos[kind].append(photo)
    return Pool(photos)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path)
    args = parser.parse_args()
    write(args.data, args.cache)


if __name__ == "__main__":
    main()
