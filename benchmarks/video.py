"""Measure how steady and how late the points of a video are, without and with smoothing, and if numbers stay.

    python benchmarks/video.py CLIPS

`CLIPS` holds clips whose faces are photos moved on known paths, with the paths beside them (`NAME.mp4`, `NAME.csv`).
Points are compared with the true path: their mean in the photo's coordinates, moved as the photo was. Frames that show
less than nine tenths of a face do not count.
"""

import csv
import platform
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

import facelandmarks as fl
from facelandmarks.video import Cutoffs, FaceSmoother, Smoothing, jitter, lag, read_video, track

NAMES = ("still_noise", "crossing", "leave_return", "spin_zoom")
VISIBLE = 0.9
NEAR = 30.0  # pixels from the true nose to the middle of the points
RATES = (15, 30, 60)  # frames a second
SPEEDS = (0.02, 0.1, 0.5, 2.0)  # face sizes a second


@dataclass(frozen=True)
class Run:
    """Successive frames of a face: its number in the clip and here, times (T,), points and true points (T, K, 2)."""

    person: int
    ids: tuple[int, ...]
    times: np.ndarray
    points: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class Pose:
    """Where a person is in a frame: the photo's affine map (2, 3), the nose, and the visible share of the face."""

    matrix: np.ndarray
    nose: np.ndarray
    visible: float


def read_paths(path: Path) -> dict[int, dict[int, Pose]]:
    """Read the true poses, by frame and person."""
    paths: dict[int, dict[int, Pose]] = defaultdict(dict)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            matrix = np.array([[float(row[f"m{i}{j}"]) for j in range(3)] for i in range(2)])
            nose = np.array([float(row["nose_x"]), float(row["nose_y"])])
            paths[int(row["frame"])][int(row["id"])] = Pose(matrix, nose, float(row["visible"]))
    return paths


def measure(clip: Path, model: fl.Model, smoothing: Smoothing | None) -> tuple[list[Run], float]:
    """Return the faces of a clip, and the milliseconds per frame."""
    paths = read_paths(clip.with_suffix(".csv"))
    seen: dict[int, list[tuple[int, int, float, np.ndarray, np.ndarray]]] = defaultdict(list)
    began = time.perf_counter()
    frames = list(track(read_video(clip), model, smoothing=smoothing))
    spent = (time.perf_counter() - began) / len(frames) * 1000
    for frame in frames:
        for person, pose in paths[frame.index].items():
            if pose.visible < VISIBLE or not len(frame.ids):
                continue
            off = np.linalg.norm(frame.faces.points.mean(1) - pose.nose, axis=1)
            best = int(np.argmin(off))
            if off[best] < NEAR:
                points = frame.faces.points[best].astype(float)
                in_photo = (points - pose.matrix[:, 2]) @ np.linalg.inv(pose.matrix[:, :2]).T
                seen[person].append((frame.index, int(frame.ids[best]), frame.time, points, in_photo))
    return [run for person, rows in seen.items() for run in runs(person, rows, paths)], spent


def runs(person: int, rows: list, paths: dict[int, dict[int, Pose]]) -> list[Run]:
    """Split the frames of a person where one is missing."""
    mean = np.mean([in_photo for *_, in_photo in rows], axis=0)
    breaks = [k for k in range(1, len(rows)) if rows[k][0] != rows[k - 1][0] + 1]
    found = []
    for part in np.split(np.arange(len(rows)), breaks):
        chosen = [rows[k] for k in part]
        matrices = np.array([paths[index][person].matrix for index, *_ in chosen])
        truth = np.einsum("kj,tij->tki", mean, matrices[:, :, :2]) + matrices[:, None, :, 2]
        ids = tuple(sorted({number for _, number, *_ in chosen}))
        found.append(Run(person, ids, np.array([r[2] for r in chosen]), np.array([r[3] for r in chosen]), truth))
    return found


def lag_on_ramps(cutoffs: Cutoffs) -> list[str]:
    """Return the rows of a table: lag in ms behind a steady motion, by speed and frame rate."""
    shape = np.random.default_rng(0).uniform(-50, 50, (68, 2))
    side = float(np.sqrt(np.ptp(shape, axis=0).prod()))
    rows = []
    for speed in SPEEDS:
        cells = []
        for rate in RATES:
            times = np.arange(2 * rate) / rate
            way = shape + (speed * side * times)[:, None, None] * np.array([1.0, 0.0])
            smoother = FaceSmoother(Smoothing(place=cutoffs))
            smoothed = np.array([smoother.smooth(points, t) for points, t in zip(way, times, strict=True)])
            cells.append(f"{(way[-1] - smoothed[-1])[:, 0].mean() / (speed * side) * 1000:.0f}")
        rows.append(f"| {speed:g} | {' | '.join(cells)} |")
    return rows


def main() -> None:
    clips = Path(sys.argv[1])
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = fl.load_model()
    print(
        f"{platform.processor() or platform.machine()}, OpenCV {cv2.__version__}, torch {torch.__version__}, 1 thread\n"
    )
    print("| clip | person | frames | numbers | jitter off, % | jitter on, % | off / on | lag off, ms | lag on, ms |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    spent = []
    for name in NAMES:
        plain, _ = measure(clips / f"{name}.mp4", model, None)
        smooth, milliseconds = measure(clips / f"{name}.mp4", model, Smoothing())
        spent.append(f"{name} {milliseconds:.0f}")
        for off, on in zip(plain, smooth, strict=True):
            shaking = [jitter(run.points, run.truth) * 100 for run in (off, on)]
            late = [lag(run.points, run.truth, run.times) for run in (off, on)]
            shown = ["-" if np.isnan(value) else f"{value:.1f}" for value in late]
            print(
                f"| {name} | {on.person} | {len(on.times)} | {', '.join(map(str, on.ids))} | {shaking[0]:.3f} "
                f"| {shaking[1]:.3f} | {shaking[0] / shaking[1]:.1f} | {shown[0]} | {shown[1]} |"
            )
    print("\nLag in ms behind a face that moves steadily:\n")
    print(f"| face sizes a second | {' | '.join(f'{rate} frames/s' for rate in RATES)} |\n| --- | --- | --- | --- |")
    print("\n".join(lag_on_ramps(Smoothing().place)))
    print(f"\nMilliseconds a frame: {', '.join(spent)}")


if __name__ == "__main__":
    main()
