"""What tests of the evaluation share: releases that count as complete, and a run of the command."""

import json
from dataclasses import replace
from types import MappingProxyType

import torch

from facelandmarks.cli.evaluate import main
from facelandmarks.evaluation import datasets


def publish(monkeypatch, dataset, **faces):
    """Make a dataset have these numbers of faces, so that a tiny release of it is complete."""
    known = datasets.RELEASES[dataset]
    counts = MappingProxyType({**known.faces, **{subset: (count,) for subset, count in faces.items()}})
    changed = {**datasets.RELEASES, dataset: replace(known, faces=counts)}
    monkeypatch.setattr(datasets, "RELEASES", MappingProxyType(changed))


def save_weights(state, path):
    torch.save({key: torch.from_numpy(value) for key, value in state.items()}, path)
    return path


def evaluate(tmp_path, *arguments):
    """Exit code and card of a run."""
    path = tmp_path / "card.json"
    path.unlink(missing_ok=True)
    code = main([*map(str, arguments), "--quiet", "--device", "cpu", "--json", str(path)])
    return code, json.loads(path.read_text()) if path.exists() else None


def cells_of(card, row=0):
    return {(cell["subset"], cell["metric"]): cell for cell in card["rows"][row]["cells"]}
