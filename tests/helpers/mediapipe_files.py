"""MediaPipe's files and goldens beside the checkout: `README.md` and `FACTS.md` there say what is in them."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from golden_files import find_shared
from numpy.typing import NDArray
from torch import nn

from facelandmarks.nn.blazeface import BlazeFaceFull, BlazeFaceShort
from facelandmarks.nn.face_mesh import FaceMesh, FaceMeshAttention
from facelandmarks.weights.checkpoint import load_state
from facelandmarks.weights.tflite import read_mediapipe

FILES = {
    "face_mesh": "face_landmark_fp16.tflite",
    "face_mesh_attention": "face_landmark_with_attention.tflite",
    "blazeface_short": "face_detection_short_range.tflite",
    "blazeface_full": "face_detection_full_range_sparse.tflite",
}
# The order is that of the folder; four of them are drawn from images that anybody has.
GOLDENS = (
    *("afw_rejected", "afw_single", "afw_tall_two", "afw_three", "afw_tilt", "afw_two_cut"),
    *("astronaut_portrait", "astronaut_tiny96", "camera_grey", "coffee_noface", "helen_large", "lfpw_four"),
)


def folder() -> Path:
    """Where they are; skips or fails as `find_shared` does."""
    return find_shared() / "goldens" / "mediapipe"


def weights(network: str) -> Path:
    """The published file of a network."""
    return folder() / "files" / FILES[network]


def golden(name: str) -> dict[str, NDArray]:
    """The arrays of a golden."""
    with np.load(folder() / "public" / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def golden_image(arrays: dict[str, NDArray]) -> NDArray[np.uint8]:
    """The image that a golden was made from, by the library's own reader; its bytes are checked."""
    from facelandmarks.images import load_image

    image = load_image(find_shared() / str(arrays["image"]).removeprefix("shared/"))
    assert hashlib.sha256(image.tobytes()).hexdigest() == str(arrays["image_sha256"])
    return image


@cache
def network(name: str) -> nn.Module:
    """A network with its published weights."""
    made = {
        "face_mesh": FaceMesh,
        "face_mesh_attention": FaceMeshAttention,
        "blazeface_short": BlazeFaceShort,
        "blazeface_full": BlazeFaceFull,
    }[name]()
    load_state(made, read_mediapipe(weights(name)), name)
    return made.eval().requires_grad_(False)


def run(name: str, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A network's output for crops (N, H, W, 3); detectors see -1..1, meshes 0..1."""
    values = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
    scaled = values * np.float32(2 / 255) - 1 if name.startswith("blazeface") else values * np.float32(1 / 255)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # many small layers: threads that wait for one another take longer
    try:
        return network(name)(scaled).numpy()
    finally:
        torch.set_num_threads(before)
