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
TINY = 0.14  # share of views in which the face has some 9 to 30 pixels
EASY, NORMAL, HARD = range(3)  # how far a view is from what a detector gives of a well taken photo


def chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def crop_matrix(rng: Rng, packed_side: int, size: int, effort: int) -> np.ndarray:
    """Return the 2x3 matrix from crop pixels to packed pixels: the box as a detector gives it, turned, stretched."""
    if effort == HARD:
        angle = np.deg2rad(rng.uniform(-45, 45))
    else:
        angle = np.deg2rad(rng.uniform(-35, 35) if effort and chance(rng, 0.5) else rng.normal(0, 4))
    spread = 1.4 if effort == HARD else 1.0
    zoom = np.exp(np.clip(rng.normal(0, 0.09 * spread), -0.3, 0.3))
    shift = np.clip(rng.normal(0, 0.045 * spread, 2), -0.15, 0.15)
    stretch = np.exp(rng.uniform(-0.12, 0.12)) if effort and chance(rng, 0.3) else 1.0
    side = packed_side / COVER * PADDING * zoom / size  # packed pixels per crop pixel
    cos, sin = np.cos(angle) * side, np.sin(angle) * side
    linear = np.array([[cos * stretch, -sin / stretch], [sin * stretch, cos / stretch]])
    middle = (packed_side - 1) / 2 + shift * size * side
    return np.column_stack([linear, middle - linear @ [size / 2, size / 2]])


def bend(rng: Rng, size: int) -> np.ndarray:
    """Return a smooth displacement (size, size, 2) in crop pixels: other proportions, a little turning of the head."""
    coarse = np.zeros((5, 5, 2), np.float32)
    if chance(rng, 0.5):
        coarse += rng.normal(0, 0.022 * size, coarse.shape).astype(np.float32)
    if chance(rng, 0.3):
        across = np.linspace(-1, 1, 5, dtype=np.float32)
        coarse[..., 0] += rng.uniform(-0.09, 0.09) * size * (1 - across**2)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def turn(rng: Rng, points: np.ndarray, size: int) -> np.ndarray:
    """Return the displacement (size, size, 2) of a turned or nodding head.

    The head is a paraboloid with a nose on it; what is nearer to the viewer moves further, and a yaw narrows the whole.
    `points` (68, 2) in crop pixels tell where the head is and how it stands.
    """
    low, high = points.min(0), points.max(0)
    middle, reach = (low + high) / 2, 0.62 * (high - low).max()
    down = points[8] - points[27]
    down = down / max(float(np.hypot(*down)), 1e-6)
    across = np.array([down[1], -down[0]])
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).astype(np.float32) - middle
    u, v = grid @ across / reach, grid @ down / (1.15 * reach)
    nose = (points[30] - middle) @ np.stack([across, down], 1) / (reach, 1.15 * reach)
    depth = (1 - u**2 - v**2).clip(0) + 0.22 * np.exp(-((u - nose[0]) ** 2 + (v - nose[1]) ** 2) / 0.05)
    yaw = rng.uniform(0.12, 0.34) * (1 if chance(rng, 0.5) else -1) if chance(rng, 0.8) else 0.0
    pitch = rng.uniform(-0.16, 0.16) if not yaw or chance(rng, 0.4) else 0.0
    narrowing = np.exp(-0.7 * (u**2 + v**2)) * u * (2.2 * yaw**2)
    field = across * (yaw * depth + narrowing)[..., None] + down * (pitch * depth)[..., None]
    return (field * reach).astype(np.float32)


