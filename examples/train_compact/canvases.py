"""Random canvases for the detector's training: grids of random views of photos, with the boxes in them."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from augment import Rng, add_noise, chance, recolour
from detector_cache import Pool
from detector_data import Photo, boxes_around

KIND_SHARES = {"pack": 0.46, "large": 0.05, "scene": 0.09, "crop": 0.12, "frame": 0.01, "plain": 0.10, "hard": 0.17}
FACELESS = ("plain", "hard")
LEAST_SIDE = 7.5  # pixels of the canvas: smaller faces are neither faces nor background
SMALL = (9.0, 36.0)  # pixels: half of the views are made for a face of this size
FILLED = 0.85  # a photo is not made smaller than this share of the tile's side; finer grids give the small faces
MOST_ENLARGED = 2.6
MODES = (0.55, 0.1, 0.35)  # a part of what a detector's look sees, the whole photo, a face at a size drawn for it
LOOK, LOOK_ENLARGED = 640, 2.0  # pixels of the longer side that a detector looks at; the second look is at half of it
LEAST_VISIBLE = 0.55  # share of a face's box inside its tile, below which it is neither
OVERFULL = 1.3  # tile sides: the largest face
DOUBTED = 0.5  # weight of background beside labelled faces: some faces there have no label
MIRRORED = [1, 0, 2, 4, 3]  # the five points in a mirror


@dataclass
class View:
    """A part of a canvas, or all of it."""

    pixels: np.ndarray  # (H, W, 3) uint8 RGB
    faces: np.ndarray  # (F, 4) xyxy in pixels
    points: np.ndarray  # (F, 5, 2), NaN where unknown
    weights: np.ndarray  # (F,) how much a face counts
    doubts: np.ndarray  # (D, 5) regions xyxy, and how much background in them counts

    def moved(self, x: int, y: int) -> "View":
        """Return the view with its labels as they lie on a canvas, with its top left at (x, y)."""
        shift = np.float32([x, y])
        doubts = self.doubts + np.float32([x, y, x, y, 0])
        return View(self.pixels, self.faces + np.tile(shift, 2), self.points + shift, self.weights, doubts)


class Drawer:
    """Draws photos of a pool: a kind by its share, then a photo of it by its own."""

    def __init__(self, pool: Pool, shares: dict[str, float] = KIND_SHARES) -> None:
        self.pool, self.kinds = pool, list(shares)
        self.kind_shares = np.cumsum(list(shares.values())) / sum(shares.values())
        self.cumulated = {kind: np.cumsum([photo.share for photo in pool.photos[kind]]) for kind in self.kinds}

    def draw(self, rng: Rng, kind: str | None = None) -> Photo:
        if kind is None:
            kind = self.kinds[int(np.searchsorted(self.kind_shares, rng.random()))]
        cumulated = self.cumulated[kind]
        place = np.searchsorted(cumulated, rng.random() * cumulated[-1])
        return self.pool.photos[kind][min(int(place), len(cumulated) - 1)]


def target_side(rng: Rng, width: int, height: int) -> float:
    """Draw the size that a face is to have on a tile, in pixels."""
    largest = OVERFULL * min(width, height)
    low, high = SMALL if chance(rng, 0.5) and largest > SMALL[1] else (min(SMALL[0], largest / 3), largest)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def view_matrix(rng: Rng, photo: Photo, width: int, height: int, turned: bool) -> np.ndarray:
    """Draw the 2x3 matrix from photo to tile: a part of what a look sees, the whole photo, or a face at any size."""
    high, wide = photo.image.shape[:2]
    angle = np.deg2rad(rng.uniform(-32, 32) if turned else rng.normal(0, 4))
    place = rng.uniform(0.12, 0.88, 2)
    fitted = min(width / wide, height / high)
    anchor, side = rng.uniform(0, 1, 2) * (wide, high), 0.0
    if len(photo.faces) and not chance(rng, 0.06):
        box = boxes_around(photo.faces[rng.integers(len(photo.faces))][None])[0]
        anchor, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    mode = rng.choice(3, p=MODES)
    looked = min(LOOK / max(wide, high), LOOK_ENLARGED) * (1 / 3 if chance(rng, 0.25) else 1.0)
    looked *= np.exp(rng.normal(0, 0.18))
    if mode == 0 and looked * side < OVERFULL * min(width, height):
        scale = looked
    elif mode == 1:
        anchor, place = np.array([wide, high]) / 2, 0.5 + (place - 0.5) * 0.3
        scale = min(fitted * np.exp(rng.uniform(-0.1, 0.6)), MOST_ENLARGED)
    elif side:
        scale = np.clip(target_side(rng, width, height) / side, FILLED * fitted, MOST_ENLARGED)
    else:
        scale = max(width / wide, height / high) * np.exp(rng.uniform(-0.5, 1.1))
    # A face larger than half of the tile is seen in its middle rather than cut.
    place = 0.5 + (place - 0.5) * np.clip(2 - 2 * scale * side / min(width, height), 0.15, 1)
    stretch = np.exp(rng.uniform(-0.1, 0.1))
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    mirror = -1.0 if chance(rng, 0.5) else 1.0
    linear = np.array([[cos * stretch * mirror, -sin], [sin * mirror, cos / stretch]])
    return np.column_stack([linear, place * (width, height) - linear @ anchor])


def shrunk(photo: Photo, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the level of the photo that bilinear sampling can take to `scale`, and its factors (x, y)."""
    level = min(int(np.clip(np.log2(1 / scale) + 0.35, 0, 9)), len(photo.levels) - 1)
    small = photo.levels[level]
    return small, np.divide(small.shape[1::-1], photo.image.shape[1::-1])


