"""What worker processes of `test_concurrency.py` run; a module of its own, so that spawned ones can import it."""

import numpy as np
import torch

import facelandmarks as fl

COUNT = 12


def picture(index: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """A picture large enough for the threads of OpenCV, and a box."""
    rng = np.random.default_rng(index)
    image = np.repeat(np.repeat(rng.integers(0, 256, (60, 80, 3), np.uint8), 12, axis=0), 12, axis=1)
    return image, (100.0 + index, 80.0, 420.0 + 3 * index, 400.0)


def predict(model: fl.Model, index: int) -> np.ndarray:
    """Points of a given box and boxes that are detected, all in one array (the latter's number may be 0)."""
    image, box = picture(index)
    detected = model.predict(image, min_score=0.25, confirm=False)
    return np.concatenate([model.predict(image, box).points[0], detected.boxes.reshape(-1, 2)])


class Points(torch.utils.data.Dataset):
    """Predictions of pictures, made where the data are loaded; the model is loaded there if none is given."""

    def __init__(self, model: fl.Model | None = None) -> None:
        self.model = model

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> np.ndarray:
        if self.model is None:
            self.model = fl.load_model(device="cpu")
        return predict(self.model, index)
