"""Train the built-in face detector.

    python detector_cache.py DATA CACHE
    python train_detector.py CACHE RUN [--minutes 120] [--init WEIGHTS] [--threads 1]

`RUN/last.pt` holds everything needed to go on: call the same command again after a stop. `RUN/log.csv` has a row a
save: samples, minutes, mean loss, samples a second, seconds spent waiting for canvases, and the share of faceless
photos in which the averaged network sees a face at 0.5 (measured now and then). The learning rate follows the minutes.
Convolutions run in bfloat16, weights and losses stay float32.
"""

import argparse
import math
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from canvases import FACELESS, MIRRORED, Drawer, canvas_of
from detector_cache import Pool, read
from interim import load_weights
from networks import BRIGHTEST, boxes_of, new_detector, outputs_of, points_of
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler
from training import Run, average_decay

from facelandmarks.nn.build import fuse_batch_norms
from facelandmarks.nn.compact import CompactDetectorNet

# Canvas side in pixels, a multiple of the largest stride: canvases a step, share of the steps.
SIZES = {256: (12, 0.33), 320: (8, 0.30), 448: (4, 0.19), 512: (3, 0.10), 640: (2, 0.08)}
NEAR = 1.5  # strides: a face is learnt by cells this near its middle
SIDE_RANGE = (0.9, 12.0)  # strides: longer sides of the faces that a level may learn
MOST_CELLS = 9  # that learn one face
BOX_WEIGHT = 2.0
POINT_WEIGHT = 2.0
POINT_KNEE = 0.05  # of the face's side: errors below are squared
WARM_STEPS = 200
FOLDED_DECAY = 0.003  # without norms, shrinking a weight shrinks what follows
APART = 20  # steps between a canvas and its mirror image
FIRED = 14.0  # how much more often a faceless photo is drawn whose score reaches 1


@dataclass
class Batch:
    canvases: Tensor  # (N, S, S, 3) uint8 RGB
    faces: Tensor  # (F, 4) xyxy in pixels
    points: Tensor  # (F, 5, 2), NaN where unknown
    weights: Tensor  # (F,)
    face_of: Tensor  # (F,) which canvas
    doubts: Tensor  # (D, 5) regions and how much their background counts
    doubt_of: Tensor  # (D,)


class Canvases(Dataset[Batch]):
    """Batch number `i` of the run: it follows from the seed, `i` and how often each faceless photo is drawn.

    `shares` holds tensors in shared memory, one for each kind of faceless photo, which the training may change.
    """

    def __init__(self, pool: Pool, shares: dict[str, Tensor], seed: int) -> None:
        self.drawer, self.shares, self.seed = Drawer(pool), shares, seed

    def __getitem__(self, index: int) -> Batch:
        for kind, shares in self.shares.items():
            self.drawer.cumulated[kind] = np.cumsum(shares.numpy())
        rng = np.random.default_rng((self.seed, index))
        size = int(rng.choice(list(SIZES), p=[share for _, share in SIZES.values()]))
        made = [canvas_of(rng, self.drawer, size) for _ in range(SIZES[size][0])]

        def joined(name: str) -> Tensor:
            return torch.from_numpy(np.concatenate([getattr(view, name) for view in made]).astype(np.float32))

        def owners(name: str) -> Tensor:
            return torch.repeat_interleave(torch.tensor([len(getattr(view, name)) for view in made]))

        return Batch(
            torch.from_numpy(np.stack([view.pixels for view in made])),
            joined("faces"),
            joined("points"),
            joined("weights"),
            owners("faces"),
            joined("doubts"),
            owners("doubts"),
        )


def mirrored(batch: Batch) -> Batch:
    """Return the same canvases as a mirror shows them."""
    last = batch.canvases.shape[2] - 1
    regions = [
        torch.cat([last - r[:, 2:3], r[:, 1:2], last - r[:, :1], r[:, 3:]], 1) for r in (batch.faces, batch.doubts)
    ]
    points = batch.points[:, MIRRORED] * torch.tensor([-1.0, 1.0]) + torch.tensor([float(last), 0.0])
    return replace(batch, canvases=batch.canvases.flip(2), faces=regions[0], doubts=regions[1], points=points)


