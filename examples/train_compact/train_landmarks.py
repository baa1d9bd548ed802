"""Train a 68-point network on packed files of faces.

    python train_landmarks.py faces.npz RUN [--network compact] [--minutes 60] [--init FILE]

`RUN/last.pt` holds everything needed to go on: call the same command again after a stop.
`RUN/log.csv` has a row an evaluation.
The learning rate's cosine runs over the minutes spent in training, stops not counted, so that a run ends in time on a
busy machine. The convolutions run in bfloat16 (`--exact`: float32); weights, softmax and losses are float32.
A share of the views is of faces whose points other networks gave, and one of things that are no faces, if `pack.py` was
given any: there every map is to be flat, so that its score is low.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from augment import augment, hard_views, plain, small_view
from interim import load_weights
from networks import NETWORKS, inherit
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler
from training import Run, average_decay, normalise

from facelandmarks.nn.compact import CompactLandmarkNet, integrate
from facelandmarks.schemes import get_scheme

SCHEME = get_scheme("ibug68")
WARM_STEPS = 200
BLANK = 0.5  # weight of a flat map where there is no face, beside that of a peak where there is one
SMALL = 16  # pixels: faces of one set of validation views
WING_SIDE, WING_WIDTH, WING_CURVE = 128, 5.0, 1.0  # pixels: the side of the crop in which the others count


@dataclass
class Faces:
    images: np.ndarray  # (N, S, S, 3) uint8 RGB
    points: np.ndarray  # (N, 68, 2) float32
    splits: np.ndarray  # (N,) "train", "extra", "val", "test", "pseudo", "faceless"
    trust: np.ndarray  # (N, 68) float32, 0 to 1: weight of each point in the loss

    @classmethod
    def load(cls, path: Path) -> "Faces":
        with np.load(path) as data:
            return cls(data["images"], data["points"], data["splits"], data["trust"])

    def rows(self, *splits: str) -> np.ndarray:
        return np.flatnonzero(np.isin(self.splits, splits))


def profile_weight(points: np.ndarray) -> np.ndarray:
    """1 for a frontal face, up to 3 for a profile: profiles are few and fail most."""
    nose, left, right = points[:, 30, 0], points[:, 36, 0], points[:, 45, 0]
    eyes = np.hypot(*(points[:, 45] - points[:, 36]).T)
    height = np.hypot(*(points[:, 8] - points[:, 27]).T)
    turned = np.abs((nose - left) - (right - nose)) / np.maximum(eyes, 1)
    narrow = np.maximum(0, height / np.maximum(eyes, 1) - 1.5)
    return 1 + np.minimum(2, turned + narrow)


class Views(Dataset):
    """Sample number `i` of the run: which face and which view of it follow from the seed and `i` alone."""

    def __init__(self, faces: Faces, args: argparse.Namespace) -> None:
        self.faces, self.seed, self.side = faces, args.seed, NETWORKS[args.network].side
        self.shares, self.limits = (args.easy, args.hard), (args.faceless, args.faceless + args.pseudo)
        self.rows, self.cumulative = [], []
        for split in ("faceless", "pseudo", "train"):
            rows = faces.rows(split)
            weight = profile_weight(faces.points[rows]) ** args.profiles
            self.rows.append(rows)
            self.cumulative.append(np.cumsum(weight) / weight.sum())

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        pool = int(np.searchsorted(self.limits, rng.random(), side="right"))
        pool = pool if len(self.rows[pool]) else -1
        row = self.rows[pool][np.searchsorted(self.cumulative[pool], rng.random())]
        other = self.faces.images[rng.choice(self.rows[-1])]
        image, points = self.faces.images[row], self.faces.points[row]
        crop, points, mirrored = augment(rng, image, points, other, self.side, SCHEME.mirror, self.shares)
        trust = self.faces.trust[row][SCHEME.mirror] if mirrored else self.faces.trust[row]
        return torch.from_numpy(crop), torch.from_numpy((points + 0.5) / self.side), torch.from_numpy(trust)


class Span(Sampler[list[int]]):
    """Batches of consecutive sample numbers, without an end."""

    def __init__(self, start: int, batch: int) -> None:
        self.start, self.batch = start, batch

    def __iter__(self) -> Iterator[list[int]]:
        return (list(range(s, s + self.batch)) for s in count(self.start, self.batch))


def expectation(logits: Tensor) -> Tensor:
    """Return points (N, K, 2) as fractions of the crop's side."""
    return integrate(logits)[0]