def backdrop(rng: Rng, drawer: Drawer, width: int, height: int) -> np.ndarray:
    """Make what shows beside a photo that does not fill its tile: another photo, a colour, or black."""
    kind = rng.choice(3, p=[0.4, 0.2, 0.4])
    if kind == 0:
        image = drawer.draw(rng, "plain").image
        top, left = rng.integers(image.shape[0] // 2), rng.integers(image.shape[1] // 2)
        return cv2.resize(image[top:, left:], (width, height), interpolation=cv2.INTER_AREA)
    colour = rng.integers(0, 256, 3) if kind == 1 else np.zeros(3)
    return np.broadcast_to(colour.astype(np.uint8), (height, width, 3)).copy()


def view(rng: Rng, drawer: Drawer, photo: Photo, width: int, height: int) -> View:
    """Make a tile of a photo."""
    matrix = view_matrix(rng, photo, width, height, chance(rng, 0.3))
    small, factors = shrunk(photo, float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    from_small = np.column_stack([matrix[:, :2] / factors, matrix[:, 2] + matrix[:, :2] @ (0.5 / factors - 0.5)])
    faceless = not len(photo.faces)
    if faceless and chance(rng, 0.5):
        border, tile = cv2.BORDER_REFLECT_101, None
    else:
        border, tile = cv2.BORDER_TRANSPARENT, backdrop(rng, drawer, width, height)
    tile = cv2.warpAffine(small, from_small, (width, height), tile, flags=cv2.INTER_LINEAR, borderMode=border)
    if faceless:
        nothing = np.zeros((0, 5), np.float32)
        return View(tile, nothing[:, :4], np.zeros((0, 5, 2), np.float32), nothing[:, 0], nothing)
    return labelled(rng, drawer, photo, matrix, tile)


def labelled(rng: Rng, drawer: Drawer, photo: Photo, matrix: np.ndarray, tile: np.ndarray) -> View:
    """Add the labels of a photo to the tile that `matrix` made of it."""
    height, width = tile.shape[:2]
    faces, unsure = (boxes_around(o @ matrix[:, :2].T + matrix[:, 2]) for o in (photo.faces, photo.unsure))
    seen = visible(faces, width, height)
    clear = (seen >= LEAST_VISIBLE) & ((faces[:, 2:] - faces[:, :2]).max(1) >= LEAST_SIDE)
    unclear = np.concatenate([faces[~clear & (seen > 0.02)], unsure[visible(unsure, width, height) > 0.02]])
    unclear = np.clip(unclear, 0, np.float32([width, height, width, height]))
    doubts = np.concatenate([np.column_stack([unclear, np.zeros(len(unclear))]), [[0, 0, width, height, DOUBTED]]])
    points = (photo.points[clear] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    if np.linalg.det(matrix[:, :2]) < 0:
        points = points[:, MIRRORED]
    for box in faces[clear]:
        if chance(rng, 0.1):
            hide(rng, drawer, tile, box)
    return View(tile, faces[clear], points, photo.weights[clear], doubts.astype(np.float32))


def hide(rng: Rng, drawer: Drawer, tile: np.ndarray, box: np.ndarray) -> None:
    """Put something in front of a part of a face, in place: strands of one colour, or a patch of another photo."""
    high, wide = tile.shape[:2]
    x1, y1, x2, y2 = box
    side = max(x2 - x1, y2 - y1)
    if chance(rng, 0.4):
        colour = rng.integers(0, 90, 3).tolist()
        for _ in range(int(rng.integers(2, 9))):
            top, bottom = rng.uniform(x1, x2, 2) + rng.normal(0, 0.08 * side)
            ends = np.round([(top, y1 - 0.4 * side), (bottom, y2 + 0.2 * side)]).astype(int).tolist()
            cv2.line(tile, *ends, colour, max(1, round(side * rng.uniform(0.01, 0.06))), cv2.LINE_AA)
        return
    other = drawer.draw(rng, "plain" if chance(rng, 0.6) else "crop").image
    size = np.maximum(2, rng.uniform(0.15, 0.55, 2) * side).astype(int)
    left, top = (rng.uniform((x1, y1), (x2, y2)) - size / 2).astype(int)
    area = tile[max(0, top) : min(high, top + size[1]), max(0, left) : min(wide, left + size[0])]
    if area.size:
        start = [rng.integers(n - n // 3) for n in other.shape[:2]]
        part = other[
            start[0] : start[0] + max(2, other.shape[0] // 3), start[1] : start[1] + max(2, other.shape[1] // 3)
        ]
        area[:] = cv2.resize(part, area.shape[1::-1])


def visible(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the share (N,) of each box that lies in the tile."""
    inside = np.minimum(boxes[:, 2:], (width, height)) - np.maximum(boxes[:, :2], 0)
    return inside.clip(0).prod(1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-6)


def cuts(rng: Rng, size: int, tiles: int) -> list[int]:
    """Draw the borders of `tiles` tiles along a side, away from equal by at most a quarter tile."""
    even = np.arange(1, tiles) * size / tiles
    return [0, *(even + rng.uniform(-0.25, 0.25, tiles - 1) * size / tiles).astype(int).tolist(), size]


def degrade(rng: Rng, canvas: np.ndarray) -> np.ndarray:
    """Put out of focus, make small and large again, or compress."""
    kind = rng.choice(4, p=[0.62, 0.12, 0.13, 0.13])
    size = canvas.shape[1::-1]
    if kind == 1:
        return cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.6))
    if kind == 2:
        small = [int(side * rng.uniform(0.4, 0.9)) for side in size]
        return cv2.resize(cv2.resize(canvas, small, interpolation=cv2.INTER_AREA), size)
    if kind == 3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))]
        return cv2.imdecode(cv2.imencode(".jpg", canvas, quality)[1], cv2.IMREAD_COLOR)
    return canvas


def darken(rng: Rng, canvas: np.ndarray) -> np.ndarray:
    """Take most of the light away, as at night or against it."""
    level = np.linspace(0, 1, 256) ** rng.uniform(1.0, 2.0) * rng.uniform(0.12, 0.6)
    return cv2.LUT(canvas, (level * 255).astype(np.uint8))


def canvas_of(rng: Rng, drawer: Drawer, size: int) -> View:
    """Make a canvas (size, size, 3): a grid of random views, coarser the smaller the canvas is."""
    canvas = np.empty((size, size, 3), np.uint8)
    shares = [0.45, 0.35, 0.2, 0.0] if size < 300 else [0.4, 0.32, 0.2, 0.08]
    tiles = int(rng.choice([1, 2, 3, 4], p=shares))
    columns, rows = cuts(rng, size, tiles), cuts(rng, size, tiles)
    parts = []
    for x, right in pairwise(columns):
        for y, bottom in pairwise(rows):
            part = view(rng, drawer, drawer.draw(rng), right - x, bottom - y)
            canvas[y:bottom, x:right] = part.pixels
            parts.append(part.moved(x, y))
    canvas = degrade(rng, canvas)
    canvas = darken(rng, canvas) if chance(rng, 0.07) else recolour(rng, canvas)
    canvas = add_noise(rng, canvas) if chance(rng, 0.1) else canvas
    names = ("faces", "points", "weights", "doubts")
    return View(canvas, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))
