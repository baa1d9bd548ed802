"""Label faces without points by networks that are trained already; `pack.py --labels` packs them for training.

    python pseudo_label.py DATA OUT.npz --member compact=weights.npz [--member teacher=more.npz] [--views 6]

Faces come from `DATA/faces_pack/crops`, `DATA/faces_pack/photos` (those whose tight box has a longer side of at least
`--least` pixels) and `DATA/ytf68`. Every member looks at each face in several views and their mirror images. The label
is the mean; the spread, a root mean square distance from it in tight sides, tells where views and members disagree.
"""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from augment import PADDING
from detector_data import numbers, read_rgb, read_rows, tight_from_yunet
from interim import load_weights
from networks import NETWORKS
from pack import list_ytf68
from torch import nn
from train_landmarks import SCHEME
from training import normalise

log = logging.getLogger("pseudo_label")


@dataclass
class Member:
    """A network that has a vote."""

    net: nn.Module
    side: int

    @torch.no_grad()
    def points(self, crops: np.ndarray) -> np.ndarray:
        """Return the points (N, 68, 2) in pixels of crops (N, side, side, 3)."""
        with torch.autocast("cpu", torch.bfloat16):
            found = torch.cat([self.net(normalise(part)) for part in torch.from_numpy(crops).split(64)])
        return found[..., :2].float().numpy() * self.side - 0.5


def load_member(text: str) -> Member:
    name, path = text.split("=", 1)
    net = NETWORKS[name].build().to(memory_format=torch.channels_last).eval()
    state = {key: torch.from_numpy(value) for key, value in load_weights(path).items()}
    net.load_state_dict(net.state_dict() | state)
    return Member(net, NETWORKS[name].side)


def list_faces(data: Path, least: float) -> list[tuple[Path, np.ndarray]]:
    """Return (picture, tight box (4,)) of every face without points."""
    pack = data / "faces_pack"
    crops = [row for row in read_rows(pack / "crops" / "crops.csv") if row["val"] == "0"]
    found = []
    for row in crops:
        if not row["file"].startswith(("helen", "lfpw")):  # those of the training folders have points
            box = tight_from_yunet(np.array([numbers(row, "x1", "y1", "x2", "y2")]))[0]
            found.append((pack / "crops" / "images" / row["file"], box))
    used = {row["photo"] for row in crops}
    used |= {row["file"] for row in read_rows(pack / "photos" / "index.csv") if row["val"] == "1"}
    for row in read_rows(pack / "photos" / "photos_yunet.csv"):
        box = tight_from_yunet(np.array([numbers(row, "x1", "y1", "x2", "y2")]))[0]
        if row["use"] == "1" and row["file"] not in used and (box[2:] - box[:2]).max() >= least:
            found.append((pack / "photos" / "images" / row["file"], box))
    for _, path, points in list_ytf68(data):
        found.append((path, np.concatenate([points.min(0), points.max(0)])))
    return found


def cut(image: np.ndarray, matrices: np.ndarray, side: int) -> np.ndarray:
    """Return crops (N, side, side, 3) through matrices (N, 2, 3) from crop pixels to pixels of the image."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.stack([cv2.warpAffine(image, matrix, (side, side), flags=flags) for matrix in matrices])


def box_matrix(box: np.ndarray, side: int, angle: float = 0.0, zoom: float = 1.0) -> np.ndarray:
    """Return the matrix (2, 3) from pixels of a crop around a tight box to those of the image."""
    scale = PADDING * (box[2:] - box[:2]).max() * zoom / side
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, (box[:2] + box[2:]) / 2 - linear @ [side / 2, side / 2]])


def vote(member: Member, image: np.ndarray, box: np.ndarray, views: int, rng: np.random.Generator) -> np.ndarray:
    """Return points (2 * views, 68, 2) in pixels of the image, of moved views and their mirror images."""
    size = (box[2:] - box[:2]).max()
    matrices = []
    for view in range(views):
        moved = box + np.tile(rng.normal(0, 0.03, 2) * size, 2) * (view > 0)
        angle, zoom = (rng.normal(0, 0.12), np.exp(rng.normal(0, 0.06))) if view else (0.0, 1.0)
        matrices.append(box_matrix(moved, member.side, angle, zoom))
    crops = cut(image, np.stack(matrices), member.side)
    found = member.points(np.concatenate([crops, crops[:, :, ::-1]]))
    mirrored = found[views:, SCHEME.mirror]
    mirrored[..., 0] = member.side - 1 - mirrored[..., 0]
    found = np.concatenate([found[:views], mirrored])
    both = np.concatenate([matrices, matrices])
    return np.einsum("nij,nkj->nki", both[:, :, :2], found) + both[:, None, :, 2]


def agreed(votes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (68, 2) of the members' votes, each member alike, and the spread (68,) of all in tight sides."""
    mean = np.mean([points.mean(0) for points in votes], axis=0)
    variance = np.mean([np.square(points - mean).sum(-1).mean(0) for points in votes], axis=0)
    return mean, np.sqrt(variance) / (mean.max(0) - mean.min(0)).max()


def label(
    members: list[Member], image: np.ndarray, box: np.ndarray, views: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return points and their spread; the box is first moved to where the points are."""
    for _ in range(2):
        points, _ = agreed([vote(member, image, box, 1, rng) for member in members])
        box = np.concatenate([points.min(0), points.max(0)])
    return agreed([vote(member, image, box, views, rng) for member in members])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--member", action="append", required=True, help="NETWORK=WEIGHTS")
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--least", type=float, default=38)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    members = [load_member(text) for text in args.member]
    rng = np.random.default_rng(0)
    names, points, spreads = [], [], []
    for path, box in list_faces(args.data, args.least):
        found, spread = label(members, read_rgb(path), box, args.views, rng)
        names.append(str(path.relative_to(args.data)))
        points.append(found.astype(np.float32))
        spreads.append(spread.astype(np.float16))
        if len(names) % 500 == 0:
            log.info("%d faces", len(names))
    spread = np.stack(spreads)
    log.info("mean spread, tenths: %s", np.quantile(spread.mean(1), np.linspace(0.1, 1, 10)).round(4))
    np.savez_compressed(args.out, names=np.array(names), points=np.stack(points), spreads=spread)


if __name__ == "__main__":
    main()