class MapLoss(torch.autograd.Function):
    """Loss of maps of logits (N, K, H, W) against points (N, K, 2), with its gradient in closed form.

    It is the Wing loss of the maps' expectations plus the cross entropy with a Gaussian of `sigma` cells around each
    point inside the crop, each point weighed by `trust` (N, K). Where this is negative there is no face, and the cross
    entropy is with a flat map, `BLANK` times. The value is that of the Wing loss alone: the other
    costs more than its gradient. Autograd would go over the maps three times as often, which a small network notices.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, trust: Tensor, sigma: float) -> Tensor:
        n, k, h, w = logits.shape
        blank, trust = (trust < 0).float() * BLANK, trust.clamp(min=0)
        p = logits.float().flatten(2).softmax(-1).view(n, k, h, w)
        xs = (torch.arange(w, device=p.device) + 0.5) / w
        ys = (torch.arange(h, device=p.device) + 0.5) / h
        x, y = p.sum(2) @ xs, p.sum(3) @ ys
        error = (torch.stack([x, y], -1) - target) * WING_SIDE
        inside = trust * ((target > 0) & (target < 1)).all(-1)
        pull = wing_slope(error) * (WING_SIDE / 2) * trust[..., None]
        across = (inside + blank)[..., None] + pull[..., :1] * (xs - x[..., None])
        down = pull[..., 1:] * (ys - y[..., None])
        gx = F.softmax(-0.5 * ((xs - target[..., :1]) * w / sigma) ** 2, -1)
        gy = F.softmax(-0.5 * ((ys - target[..., 1:]) * h / sigma) ** 2, -1) * inside[..., None]
        gradient = (across[:, :, None, :] + down[..., None]).mul_(p)
        gradient.addcmul_(gy[..., None], gx[:, :, None, :], value=-1)
        gradient.sub_(blank[..., None, None] / (h * w)).div_(n * k)
        ctx.save_for_backward(gradient.to(logits.dtype))
        return (wing(error.abs()).mean(-1) * trust).mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype), None, None, None


def wing(error: Tensor) -> Tensor:
    near = WING_WIDTH * torch.log1p(error / WING_CURVE)
    return torch.where(error < WING_WIDTH, near, error - WING_WIDTH + WING_WIDTH * np.log1p(WING_WIDTH / WING_CURVE))


def wing_slope(error: Tensor) -> Tensor:
    size = error.abs()
    return error.sign() * torch.where(size < WING_WIDTH, WING_WIDTH / (WING_CURVE + size), 1.0)


def errors_of(points: Tensor, truth: Tensor) -> Tensor:
    """Interocular NME in percent (N,) of points (N, 68, 2), in the unit of the truth."""
    first, second = SCHEME.normaliser
    between = (truth[:, first] - truth[:, second]).norm(dim=-1)
    return 100 * (points - truth).norm(dim=-1).mean(1) / between


@torch.no_grad()
def evaluate(net: CompactLandmarkNet, views: list[tuple[np.ndarray, np.ndarray]], device: str, exact: bool) -> Tensor:
    """Return the error of each view, without the shape correction."""
    net.eval()
    side, found = views[0][0].shape[0], []
    for start in range(0, len(views), 32):
        crops = normalise(torch.from_numpy(np.stack([v for v, _ in views[start : start + 32]]))).to(device)
        with torch.autocast(crops.device.type, torch.bfloat16, enabled=not exact):
            maps = net.maps(crops)
        found.append(expectation(maps).cpu())
    truth = torch.from_numpy(np.stack([p for _, p in views]) + 0.5) / side
    return errors_of(torch.cat(found), truth)


def held_out(faces: Faces, side: int) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the validation faces as they are, and the hard views of them, which are the same in every run."""
    rows = faces.rows("val")
    plain_views = [plain(faces.images[row], faces.points[row], side) for row in rows]
    small = [(small_view(view, SMALL), points) for view, points in plain_views]
    return {
        "plain": plain_views,
        "small": small,
        "hard": hard_views(faces.images[rows], faces.points[rows], side, SCHEME.mirror),
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--network", choices=sorted(NETWORKS), default="compact")
    parser.add_argument("--pseudo", type=float, default=0.4, help="share of views of faces labelled by networks")
    parser.add_argument("--faceless", type=float, default=0.0, help="share of views of things that are no faces")
    parser.add_argument("--minutes", type=float, default=60, help="length of the run, stops not counted")
    parser.add_argument("--easy", type=float, default=0.3, help="share of views that are moved and mirrored only")
    parser.add_argument("--hard", type=float, default=0.3, help="share of views that are turned, worn over, dark ...")
    parser.add_argument("--profiles", type=float, default=0.5, help="how much more often profiles are shown; 0: not")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--exact", action="store_true", help="convolutions in float32")
    parser.add_argument("--init", type=Path, help="start from these packed weights, of this or a larger network")
    parser.add_argument("--evaluate-every", type=float, default=300, help="seconds")
    return parser.parse_args()


def make_loader(faces: Faces, args: argparse.Namespace, done: int) -> DataLoader:
    """Return batches from sample number `done` on."""
    return DataLoader(
        Views(faces, args),
        batch_sampler=Span(done, args.batch),
        num_workers=args.workers,
        prefetch_factor=4 if args.workers else None,
        worker_init_fn=lambda _: cv2.setNumThreads(0),
    )


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    faces = Faces.load(args.faces)
    network = NETWORKS[args.network]
    net, average = (network.build().to(args.device, memory_format=torch.channels_last) for _ in range(2))
    if args.init:
        inherit(net, load_weights(args.init))
    run = Run(args.run, net, average, args.lr)
    state = run.resume(samples=0, seconds=0.0)
    done, seconds = state["samples"], state["seconds"]
    views = held_out(faces, network.side)

    def report() -> None:
        nets = (run.average, run.net)
        scores = [float(evaluate(n, v, args.device, args.exact).mean()) for v in views.values() for n in nets]
        row = [done, round(seconds / 60, 1), round(run.loss, 4), *(round(score, 3) for score in scores)]
        run.log(row)
        print(
            "samples {} minutes {} loss {} plain {} raw {} small {} raw {} hard {} raw {}".format(*row),
            file=sys.stderr,
            flush=True,
        )
        run.save(samples=done, seconds=seconds)

    since, last = time.monotonic(), time.monotonic()
    for crops, target, trust in make_loader(faces, args, done):
        progress = min(1.0, seconds / (60 * args.minutes))
        net.train()
        x = normalise(crops.to(args.device, non_blocking=True))
        with torch.autocast(x.device.type, torch.bfloat16, enabled=not args.exact):
            logits = net.maps(x)
        sigma = 1.0 if progress < 0.8 else 0.8
        loss = MapLoss.apply(logits, target.to(args.device), trust.to(args.device), sigma)
        done += len(crops)
        steps = done // args.batch
        decay = average_decay(steps, 0.999 if progress > 0.5 else 0.998)
        run.step(loss, progress=progress, warm=min(1.0, steps / WARM_STEPS), decay=decay)
        now = time.monotonic()
        seconds, last = seconds + now - last, now
        if progress == 1.0:
            break
        if now - since > args.evaluate_every:
            report()
            since = last = time.monotonic()
    report()


if __name__ == "__main__":
    main()
