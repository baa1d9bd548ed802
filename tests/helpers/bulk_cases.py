"""What the tests of many pictures share: small pictures, and rows of each kind of file."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import skimage.data

BROKEN = ("broken.jpg", "empty.png")


def make_pictures(folder, count):
    """A folder of faces of several sizes, pictures without a face, and broken files, in two levels; the paths."""
    face = skimage.data.astronaut()[30:240, 110:330, ::-1]
    (folder / "more").mkdir(parents=True)
    for number in range(count):
        side = 60 + 4 * (number % 9)
        picture = np.full((40, 50, 3), number % 256, np.uint8) if number % 5 == 3 else cv2.resize(face, (side, side))
        place = folder / "more" if number % 2 else folder
        cv2.imwrite(str(place / f"p{number:03}.png"), picture)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (folder / "more" / "empty.png").write_bytes(b"")
    return sorted(str(path) for path in folder.glob("*.*")) + sorted(str(path) for path in folder.glob("more/*"))


def read_jsonl(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def read_csv(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def key(row):
    """The picture and the face in it."""
    return row["image"], row["face"]
