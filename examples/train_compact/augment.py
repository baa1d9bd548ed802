"""Random views of a packed face: one warp, one colour table, blur, noise and things in front of the face.

Everything is drawn from one generator a sample, so that a run is repeatable whatever the number of workers.
Coordinates are those of MMPose's classic crop: the middle of the box falls on index `size / 2`,
not on `(size - 1) / 2`.
"""

import cv2
import numpy as np
from pack import COVER

PADDING = 1.25  # crop side / longer side of the tight box, at inference
Rng = np.random.Generator


def chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def crop_matrix(rng: Rng, packed_side: int, size: int, easy: bool) -> np.ndarray:
    """The 2x3 matrix from crop pixels to packed pixels: the box as a detector would give it, turned and stretched."""
    angle = np.deg2rad(rng.uniform(-35, 35) if not easy and chance(rng, 0.6) else rng.normal(0, 4))
    zoom = np.exp(np.clip(rng.normal(0, 0.09), -0.25, 0.25))
    shift = np.clip(rng.normal(0, 0.045, 2), -0.13, 0.13)
    stretch = np.exp(rng.uniform(-0.12, 0.12)) if not easy and chance(rng, 0.3) else 1.0
    side = packed_side / COVER * PADDING * zoom / size  # packed pixels per crop pixel
    cos, sin = np.cos(angle) * side, np.sin(angle) * side
    linear = np.array([[cos * stretch, -sin / stretch], [sin * stretch, cos / stretch]])
    middle = (packed_side - 1) / 2 + shift * size * side
    return np.column_stack([linear, middle - linear @ [size / 2, size / 2]])


def bend(rng: Rng, size: int) -> np.ndarray:
    """A smooth displacement (size, size, 2) in crop pixels: other proportions, a little turning of the head."""
    coarse = np.zeros((5, 5, 2), np.float32)
    if chance(rng, 0.5):
        coarse += rng.normal(0, 0.022 * size, coarse.shape).astype(np.float32)
    if chance(rng, 0.3):
        across = np.linspace(-1, 1, 5, dtype=np.float32)
        coarse[..., 0] += rng.uniform(-0.09, 0.09) * size * (1 - across**2)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def warp(rng: Rng, image: np.ndarray, points: np.ndarray, size: int, easy: bool) -> tuple[np.ndarray, np.ndarray]:
    """The crop (size, size, 3) and the points in it."""
    matrix = crop_matrix(rng, image.shape[0], size, easy)
    shift = np.zeros((size, size, 2), np.float32) if easy else bend(rng, size)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).astype(np.float32) + shift
    source = grid @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
    border = cv2.BORDER_CONSTANT if chance(rng, 0.7) else cv2.BORDER_REPLICATE
    crop = cv2.remap(image, source, None, cv2.INTER_LINEAR, borderMode=border)
    target = ((points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).astype(np.float32)
    moved = target
    for _ in range(4):  # p + shift(p) = target has no closed form; the shift is smooth, so this settles at once
        moved = target - cv2.remap(shift, moved[:, None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
    return crop, moved


def flip(crop: np.ndarray, points: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flipped = points[mirror].copy()
    flipped[:, 0] = crop.shape[1] - 1 - flipped[:, 0]
    return np.ascontiguousarray(crop[:, ::-1]), flipped


def degrade(rng: Rng, crop: np.ndarray) -> np.ndarray:
    """Out of focus, small, or compressed."""
    size = crop.shape[0]
    kind = rng.choice(4, p=[0.70, 0.12, 0.10, 0.08])
    if kind == 1:
        return cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 2.2) * size / 128)
    if kind == 2:
        small = max(8, int(size * rng.uniform(0.2, 0.7)))
        return cv2.resize(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA), (size, size))
    if kind == 3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 60))]
        return cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR)
    return crop


def cover(rng: Rng, crop: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Something in front: a rectangle or ellipse of flat colour, noise or another picture."""
    size = crop.shape[0]
    width, height = (rng.uniform(0.12, 0.42, 2) * size).astype(int)
    x, y = rng.integers(0, size - width), rng.integers(0, size - height)
    mask = np.zeros((height, width), np.uint8)
    if chance(rng, 0.5):
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 255, -1)
    else:
        mask[:] = 255
    kind = rng.integers(3)
    if kind == 0:
        fill = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (height, width, 3))
    elif kind == 1:
        fill = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    else:
        top, left = rng.integers(0, other.shape[0] - height), rng.integers(0, other.shape[1] - width)
        fill = other[top : top + height, left : left + width]
    region = crop[y : y + height, x : x + width]
    region[mask > 0] = fill[mask > 0]
    return crop


def recolour(rng: Rng, crop: np.ndarray) -> np.ndarray:
    """Exposure, contrast, tint and greyness, as one table a channel."""
    if chance(rng, 0.35):
        grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        amount = 1.0 if chance(rng, 0.4) else rng.uniform(0, 1)
        crop = cv2.addWeighted(crop, 1 - amount, grey, amount, 0)
    level = np.repeat(np.linspace(0, 1, 256)[:, None], 3, axis=1)
    if chance(rng, 0.4):
        level = level ** np.exp(rng.uniform(-0.5, 0.7))
    if chance(rng, 0.5):
        level = level * (1 + rng.uniform(-0.2, 0.2, 3))
    if chance(rng, 0.7):
        level = (level - 0.45) * (1 + rng.uniform(-0.4, 0.4)) + 0.45
    if chance(rng, 0.7):
        level = level + rng.uniform(-0.25, 0.25)
    table = (level.clip(0, 1) * 255).round().astype(np.uint8)
    return cv2.LUT(crop, table.reshape(1, 256, 3))


def add_noise(rng: Rng, crop: np.ndarray) -> np.ndarray:
    noise = rng.standard_normal(crop.shape, dtype=np.float32) * rng.uniform(0, 8)
    return (crop + noise).clip(0, 255).astype(np.uint8)


def augment(
    rng: Rng, image: np.ndarray, points: np.ndarray, other: np.ndarray, size: int, mirror: np.ndarray, easy: float
) -> tuple[np.ndarray, np.ndarray]:
    """A random view: uint8 crop (size, size, 3) RGB and its points (K, 2) in crop pixels.

    A share `easy` of the views is moved as a detector's box would move it and mirrored, but not spoilt.
    """
    is_easy = chance(rng, easy)
    crop, points = warp(rng, image, points, size, is_easy)
    if chance(rng, 0.5):
        crop, points = flip(crop, points, mirror)
    if is_easy:
        return crop, points
    crop = degrade(rng, crop)
    if chance(rng, 0.45):
        for _ in range(2 if chance(rng, 0.3) else 1):
            crop = cover(rng, crop, other)
    crop = recolour(rng, crop)
    return (add_noise(rng, crop) if chance(rng, 0.2) else crop), points


def plain(image: np.ndarray, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The view that `predict` would make of a face with its tight box."""
    side = image.shape[0] / COVER * PADDING / size
    offset = (image.shape[0] - 1) / 2 - side * size / 2
    matrix = np.array([[side, 0, offset], [0, side, offset]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (size, size), flags=flags), ((points - offset) / side).astype(np.float32)
