"""Faces through `predict_batch` for a long time: does memory grow, do threads or open files?

Pictures have random sizes and come as arrays and as files; what is counted is what the system says of the process.

    python benchmarks/load.py --faces 20000
"""

import argparse
import json
import os
import platform
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

import facelandmarks as fl

SIDES = (64, 1600)  # pixels of a picture's side
FACES = (0, 12)  # in a picture
PICTURES = 8  # in a batch
WARM_UP = 50  # batches of the largest pictures: every thread keeps what they need for later ones
PARTS = 10  # of the run; the medians of the first and the last are compared
MOST_GROWTH = 0.02


def resident() -> int:
    """Resident memory in bytes (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handles() -> int:
    """Open files, sockets and pipes (Linux)."""
    return len(list(Path("/proc/self/fd").iterdir()))


def system_threads() -> int:
    """Threads of Python and of native libraries (Linux)."""
    return len(list(Path("/proc/self/task").iterdir()))


def picture(rng: np.random.Generator, largest: bool = False) -> tuple[object, np.ndarray]:
    """A picture of a random size, every third as the bytes of a JPEG, and boxes of random faces on it."""
    width, height = (SIDES[1], SIDES[1]) if largest else np.exp(rng.uniform(*np.log(SIDES), 2)).astype(int)
    coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (int(width), int(height)))
    count = FACES[1] if largest else int(rng.integers(FACES[0], FACES[1] + 1))
    corners = rng.uniform(-0.2, 0.9, (count, 2)) * (width, height)
    boxes = np.concatenate([corners, corners + rng.uniform(0.25, 0.8, (count, 2)) * (width, height)], axis=1)
    return (cv2.imencode(".jpg", image)[1].tobytes() if rng.random() < 1 / 3 else image), boxes


def run(model: fl.Model, faces: int, seed: int) -> list[dict[str, float]]:
    """Predict at least so many faces; one record a batch."""
    rng = np.random.default_rng(seed)
    records: list[dict[str, float]] = []
    for _ in range(WARM_UP):
        model.predict_batch(*zip(*(picture(rng, largest=True) for _ in range(PICTURES)), strict=True))
    done, begun = 0, time.monotonic()
    while done < faces:
        images, boxes = zip(*(picture(rng) for _ in range(PICTURES)), strict=True)
        results = model.predict_batch(images, boxes)
        done += sum(len(result) for result in results)
        if not all(np.isfinite(result.points).all() for result in results):
            raise RuntimeError(f"points that are not finite after {done} faces")
        del images, boxes, results
        records.append(
            {
                "faces": done,
                "seconds": time.monotonic() - begun,
                "resident": resident(),
                "threads": system_threads(),
                "python_threads": threading.active_count(),
                "handles": handles(),
            }
        )
        if len(records) % 50 == 0:
            print(f"{done} faces, {resident() / 2**20:.1f} MiB", file=sys.stderr, flush=True)
    return records


def summary(records: list[dict[str, float]]) -> dict[str, object]:
    """First and last level, and those between."""
    total = records[-1]["faces"]
    parts = np.array_split([record["resident"] for record in records], PARTS)
    levels = [float(np.median(part)) for part in parts]
    first, last = records[0], records[-1]
    growth = levels[-1] / levels[0] - 1
    return {
        "faces": total,
        "batches": len(records),
        "seconds": round(records[-1]["seconds"]),
        "resident_mib_by_tenth": [round(level / 2**20, 1) for level in levels],
        "growth": round(growth, 4),
        "threads": [first["threads"], last["threads"]],
        "handles": [first["handles"], last["handles"]],
        "flat": bool(
            growth <= MOST_GROWTH and last["threads"] <= first["threads"] and last["handles"] <= first["handles"]
        ),
    }


def main() -> int:
    """Exit code 1 if something grew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="compact_300w")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--faces", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model = fl.load_model(args.model, engine=args.engine, device="cpu")
    report = summary(run(model, args.faces, args.seed))
    machine = {"machine": platform.machine(), "python": platform.python_version(), "cpus": os.cpu_count()}
    print(json.dumps({"model": args.model, **machine, **report}, indent=1))
    return 0 if report["flat"] else 1


if __name__ == "__main__":
    sys.exit(main())