class From(Sampler[int]):
    """Batch numbers without end from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        while True:
            yield self.start
            self.start += 1


def network_input(canvases: Tensor) -> Tensor:
    """Return canvases uint8 (N, H, W, 3) as the network takes them."""
    return canvases.permute(0, 3, 1, 2).float().div_(BRIGHTEST).contiguous(memory_format=torch.channels_last)


def pair_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU of boxes (..., 4) and (..., 4), and what CIoU takes off it: for distance and for another shape."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    common = (high - low).clamp(min=0).prod(-1)
    side_a, side_b = (a[..., 2:] - a[..., :2]).clamp(min=1e-3), (b[..., 2:] - b[..., :2]).clamp(min=1e-3)
    overlap = common / (side_a.prod(-1) + side_b.prod(-1) - common)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2).sum(-1) / 4 / (hull**2).sum(-1).clamp(min=1e-6)
    bent = (
        4
        / math.pi**2
        * (torch.atan(side_a[..., 0] / side_a[..., 1]) - torch.atan(side_b[..., 0] / side_b[..., 1])) ** 2
    )
    with torch.no_grad():
        share = bent / (1 - overlap + bent + 1e-6)
    return overlap, apart + share * bent


def candidates(batch: Batch, strides: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cells near each face: index (F, C), centre (F, C, 2) and stride (F, C); -1 where there is none.

    C is nine a level: the cells within `NEAR` strides of the middle of the face.
    """
    size, first = batch.canvases.shape[1], 0
    middle = (batch.faces[:, :2] + batch.faces[:, 2:]) / 2
    side = (batch.faces[:, 2:] - batch.faces[:, :2]).amax(1)
    around = torch.tensor([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)])
    index, centre, steps = [], [], []
    for stride in strides:
        columns = size // stride
        place = ((middle + 0.5) / stride - 0.5).round()[:, None] + around
        at = (place + 0.5) * stride - 0.5
        fits = ((at - middle[:, None]).abs().amax(-1) / stride < NEAR) & ((place >= 0) & (place < columns)).all(-1)
        fits &= ((side / stride > SIDE_RANGE[0]) & (side / stride < SIDE_RANGE[1]))[:, None]
        index.append(torch.where(fits, first + place[..., 1] * columns + place[..., 0], -1.0).long())
        centre.append(at)
        steps.append(torch.full(fits.shape, float(stride)))
        first += columns * columns
    return torch.cat(index, 1), torch.cat(centre, 1), torch.cat(steps, 1)


@torch.no_grad()
def assign(
    scores: Tensor, overlap: Tensor, cells: Tensor, centres: Tensor, strides: Tensor, batch: Batch
) -> tuple[Tensor, Tensor]:
    """Choose which cells learn which face, as in task-aligned learning (TOOD, ICCV 2021) among the candidates.

    `scores`, `overlap`, `cells` and `strides` are (F, C), `centres` (F, C, 2). Returns the face and the candidate of
    each pair (P,); a cell learns at most one face.
    """
    middle, side = (batch.faces[:, :2] + batch.faces[:, 2:]) / 2, (batch.faces[:, 2:] - batch.faces[:, :2]).amax(1)
    apart = (middle[:, None] - centres).abs().amax(-1) / strides
    relative = side[:, None] / strides
    # The prior keeps the first steps sane, when all overlaps are chance: near the middle, and about four strides large.
    prior = torch.exp(-0.5 * apart**2 - 0.5 * torch.log2(relative / 4) ** 2)
    fits = cells >= 0
    merit = fits * (scores.sqrt() * (overlap + 0.02) ** 2 * prior + 1e-9)
    best = merit.topk(MOST_CELLS, dim=1)
    count = (overlap * fits).topk(MOST_CELLS, dim=1).values.sum(1).round().clamp(1, MOST_CELLS)
    face, rank = ((torch.arange(MOST_CELLS) < count[:, None]) & (best.values > 0)).nonzero(as_tuple=True)
    candidate, value = best.indices[face, rank], best.values[face, rank]
    order = value.argsort(descending=True)  # of two faces that want one cell, the better match has it
    place = (batch.face_of[face] * (int(cells.max()) + 1) + cells[face, candidate])[order].numpy()
    keep = order[np.unique(place, return_index=True)[1]]
    return face[keep], candidate[keep]


