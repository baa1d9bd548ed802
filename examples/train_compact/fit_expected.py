"""Fit the expected error of a trained landmark network, after `fit_shape.py` and before `export.py`.

    python fit_expected.py faces.npz RUN/fitted.pt RUN/final.pt [--network compact]

Every second validation face teaches the numbers of `ExpectedError`: as it is and, at a lower weight, small and in a
hard view. The other half is only measured. Errors are in units of the crop's side. The fit maximises the likelihood of
exponentially distributed errors, whose one parameter is their mean.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from networks import NETWORKS
from torch import Tensor
from train_landmarks import Faces, held_out
from training import normalise

from facelandmarks.nn.compact import CompactLandmarkNet, ExpectedError, integrate

WEIGHTS = {"plain": 1.0, "small": 0.3, "hard": 0.3}
RIDGE = 0.02  # keeps the landmarks' levels near their mean


@torch.no_grad()
def measured(net: CompactLandmarkNet, views: list[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    """Return spreads and errors (N, K), both as fractions of the crop's side."""
    side = views[0][0].shape[0]
    spreads, errors = [], []
    for start in range(0, len(views), 32):
        part = views[start : start + 32]
        found, _, spread = integrate(net.maps(normalise(torch.from_numpy(np.stack([crop for crop, _ in part])))))
        truth = torch.from_numpy(np.stack([points for _, points in part]).astype(np.float32) + 0.5) / side
        spreads.append(spread)
        errors.append((net.shape(found) - truth).norm(dim=-1))
    return torch.cat(spreads), torch.cat(errors)


def fit(expected: ExpectedError, samples: dict[str, tuple[Tensor, Tensor]]) -> None:
    """Fit the parameters in place."""
    with torch.no_grad():
        expected.slopes[0] = 1.0
    optimiser = torch.optim.LBFGS(expected.parameters(), max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        total = RIDGE * (expected.level - expected.level.mean()).square().mean()
        for name, (spreads, errors) in samples.items():
            mean = expected(spreads)
            total = total + WEIGHTS[name] * (mean.log() + errors / mean).mean()
        total.backward()
        return total

    optimiser.step(loss)


def ranks(values: np.ndarray) -> np.ndarray:
    return values.argsort(-1).argsort(-1).astype(float)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def verdict(predicted: np.ndarray, real: np.ndarray) -> str:
    """Say how well predicted errors (N, K) tell the real ones."""
    fifths = np.array_split(predicted.ravel().argsort(), 5)
    ratios = [predicted.ravel()[part].mean() / real.ravel()[part].mean() for part in fifths]
    within = np.mean([rank_correlation(p, r) for p, r in zip(predicted, real, strict=True)])
    between = rank_correlation(predicted.mean(1), real.mean(1))
    return (
        f"predicted / real in fifths {' '.join(f'{ratio:.2f}' for ratio in ratios)}, "
        f"rank correlation within faces {within:.2f}, over faces {between:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--network", choices=sorted(NETWORKS), default="compact")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network = NETWORKS[args.network]
    net = network.build().to(memory_format=torch.channels_last).eval()
    net.load_state_dict(net.state_dict() | torch.load(args.checkpoint, weights_only=True)["ema"])
    net.expected = ExpectedError(net.expected.level.numel())
    samples = {name: measured(net, views) for name, views in held_out(Faces.load(args.faces), network.side).items()}
    fit(net.expected, {name: (spreads[::2], errors[::2]) for name, (spreads, errors) in samples.items()})
    with torch.no_grad():
        for name, (spreads, errors) in samples.items():
            predicted = net.expected(spreads).numpy()
            for half, start in (("fitted on", 0), ("held out", 1)):
                print(f"{name}, {half}: {verdict(predicted[start::2], errors[start::2].numpy())}")
    torch.save({"ema": net.state_dict()}, args.out)


if __name__ == "__main__":
    main()