def warp(rng: Rng, image: np.ndarray, points: np.ndarray, size: int, effort: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop (size, size, 3) and the points in it."""
    matrix = crop_matrix(rng, image.shape[0], size, effort)
    target = ((points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).astype(np.float32)
    if effort == HARD and chance(rng, 0.6):
        shift = turn(rng, target, size)
    else:
        shift = bend(rng, size) if effort else np.zeros((size, size, 2), np.float32)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).astype(np.float32) + shift
    source = grid @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
    border = cv2.BORDER_CONSTANT if chance(rng, 0.7) else cv2.BORDER_REPLICATE
    crop = cv2.remap(image, source, None, cv2.INTER_LINEAR, borderMode=border)
    moved = target
    for _ in range(12):  # p + shift(p) = target has no closed form; half steps settle for steep fields too
        there = cv2.remap(shift, moved[:, None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
        moved = moved + 0.7 * (target - there - moved)
    return crop, moved


def flip(crop: np.ndarray, points: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flipped = points[mirror].copy()
    flipped[:, 0] = crop.shape[1] - 1 - flipped[:, 0]
    return np.ascontiguousarray(crop[:, ::-1]), flipped


def degrade(rng: Rng, crop: np.ndarray, effort: int) -> np.ndarray:
    """Return the crop out of focus, moved, small, or compressed."""
    size = crop.shape[0]
    kind = rng.choice(5, p=[0.70, 0.12, 0.10, 0.08, 0.0] if effort == NORMAL else [0.45, 0.16, 0.2, 0.09, 0.1])
    if kind == 1:
        return cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 2.2 if effort == NORMAL else 3.5) * size / 128)
    if kind == 2:
        small = max(8, int(size * rng.uniform(0.2 if effort == NORMAL else 0.11, 0.7)))
        return cv2.resize(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA), (size, size))
    if kind == 3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 60))]
        return cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR)
    if kind == 4:
        length = int(rng.integers(3, max(4, size // 12)))
        line = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        ends = length / 2 + np.outer([-0.5, 0.5], [np.cos(angle), np.sin(angle)]) * length
        cv2.line(line, *(tuple(int(c) for c in end) for end in ends), 1.0)
        return cv2.filter2D(crop, -1, line / max(line.sum(), 1.0))
    return crop


def shrink(rng: Rng, crop: np.ndarray) -> np.ndarray:
    """Return the crop as of a face of few pixels, which is blurred and seldom without traces of compression."""
    size = crop.shape[0]
    small = int(size * np.exp(rng.uniform(np.log(0.09), np.log(0.3))))
    crop = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    if chance(rng, 0.5):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))]
        crop = cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR)
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR)


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


def wear(rng: Rng, crop: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the crop with what people wear or hold: a mask, dark glasses, fingers, or a thing over one side."""
    size = crop.shape[0]
    kind = rng.choice(4, p=[0.3, 0.2, 0.35, 0.15])
    colour = rng.integers(0, 256, 3)
    layer, mask = crop.copy(), np.zeros(crop.shape[:2], np.uint8)
    if kind == 0:
        top = points[28] + rng.uniform(0, 1) * (points[33] - points[28])
        first = int(rng.integers(1, 4))
        outline = np.concatenate([points[first : 17 - first], top[None]])
        outline = outline + 0.05 * (outline - outline.mean(0)) + rng.normal(0, 0.01 * size, outline.shape)
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 255, cv2.LINE_AA)
        light = 1 + 0.4 * rng.uniform(-1, 1) * np.linspace(-1, 1, size)[:, None, None]
        layer[:] = np.clip((colour if chance(rng, 0.5) else rng.integers(150, 256)) * light, 0, 255)
    elif kind == 1:
        shade = rng.integers(0, 70, 3)
        layer = cv2.addWeighted(crop, float(rng.uniform(0, 0.35)), np.full_like(crop, shade), 1.0, 0)
        for start, stop in ((36, 42), (42, 48)):
            eye = points[start:stop]
            length = float(np.hypot(*(eye[3] - eye[0])))
            axes = (int(length * rng.uniform(0.8, 1.1)) + 1, int(length * rng.uniform(0.5, 0.9)) + 1)
            angle = float(np.rad2deg(np.arctan2(*(eye[3] - eye[0])[::-1])))
            cv2.ellipse(mask, tuple(int(c) for c in eye.mean(0)), axes, angle, 0, 360, 255, -1, cv2.LINE_AA)
        bridge = [tuple(int(c) for c in points[i]) for i in (39, 42)]
        cv2.line(mask, *bridge, 255, max(1, size // 60), cv2.LINE_AA)
    elif kind == 2:
        skin = crop[tuple(np.clip(points[31], 0, size - 1).astype(int)[::-1])].astype(float)
        layer[:] = np.clip(skin * rng.uniform(0.75, 1.2), 0, 255) if chance(rng, 0.8) else colour
        start = points[rng.integers(68)] + rng.normal(0, 0.06 * size, 2)
        angle, width = rng.uniform(0, 2 * np.pi), max(2, int(size * rng.uniform(0.03, 0.09)))
        along = np.array([np.cos(angle), np.sin(angle)])
        beside = np.array([-along[1], along[0]]) * width * 1.15
        for finger in range(int(rng.integers(1, 5))):
            tip = start + finger * beside + along * rng.normal(0, 0.04 * size)
            end = tip + along * size * rng.uniform(0.2, 0.8)
            cv2.line(mask, *(tuple(int(c) for c in p) for p in (tip, end)), 255, width, cv2.LINE_AA)
    else:
        edge = int(size * rng.uniform(0.15, 0.45))
        layer[:] = cv2.GaussianBlur(crop[::-1], (0, 0), 3) if chance(rng, 0.5) else colour
        mask[:, :edge] = 255
        mask = np.rot90(mask, int(rng.integers(4))).copy()
    share = (mask[..., None] / 255).astype(np.float32)
    return (layer * share + crop * (1 - share)).astype(np.uint8)


def shade(rng: Rng, crop: np.ndarray) -> np.ndarray:
    """Return the crop with light from one side, or with hardly any."""
    size = crop.shape[0]
    if chance(rng, 0.5):
        level = crop / 255.0
        return (255 * rng.uniform(0.15, 0.7) * level ** rng.uniform(1.0, 1.8)).astype(np.uint8)
    angle, edge = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.4)
    x, y = np.meshgrid(np.linspace(-1, 1, size, dtype=np.float32), np.linspace(-1, 1, size, dtype=np.float32))
    side = np.tanh((x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.4, 0.4)) / edge)
    gain = 1 - rng.uniform(0.2, 0.45) * (1 + side)
    return (crop * gain[..., None]).astype(np.uint8)


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
    rng: Rng,
    image: np.ndarray,
    points: np.ndarray,
    other: np.ndarray,
    size: int,
    mirror: np.ndarray,
    shares: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return a random view: uint8 crop (size, size, 3) RGB, its points (K, 2) in crop pixels, and if it is mirrored.

    `shares` are those of easy views (moved as a detector's box would move them and mirrored, but not spoilt) and of
    hard ones (turned, worn over, dark, small); the others lie between.
    """
    effort = int(rng.choice([EASY, HARD, NORMAL], p=[*shares, 1 - sum(shares)]))
    crop, points = warp(rng, image, points, size, effort)
    mirrored = chance(rng, 0.5)
    if mirrored:
        crop, points = flip(crop, points, mirror)
    if effort != HARD and chance(rng, TINY):
        crop = shrink(rng, crop)
    if effort == EASY:
        return crop, points, mirrored
    if effort == HARD and chance(rng, 0.35):
        crop = wear(rng, crop, points)
    if chance(rng, 0.45 if effort == NORMAL else 0.3):
        for _ in range(2 if chance(rng, 0.3) else 1):
            crop = cover(rng, crop, other)
    crop = degrade(rng, crop, effort)
    crop = shade(rng, crop) if effort == HARD and chance(rng, 0.35) else recolour(rng, crop)
    return (add_noise(rng, crop) if chance(rng, 0.2) else crop), points, mirrored


def plain(image: np.ndarray, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The view that `predict` would make of a face with its tight box."""
    side = image.shape[0] / COVER * PADDING / size
    offset = (image.shape[0] - 1) / 2 - side * size / 2
    matrix = np.array([[side, 0, offset], [0, side, offset]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (size, size), flags=flags), ((points - offset) / side).astype(np.float32)


def small_view(view: np.ndarray, side: int) -> np.ndarray:
    """Return a crop as of a face of `side` pixels."""
    small = max(1, round(side * PADDING))
    crop = cv2.resize(view, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(crop, view.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def hard_views(
    images: np.ndarray, points: np.ndarray, size: int, mirror: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return one hard view of each packed face, the same ones whenever it is called with the same faces."""
    views = []
    for number, (image, truth) in enumerate(zip(images, points, strict=True)):
        other = images[(number + len(images) // 2) % len(images)]
        views.append(augment(np.random.default_rng((24, number)), image, truth, other, size, mirror, (0.0, 1.0))[:2])
    return views
