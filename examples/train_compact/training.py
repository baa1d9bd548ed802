"""What both trainings do: AdamW over a cosine, averaged weights, and a file from which a run goes on."""

import csv
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

LEAST_RATE = 0.005  # of the highest learning rate, at the end
LARGEST_GRADIENT = 10.0


class Run:
    """A network in training, its running average, and their file `FOLDER/last.pt`.

    Parameters
    ----------
    folder
        Made if needed; a `last.pt` in it is gone on from.
    net, average
        Two networks of one kind; the second becomes the average of the first over its steps.
    rate
        Highest learning rate.
    decay
        Weight decay of the convolutions.
    """

    def __init__(self, folder: Path, net: nn.Module, average: nn.Module, rate: float, decay: float = 0.05) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.net, self.average, self.rate = folder, net, average, rate
        average.load_state_dict(net.state_dict())
        decayed = [p for p in net.parameters() if p.ndim > 1]
        others = [p for p in net.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)
        self.loss = 0.0  # running mean

    @property
    def last(self) -> Path:
        return self.folder / "last.pt"

    def resume(self, **counters: Any) -> dict[str, Any]:
        """Counters as saved, or as given where nothing was saved yet."""
        if not self.last.exists():
            return counters
        state = torch.load(self.last, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        return {name: state[name] for name in counters}

    def save(self, **counters: Any) -> None:
        """Write everything, wholly or not at all."""
        states = {"net": self.net.state_dict(), "ema": self.average.state_dict()}
        partial = self.last.with_suffix(".part")
        torch.save({**states, "optimiser": self.optimiser.state_dict(), **counters}, partial)
        partial.replace(self.last)

    def log(self, row: list[Any]) -> None:
        """One more row of `log.csv`."""
        with (self.folder / "log.csv").open("a", newline="") as file:
            csv.writer(file).writerow(row)

    def step(self, loss: Tensor, *, progress: float, warm: float, decay: float) -> None:
        """One step down the loss.

        `progress` (0 to 1) places it on the cosine, `warm` (0 to 1) scales the first ones, `decay` is of the average.
        """
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * warm * (LEAST_RATE + (1 - LEAST_RATE) * cosine)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self._average(decay)
        self.loss = 0.98 * self.loss + 0.02 * loss.item() if self.loss else loss.item()

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        pairs = zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True)
        for average, value in pairs:
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)


def average_decay(steps: int, most: float) -> float:
    """Short memory at first, so that the average leaves the random start."""
    return min(most, (1 + steps) / (10 + steps))


def normalise(crops: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) to what the networks take, as `TorchEngine` does with mean and std 127.5."""
    return crops.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous(memory_format=torch.channels_last)
