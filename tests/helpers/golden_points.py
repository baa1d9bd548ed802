"""Reading of end-to-end goldens and the rule by which points are compared with them (goldens/README.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from golden_files import arrays, e2e_path, existing
from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """Stored network outputs of some samples and landmarks, and upstream's points for them."""

    what: str
    output: NDArray[np.float32]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    points: NDArray[np.float64]
    scores: NDArray[np.float32]
    sens: NDArray[np.float64]
    margin: NDArray[np.float64]


def picture(folder: Path, name: str) -> NDArray[np.uint8]:
    """RGB picture of a golden."""
    bgr = cv2.imread(str(existing(folder / "images" / f"{name.removesuffix('.png')}.png")))
    return np.ascontiguousarray(bgr[..., ::-1])


def e2e(folder: Path, model: str) -> dict[str, NDArray]:
    """All fields of an end-to-end file; `scale` in pixels of the image, SimCC's x and y as one output."""
    fields = arrays(e2e_path(folder, model))
    for name in [name.removesuffix("_x") for name in fields if name.startswith("output") and name.endswith("_x")]:
        fields[name] = np.stack([fields.pop(f"{name}_x"), fields.pop(f"{name}_y")], axis=1)
    if folder.name != "mmpose1x":
        fields["scale"] = fields["scale"] * fields["scale"].dtype.type(200)
    return fields


def parts(fields: dict[str, NDArray]) -> Iterator[Part]:
    """The parts of an end-to-end file whose network outputs are stored."""
    for name, output, samples, landmarks in stored_outputs(fields):
        suffix = "_flip" if "flip" in name else ""
        values = [fields[f + suffix][samples][:, landmarks] for f in ("points", "scores", "sens", "top2margin")]
        yield Part(name, output, fields["center"][samples], fields["scale"][samples], *values)


def stored_outputs(fields: dict[str, NDArray]) -> Iterator[tuple[str, NDArray[np.float32], NDArray, NDArray | slice]]:
    """Network outputs of a file: field, output, which samples and which landmarks it is of."""
    for name in ("output", "output_sub", "output_flipmerged", "output_flipmerged_sub"):
        if name in fields:
            samples = fields.get(f"{name}_idx", np.arange(len(fields[name])))
            landmarks = fields["output_sub_keypoints"] if name.endswith("_sub") else slice(None)
            yield name, fields[name], samples, landmarks


def compare(points: NDArray, part: Part) -> tuple[int, int]:
    """Number of points compared and left out; fails on a point further off than 0.01 px and than 4 * sens."""
    unclear = part.margin < 1e-3  # the highest pixel may be another one
    distance = np.linalg.norm(points - part.points, axis=-1)
    wrong = ~(distance <= allowed_distance(part.sens)) & ~unclear  # not `>`: NaN must fail
    assert not wrong.any(), f"{part.what}: {wrong.sum()} points off by up to {distance[wrong].max()} px"
    return int((~unclear).sum()), int(unclear.sum())


def allowed_distance(sens: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far points may be off, in pixels; `sens` is how far they move if the output is disturbed by 5e-5."""
    return np.maximum(0.01, 4 * sens)
