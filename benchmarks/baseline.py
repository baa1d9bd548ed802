"""What everybody runs: the eager network in PyTorch's own layout, and points decoded landmark by landmark."""

import cv2
import numpy as np
import torch

from facelandmarks.nn.build import build_network
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo import get_spec


class Baseline:
    """HRNetV2-W18 with DARK as MMPose runs it: float32, batch norms apart, NCHW, no flip test.

    Speed does not depend on weights: they are random.
    """

    def __init__(self, name: str = "hrnetv2_w18_wflw_dark") -> None:
        self.spec = get_spec(name)
        landmarks = len(get_scheme(self.spec.scheme))
        torch.manual_seed(0)
        self.network = build_network(self.spec.network, {**self.spec.network_options, "landmarks": landmarks}).eval()

    def predict(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Points (N, K, 2) of the faces of a picture."""
        crops, zooms, corners = zip(*[self._crop(picture, box) for box in boxes], strict=True)
        with torch.inference_mode():
            maps = self.network(torch.stack([self._normalise(crop) for crop in crops])).numpy()
        return np.stack([decode(*work) for work in zip(maps, zooms, corners, strict=True)])

    def _crop(self, picture: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        side = self.spec.input_size[0]
        region = 1.25 * max(box[2:] - box[:2])
        corner = (box[:2] + box[2:]) / 2 - region / 2
        zoom = side / region
        matrix = np.array([[zoom, 0, -corner[0] * zoom], [0, zoom, -corner[1] * zoom]])
        return cv2.warpAffine(picture, matrix, (side, side)), 4 / zoom, corner

    def _normalise(self, crop: np.ndarray) -> torch.Tensor:
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.spec.mean, self.spec.std))
        return (torch.from_numpy(crop).permute(2, 0, 1).float() - mean) / std


def decode(maps: np.ndarray, zoom: float, corner: np.ndarray) -> np.ndarray:
    """Points (K, 2) in pixels of the picture of one face's maps (K, h, w): each map is blurred whole, then refined."""
    points = np.zeros((len(maps), 2))
    for k, heatmap in enumerate(maps):
        height, width = heatmap.shape
        y, x = divmod(int(heatmap.argmax()), width)
        framed = np.zeros((height + 10, width + 10), np.float32)
        framed[5:-5, 5:-5] = heatmap
        blurred = cv2.GaussianBlur(framed, (11, 11), 0)[5:-5, 5:-5]
        log = np.log(np.maximum(blurred * heatmap.max() / blurred.max(), 1e-10))
        points[k] = x, y
        if 1 < x < width - 2 and 1 < y < height - 2:
            points[k] += step(log, x, y)
    return points * zoom + corner


def step(log: np.ndarray, x: int, y: int) -> np.ndarray:
    """The Taylor step from one pixel."""
    gradient = np.array([log[y, x + 1] - log[y, x - 1], log[y + 1, x] - log[y - 1, x]]) / 2
    hxx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
    hyy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
    hxy = (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]) / 4
    hessian = np.array([[hxx, hxy], [hxy, hyy]])
    return -np.linalg.solve(hessian, gradient) if abs(np.linalg.det(hessian)) > 0 else np.zeros(2)
