"""Fit the shape correction of a trained landmark network, before `fit_expected.py`.

    python fit_shape.py faces.npz RUN/last.pt RUN/fitted.pt [--network compact] [--views 2] [--ridge 0.003]

Ridge regression from the shapes that the averaged weights predict on training faces to what they miss, mirror images
included. The views are easy ones: the box as it should be, then moved as a detector would. Spoilt and bent views teach
other errors, and other shapes. Prints the error on training and validation faces before and after.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from augment import augment, plain
from networks import NETWORKS
from torch import Tensor
from train_landmarks import SCHEME, Faces, errors_of
from training import normalise

from facelandmarks.nn.compact import CompactLandmarkNet, normalised_shape

Views = list[tuple[np.ndarray, np.ndarray]]


def views_of(faces: Faces, rows: np.ndarray, count: int, side: int) -> Views:
    """The box as it should be, then `count - 1` boxes of a detector for each face."""
    found = [plain(faces.images[row], faces.points[row], side) for row in rows]
    for number in range(1, count):
        for row in rows:
            rng = np.random.default_rng((number, int(row)))
            image, points = faces.images[row], faces.points[row]
            found.append(augment(rng, image, points, image, side, SCHEME.mirror, shares=(1.0, 0.0))[:2])
    return found


@torch.no_grad()
def predicted(net: CompactLandmarkNet, views: Views) -> tuple[Tensor, Tensor]:
    """Return points and truth (N, 68, 2) as fractions of the crop's side."""
    side = views[0][0].shape[0]
    crops = torch.from_numpy(np.stack([crop for crop, _ in views]))
    points = torch.cat([net(normalise(part))[..., :2] for part in crops.split(32)])
    truth = torch.from_numpy(np.stack([points for _, points in views]).astype(np.float32) + 0.5) / side
    return points, truth


def with_mirror_images(points: Tensor) -> Tensor:
    mirrored = points[:, torch.from_numpy(SCHEME.mirror.copy())] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    return torch.cat([points, mirrored])


def ridge(points: Tensor, truth: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Weight (136, 136) and bias (136,) of the correction; `strength` is in units of the mean variance."""
    shape, size = normalised_shape(points)
    x, y = shape.flatten(1).double(), ((truth - points) / size).flatten(1).double()
    middle, offset = x.mean(0), y.mean(0)
    x, y = x - middle, y - offset
    covariance = x.T @ x / len(x)
    penalty = strength * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
    weight = torch.linalg.solve(covariance + penalty, x.T @ y / len(x)).T
    return weight.float(), (offset - weight @ middle).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--network", choices=sorted(NETWORKS), default="compact")
    parser.add_argument("--views", type=int, default=2, help="of each face")
    parser.add_argument("--ridge", type=float, default=0.003)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    faces = Faces.load(args.faces)
    network = NETWORKS[args.network]
    net = network.build().to(memory_format=torch.channels_last).eval()
    state = torch.load(args.checkpoint, weights_only=True)["ema"]
    fresh = {name: value for name, value in net.state_dict().items() if name.startswith(("shape.", "expected."))}
    net.load_state_dict(state | fresh)
    held = views_of(faces, faces.rows("val"), 1, network.side)

    def report(name: str) -> None:
        print(f"{name}: validation {errors_of(*predicted(net, held)).mean():.3f} %", flush=True)

    report("before")
    points, truth = predicted(net, views_of(faces, faces.rows("train"), args.views, network.side))
    weight, bias = ridge(with_mirror_images(points), with_mirror_images(truth), args.ridge)
    net.shape.linear.weight.data.copy_(weight)
    net.shape.linear.bias.data.copy_(bias)
    report("after")
    before, after = (float(errors_of(found, truth).mean()) for found in (points, net.shape(points)))
    print(f"training faces: {before:.3f} % before, {after:.3f} % after")
    torch.save({"ema": net.state_dict()}, args.out)


if __name__ == "__main__":
    main()
