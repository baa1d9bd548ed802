"""Train the 68-point model on a packed file of faces.

    python train_landmarks.py faces.npz RUN [--samples 400000] [--threads 2] [--device cpu]

`RUN/last.pt` holds everything needed to go on: call the same command again after a stop.
`RUN/log.csv` has a row an evaluation.
The number of samples sets the learning rate's cosine; the first part of the run uses smaller crops, which are cheaper.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from augment import augment, plain
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler
from training import Run, average_decay, normalise

from facelandmarks.nn.compact import CompactLandmarkNet
from facelandmarks.nn.integral import ShapeCorrection
from facelandmarks.schemes import get_scheme
from facelandmarks.weights.checkpoint import load_packed, load_state

SCHEME = get_scheme("ibug68")
WARM_STEPS = 200
WING_WIDTH, WING_CURVE = 5.0, 1.0  # pixels of a 128 px crop


@dataclass
class Faces:
    images: np.ndarray  # (N, S, S, 3) uint8 RGB
    points: np.ndarray  # (N, 68, 2) float32
    splits: np.ndarray  # (N,) "train", "extra", "val", "test"

    @classmethod
    def load(cls, path: Path) -> "Faces":
        with np.load(path) as data:
            return cls(data["images"], data["points"], data["splits"])

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
        self.faces, self.seed, self.easy = faces, args.seed, args.easy
        self.small_until = int(args.small * args.samples) // args.batch * args.batch
        self.extra_until, self.extra_share = int(0.6 * args.samples), args.extra
        self.train, self.extra = faces.rows("train"), faces.rows("extra")
        weight = profile_weight(faces.points[self.train]) ** args.profiles
        self.cumulative = np.cumsum(weight) / weight.sum()

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        size = 96 if index < self.small_until else 128
        use_extra = len(self.extra) and index < self.extra_until and rng.random() < self.extra_share
        row = rng.choice(self.extra) if use_extra else self.train[np.searchsorted(self.cumulative, rng.random())]
        other = self.faces.images[rng.choice(self.train)]
        crop, points = augment(
            rng, self.faces.images[row], self.faces.points[row], other, size, SCHEME.mirror, self.easy
        )
        return torch.from_numpy(crop), torch.from_numpy((points + 0.5) / size)


class Span(Sampler[list[int]]):
    """Batches of consecutive sample numbers; a batch never crosses the change of size."""

    def __init__(self, start: int, stop: int, batch: int) -> None:
        self.starts = range(start, stop - batch + 1, batch)
        self.batch = batch

    def __iter__(self):
        return (list(range(s, s + self.batch)) for s in self.starts)

    def __len__(self) -> int:
        return len(self.starts)


def expectation(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Points (N, K, 2) as fractions of the crop's side, and log probabilities (N, K, H, W)."""
    n, k, h, w = logits.shape
    log_p = F.log_softmax(logits.float().flatten(2), -1).view(n, k, h, w)
    p = log_p.exp()
    xs = (torch.arange(w, device=p.device) + 0.5) / w
    ys = (torch.arange(h, device=p.device) + 0.5) / h
    return torch.stack([(p.sum(2) * xs).sum(-1), (p.sum(3) * ys).sum(-1)], -1), log_p


def wing(error: Tensor) -> Tensor:
    near = WING_WIDTH * torch.log1p(error / WING_CURVE)
    return torch.where(error < WING_WIDTH, near, error - WING_WIDTH + WING_WIDTH * np.log1p(WING_WIDTH / WING_CURVE))


def gaussian_cross_entropy(log_p: Tensor, target: Tensor, sigma: float) -> Tensor:
    """Cross entropy with a Gaussian of `sigma` cells around each point inside the crop."""
    h, w = log_p.shape[2:]
    xs = torch.arange(w, device=log_p.device) + 0.5
    ys = torch.arange(h, device=log_p.device) + 0.5
    gx = F.softmax(-0.5 * ((xs - target[..., :1] * w) / sigma) ** 2, -1)
    gy = F.softmax(-0.5 * ((ys - target[..., 1:] * h) / sigma) ** 2, -1)
    inside = ((target > 0) & (target < 1)).all(-1).float()
    crossed = -torch.einsum("nkh,nkhw,nkw->nk", gy, log_p, gx)
    return (crossed * inside).sum() / inside.sum().clamp(min=1)


