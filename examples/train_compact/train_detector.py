"""Train the built-in face detector.

    python train_detector.py DATA RUN [--samples 120000 | --minutes 60] [--threads 1]

`DATA` is described in `detector_data.py`. `RUN/last.pt` holds everything needed to go on: call the same command again
after a stop. `RUN/log.csv` has a row an evaluation: samples, minutes, loss, samples a second, recall in percent of the
faces of the validation scenes at thresholds 0.5, 0.4 and 0.3, and the two highest scores on the held-out photos without
a face. With `--minutes` the learning rate follows the clock, else the number of samples.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from detector_data import Photo, Pool, boxes_around, canvas_of, iou, load_empty, load_scenes, load_training
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler
from training import Run, average_decay, normalise

from facelandmarks.nn.compact_detector import CompactDetectorNet, boxes_of, cells_of
from facelandmarks.weights.checkpoint import load_packed, load_state

SIZES = {256: 24, 320: 16, 448: 8}  # canvas side in pixels, a multiple of the largest stride: canvases a step
SIZE_SHARES = (0.35, 0.45, 0.20)
NEAR = 1.5  # strides: a face is learnt by cells this near its middle
SIDE_RANGE = (0.9, 12.0)  # strides: longer sides of the faces that a level may learn
MOST_CELLS = 9  # that learn one face
BOX_WEIGHT = 2.0
WARM_STEPS = 150


@dataclass
class Batch:
    canvases: Tensor  # (N, S, S, 3) uint8 RGB
    faces: Tensor  # (F, 4) xyxy in pixels
    face_of: Tensor  # (F,) which canvas
    unsure: Tensor  # (U, 4)
    unsure_of: Tensor  # (U,)


class Canvases(Dataset[Batch]):
    """Batch number `i` of the run: everything in it follows from the seed and `i` alone."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool, self.seed = pool, seed

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng((self.seed, index))
        size = int(rng.choice(list(SIZES), p=SIZE_SHARES))
        made = [canvas_of(rng, self.pool, size) for _ in range(SIZES[size])]
        boxes = [torch.from_numpy(np.concatenate([m[kind] for m in made]).astype(np.float32)) for kind in (1, 2)]
        owners = [torch.repeat_interleave(torch.tensor([len(m[kind]) for m in made])) for kind in (1, 2)]
        return Batch(torch.from_numpy(np.stack([m[0] for m in made])), boxes[0], owners[0], boxes[1], owners[1])


class From(Sampler[int]):
    """Batch numbers without end from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        while True:
            yield self.start
            self.start += 1


def pair_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU of boxes (..., 4) with boxes (..., 4), and what CIoU takes off it: for distance and for another shape."""
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