def background(batch: Batch, strides: tuple[int, ...]) -> Tensor:
    """Return how much each cell (N, L) counts if it is background."""
    count, size = len(batch.canvases), batch.canvases.shape[1]
    levels = [np.ones((count, size // stride, size // stride), np.float32) for stride in strides]
    order = np.argsort(-batch.doubts[:, 4].numpy(), kind="stable")  # where regions overlap, the least counts
    canvases, rows = batch.doubt_of.numpy()[order].tolist(), batch.doubts.numpy()[order]
    counts = rows[:, 4].tolist()
    for level, stride in zip(levels, strides, strict=True):
        low = np.ceil((rows[:, :2] + 0.5) / stride - 0.5).clip(0).astype(int).tolist()
        high = (np.floor((rows[:, 2:4] + 0.5) / stride - 0.5) + 1).clip(0).astype(int).tolist()
        for canvas, (left, top), (right, bottom), value in zip(canvases, low, high, counts, strict=True):
            level[canvas, top:bottom, left:right] = value
    return torch.from_numpy(np.concatenate([level.reshape(count, -1) for level in levels], 1))


def loss_of(outputs: Tensor, batch: Batch, strides: tuple[int, ...]) -> Tensor:
    """Return quality focal loss (Li et al., NeurIPS 2020) of the scores, CIoU of the boxes, Huber loss of the points.

    The target of a score is the IoU of its box.
    """
    logits = outputs[..., 0]
    target, weight = torch.zeros_like(logits), background(batch, strides)
    shape_loss = outputs.sum() * 0
    if len(batch.faces):
        cells, centres, steps = candidates(batch, strides)
        near = outputs[batch.face_of[:, None], cells.clamp(min=0)]
        boxes = boxes_of(near.flatten(0, 1), centres.flatten(0, 1), steps.flatten()).unflatten(0, cells.shape)
        overlaps, penalties = pair_iou(boxes, batch.faces[:, None])
        pair = assign(near[..., 0].detach().sigmoid(), overlaps.detach(), cells, centres, steps, batch)
        face, canvas, cell = pair[0], batch.face_of[pair[0]], cells[pair]
        overlap, penalty = overlaps[pair], penalties[pair]
        quality, counts = overlap.detach().clamp(0.05, 1), batch.weights[face]
        target[canvas, cell], weight[canvas, cell] = quality, counts
        share = quality.sqrt() * counts
        far = point_loss(near[pair], boxes[pair].detach(), batch.faces[face], batch.points[face])
        shape_loss = (share * (BOX_WEIGHT * (1 - overlap + penalty) + POINT_WEIGHT * far)).sum()
    focal = (target - logits.sigmoid()).abs() ** 2
    score_loss = (weight * focal * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum()
    return (score_loss * 2 + shape_loss) / max(len(batch.faces), 8) / 2


def point_loss(outputs: Tensor, boxes: Tensor, faces: Tensor, points: Tensor) -> Tensor:
    """Return the mean Huber loss (P,) of five points, in sides of the face; zero where they are unknown."""
    known = points.isfinite()
    side = (faces[:, 2:] - faces[:, :2]).amax(1)[:, None, None]
    # NaN times zero is NaN in the gradient too, so the unknown points are replaced before any arithmetic.
    apart = (points_of(outputs, boxes) - torch.where(known, points, torch.zeros(()))) / side
    apart = torch.where(known, apart, torch.zeros(()))
    return F.huber_loss(apart, torch.zeros_like(apart), reduction="none", delta=POINT_KNEE).mean((1, 2)) / POINT_KNEE


@torch.no_grad()
def highest_score(net: CompactDetectorNet, image: np.ndarray) -> float:
    """Return the highest score of a photo, seen as it is."""
    high, wide = (-(-side // net.strides[-1]) * net.strides[-1] for side in image.shape[:2])
    padded = torch.zeros(1, high, wide, 3, dtype=torch.uint8)
    padded[0, : image.shape[0], : image.shape[1]] = torch.from_numpy(np.array(image))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = outputs_of(net, network_input(padded))
    return float(outputs[..., 0].float().max().sigmoid())


def mine(net: CompactDetectorNet, pool: Pool, shares: dict[str, Tensor]) -> float:
    """Draw the faceless photos more often in which the network sees a face; returns the share of those at 0.5."""
    net.eval()
    fired = []
    for kind in FACELESS:
        scores = torch.tensor([highest_score(net, photo.image) for photo in pool.photos[kind]])
        shares[kind].copy_(1 + FIRED * scores**2)
        fired.append(scores >= 0.5)
    return float(torch.cat(fired).float().mean())


def start_from(net: CompactDetectorNet, given: dict[str, Tensor]) -> None:
    """Copy what fits of another network's weights; smaller tensors fill the first channels.

    Weights from before the network took pixels as 0..2 expected them as -1..1: the first batch norm makes up for it.
    """
    first = given["stem.0.0.weight"]
    given["stem.0.1.running_mean"] = given["stem.0.1.running_mean"] + first.sum((1, 2, 3))
    for name, own in net.state_dict().items():
        if name not in given:
            continue
        value = given[name]
        if own.ndim == 4 and value.shape[1] < own.shape[1]:
            own[:, value.shape[1] :] = 0
        own[tuple(slice(0, side) for side in value.shape)] = value


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, help="folder that detector_cache.py wrote")
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=120, help="of training in all")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--save-every", type=float, default=4, help="minutes")
    parser.add_argument("--mine-every", type=float, default=16, help="minutes")
    parser.add_argument("--float32", action="store_true", help="convolutions in float32")
    parser.add_argument("--fold", action="store_true", help="batch norms into convolutions first: a third faster")
    parser.add_argument("--freeze-stem", action="store_true", help="leave the first two convolutions as they are")
    parser.add_argument("--init", type=Path, help="start from weights of interim.py, or a run's last.pt")
    return parser.parse_args()


def make_loader(args: argparse.Namespace, pool: Pool, shares: dict[str, Tensor], steps: int) -> DataLoader:
    """Return the batches from step number `steps` on."""
    return DataLoader(
        Canvases(pool, shares, args.seed),
        sampler=From(steps),
        batch_size=None,
        num_workers=args.workers,
        prefetch_factor=8 if args.workers else None,
        worker_init_fn=lambda _: cv2.setNumThreads(0),
    )


def make_networks(init: Path | None, fold: bool) -> tuple[CompactDetectorNet, CompactDetectorNet]:
    """Return the network to train and the one that becomes its average, the first with the weights of `init`."""
    net, average = (new_detector().to(memory_format=torch.channels_last) for _ in range(2))
    given = None
    if init and init.suffix == ".pt":
        given = torch.load(init, weights_only=True)["ema"]
    elif init:
        given = {name: torch.from_numpy(value) for name, value in load_weights(init).items()}
        if "stem.0.1.running_mean" in given:
            start_from(net, given)
            given = None
    was_folded = given is not None and not any("running_mean" in name for name in given)
    if given is not None and not was_folded:
        net.load_state_dict(given)
    if fold:
        for network in (net.eval(), average.eval()):
            fuse_batch_norms(network)
            network.to(memory_format=torch.channels_last)
    if given is not None and was_folded:
        net.load_state_dict(given)
    return net, average


def twice(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield each batch, and some steps later its mirror image: canvases cost as much as the steps on them."""
    waiting: deque[Batch] = deque()
    for batch in batches:
        yield batch
        waiting.append(batch)
        if len(waiting) > APART:
            yield mirrored(waiting.popleft())


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)
    torch.manual_seed(args.seed)
    net, average = make_networks(args.init, args.fold)
    net.stem.requires_grad_(not args.freeze_stem)
    run = Run(args.run, net, average, args.lr, decay=FOLDED_DECAY if args.fold else 0.05)
    state = run.resume(steps=0, samples=0, minutes=0.0, fired=-1.0)
    steps, samples, minutes, fired = state["steps"], state["samples"], state["minutes"], state["fired"]
    pool = read(args.cache)
    shares = {kind: torch.ones(len(pool.photos[kind])).share_memory_() for kind in FACELESS}
    if steps:
        fired = mine(average, pool, shares)
    saved, mined, saved_samples, waited = minutes, minutes, samples, 0.0
    clock = time.monotonic()
    for batch in twice(make_loader(args, pool, shares, steps)):
        waited += time.monotonic() - clock
        if minutes >= args.minutes:
            break
        net.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=not args.float32):
            outputs = outputs_of(net, network_input(batch.canvases))
        loss = loss_of(outputs.float(), batch, net.strides)
        steps, samples = steps + 1, samples + len(batch.canvases)
        warm = min(1.0, steps / WARM_STEPS)
        run.step(loss, progress=minutes / args.minutes, warm=warm, decay=average_decay(steps, 0.999))
        minutes, clock = minutes + (time.monotonic() - clock) / 60, time.monotonic()
        if minutes - mined >= args.mine_every:
            fired, mined, clock = mine(average, pool, shares), minutes, time.monotonic()
        if minutes - saved >= args.save_every:
            rate = (samples - saved_samples) / (minutes - saved) / 60
            row = [samples, round(minutes, 1), round(run.loss, 4), round(rate, 1), round(waited), round(fired, 3)]
            run.log(row)
            print("samples {} minutes {} loss {} {}/s waited {} s fired {}".format(*row), file=sys.stderr)
            run.save(steps=steps, samples=samples, minutes=minutes, fired=fired)
            saved, saved_samples, waited = minutes, samples, 0.0
    run.save(steps=steps, samples=samples, minutes=minutes, fired=fired)


if __name__ == "__main__":
    main()