def loss_of(logits: Tensor, target: Tensor, sigma: float) -> Tensor:
    points, log_p = expectation(logits)
    return wing((points - target).abs() * 128).mean() + gaussian_cross_entropy(log_p, target, sigma)


def errors_of(points: Tensor, truth: Tensor) -> Tensor:
    """Interocular NME in percent (N,) of points (N, 68, 2), in the unit of the truth."""
    first, second = SCHEME.normaliser
    between = (truth[:, first] - truth[:, second]).norm(dim=-1)
    return 100 * (points - truth).norm(dim=-1).mean(1) / between


@torch.no_grad()
def evaluate(net: CompactLandmarkNet, faces: Faces, split: str, device: str) -> Tensor:
    """Error of each face of a split, box = tight box of the truth; without the shape correction."""
    net.eval()
    views = [plain(faces.images[row], faces.points[row], 128) for row in faces.rows(split)]
    found = []
    for start in range(0, len(views), 32):
        crops = normalise(torch.from_numpy(np.stack([v for v, _ in views[start : start + 32]]))).to(device)
        found.append(expectation(net.maps(crops))[0].cpu())
    truth = torch.from_numpy(np.stack([p for _, p in views]) + 0.5) / 128
    return errors_of(torch.cat(found), truth)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=400_000)
    parser.add_argument("--small", type=float, default=0.45, help="share of the samples at 96 px")
    parser.add_argument("--extra", type=float, default=0.15, help="share of 'extra' faces in the first 60 %%")
    parser.add_argument("--easy", type=float, default=0.0, help="share of views that are moved and mirrored only")
    parser.add_argument("--profiles", type=float, default=1.0, help="how much more often profiles are shown; 0: not")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--init", type=Path, help="start from these packed weights, such as those of the package")
    parser.add_argument("--evaluate-every", type=float, default=300, help="seconds")
    return parser.parse_args()


def make_loader(faces: Faces, args: argparse.Namespace, done: int) -> DataLoader:
    """Batches from sample number `done` on."""
    return DataLoader(
        Views(faces, args),
        batch_sampler=Span(done, args.samples, args.batch),
        num_workers=args.workers,
        prefetch_factor=4 if args.workers else None,
        worker_init_fn=lambda _: cv2.setNumThreads(0),
    )


def report(run: Run, faces: Faces, device: str, done: int, rate: float) -> None:
    """Validation error of the averaged and of the raw weights."""
    scores = [float(evaluate(net, faces, "val", device).mean()) for net in (run.average, run.net)]
    row = [done, round(run.loss, 4), round(rate, 1), *(round(score, 3) for score in scores)]
    run.log(row)
    print("samples {} loss {} {}/s val: averaged {} raw {}".format(*row), file=sys.stderr, flush=True)


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    faces = Faces.load(args.faces)
    net, average = (CompactLandmarkNet(68).to(args.device, memory_format=torch.channels_last) for _ in range(2))
    if args.init:
        load_state(net, load_packed(args.init), "the network")
        net.shape = ShapeCorrection(68)  # belongs to the weights as they were
    run = Run(args.run, net, average, args.lr)
    done = run.resume(samples=0)["samples"]
    since, since_samples = time.monotonic(), done
    for crops, target in make_loader(faces, args, done):
        progress = done / args.samples
        net.train()
        logits = net.maps(normalise(crops.to(args.device, non_blocking=True)))
        loss = loss_of(logits, target.to(args.device), 1.0 if progress < 0.8 else 0.8)
        done += len(crops)
        steps = done // args.batch
        decay = average_decay(steps, 0.999 if progress > 0.5 else 0.998)
        run.step(loss, progress=progress, warm=min(1.0, steps / WARM_STEPS), decay=decay)
        if time.monotonic() - since > args.evaluate_every:
            report(run, faces, args.device, done, (done - since_samples) / (time.monotonic() - since))
            run.save(samples=done)
            since, since_samples = time.monotonic(), done
    run.save(samples=done)
    report(run, faces, args.device, done, 0.0)


if __name__ == "__main__":
    main()