@torch.no_grad()
def assign(
    scores: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor, faces: Tensor, face_of: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Which cells learn which face, as in task-aligned learning (TOOD, ICCV 2021) among the cells near its middle.

    `scores` (N, L), `boxes` (N, L, 4). Returns the canvas, the cell and the face of each pair (P,); a cell learns at
    most one face.
    """
    middle, side = (faces[:, :2] + faces[:, 2:]) / 2, (faces[:, 2:] - faces[:, :2]).amax(1)
    apart = (middle[:, None] - centres).abs().amax(-1) / strides
    relative = side[:, None] / strides
    fits = (apart < NEAR) & (relative > SIDE_RANGE[0]) & (relative < SIDE_RANGE[1])
    overlap = pair_iou(boxes[face_of], faces[:, None])[0]
    # The prior keeps the first steps sane, when all overlaps are chance: near the middle, and about four strides large.
    prior = torch.exp(-0.5 * apart**2 - 0.5 * torch.log2(relative / 4) ** 2)
    merit = fits * (scores[face_of].sqrt() * (overlap + 0.02) ** 2 * prior + 1e-9)
    best = merit.topk(min(MOST_CELLS, merit.shape[1]), dim=1)
    count = (overlap * fits).topk(MOST_CELLS, dim=1).values.sum(1).round().clamp(1, MOST_CELLS)
    chosen = (torch.arange(best.indices.shape[1]) < count[:, None]) & (best.values > 0)
    face, rank = chosen.nonzero(as_tuple=True)
    cell, value = best.indices[face, rank], best.values[face, rank]
    order = value.argsort(descending=True)  # of two faces that want one cell, the better match has it
    place = (face_of[face] * centres.shape[0] + cell)[order].numpy()
    keep = order[np.unique(place, return_index=True)[1]]
    return face_of[face[keep]], cell[keep], face[keep]


def loss_of(outputs: Tensor, batch: Batch, strides: tuple[int, ...]) -> Tensor:
    """Quality focal loss (Li et al., NeurIPS 2020) of the scores, whose target is the IoU, and CIoU of the boxes."""
    size = batch.canvases.shape[1]
    centres, cell_strides = cells_of(size, size, strides)
    boxes = boxes_of(outputs, centres, cell_strides)
    logits = outputs[..., 0]
    target, weight = torch.zeros_like(logits), torch.ones_like(logits)
    for canvas, box in zip(batch.unsure_of.tolist(), batch.unsure, strict=True):
        weight[canvas][((centres >= box[:2]) & (centres <= box[2:])).all(1)] = 0
    if len(batch.faces):
        canvas, cell, face = assign(logits.sigmoid(), boxes, centres, cell_strides, batch.faces, batch.face_of)
        overlap, penalty = pair_iou(boxes[canvas, cell], batch.faces[face])
        quality = overlap.detach().clamp(0.05, 1)
        target[canvas, cell], weight[canvas, cell] = quality, 1.0
        box_loss = ((1 - overlap + penalty) * quality.sqrt()).sum()
    else:
        box_loss = outputs.sum() * 0
    focal = (target - logits.sigmoid()).abs() ** 2
    score_loss = (weight * focal * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum()
    return (score_loss * 2 + BOX_WEIGHT * box_loss) / max(len(batch.faces), 8) / 2


@torch.no_grad()
def scan(net: CompactDetectorNet, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (M, 4) and scores (M,) of the hundred best cells of a photo, before suppression."""
    high, wide = (-(-side // 64) * 64 for side in image.shape[:2])
    padded = np.zeros((1, high, wide, 3), np.uint8)
    padded[0, : image.shape[0], : image.shape[1]] = image
    outputs = net(normalise(torch.from_numpy(padded)))[0]
    best = outputs[:, 0].topk(100)
    centres, strides = cells_of(high, wide, net.strides)
    boxes = boxes_of(outputs[best.indices], centres[best.indices], strides[best.indices])
    return boxes.numpy(), best.values.sigmoid().numpy()


def evaluate(net: CompactDetectorNet, scenes: list[Photo], empty: list[Photo]) -> list[float]:
    """Recall in percent at thresholds 0.5, 0.4, 0.3, and the two highest scores on photos without a face."""
    net.eval()
    found: list[np.ndarray] = []
    for photo in scenes:
        boxes, scores = scan(net, photo.image)
        found.append(((iou(boxes_around(photo.faces), boxes) >= 0.5) * scores).max(1))
    best = np.concatenate(found)
    alarms = sorted(float(scan(net, photo.image)[1].max()) for photo in empty)
    return [*(round(100 * float((best >= t).mean()), 2) for t in (0.5, 0.4, 0.3)), *(round(a, 3) for a in alarms[-2:])]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=120_000)
    parser.add_argument("--minutes", type=float, help="train for this long in all, whatever the number of samples")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--evaluate-every", type=float, default=240, help="seconds")
    parser.add_argument("--init", type=Path, help="start from these packed weights, such as those of the package")
    parser.add_argument("--all-empty", action="store_true", help="train on the held-out photos without a face too")
    return parser.parse_args()


def make_loader(args: argparse.Namespace, steps: int) -> DataLoader:
    """Batches from step number `steps` on."""
    return DataLoader(
        Canvases(load_training(args.data, args.all_empty), args.seed),
        sampler=From(steps),
        batch_size=None,
        num_workers=args.workers,
        prefetch_factor=6 if args.workers else None,
        worker_init_fn=lambda _: cv2.setNumThreads(0),
    )


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)
    torch.manual_seed(args.seed)
    net, average = (CompactDetectorNet().to(memory_format=torch.channels_last) for _ in range(2))
    if args.init:
        load_state(net, load_packed(args.init), "the network")
    run = Run(args.run, net, average, args.lr)
    steps, samples, minutes = run.resume(steps=0, samples=0, minutes=0.0).values()
    scenes = list(load_scenes(args.data, val=True).values())
    empty = load_empty(args.data, held_out=True)

    def report(rate: float) -> None:
        row = [samples, round(minutes, 1), round(run.loss, 4), round(rate, 1), *evaluate(average, scenes, empty)]
        run.log(row)
        print("samples {} minutes {} loss {} {}/s recall {} {} {} alarms {} {}".format(*row), file=sys.stderr)

    clock = since = time.monotonic()
    since_samples = samples
    for batch in make_loader(args, steps):
        progress = minutes / args.minutes if args.minutes else samples / args.samples
        if progress >= 1:
            break
        net.train()
        loss = loss_of(net(normalise(batch.canvases)), batch, net.strides)
        steps, samples = steps + 1, samples + len(batch.canvases)
        run.step(loss, progress=progress, warm=min(1.0, steps / WARM_STEPS), decay=average_decay(steps, 0.998))
        now = time.monotonic()
        minutes, clock = minutes + (now - clock) / 60, now
        if now - since > args.evaluate_every:
            report((samples - since_samples) / (now - since))
            run.save(steps=steps, samples=samples, minutes=minutes)
            since, since_samples = time.monotonic(), samples
    run.save(steps=steps, samples=samples, minutes=minutes)
    report(0.0)


if __name__ == "__main__":
    main()
