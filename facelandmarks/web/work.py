"""What the page does, without the page: files in, drawings, tables and files to download out."""

import shutil
import time
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.api import load_model
from facelandmarks.boxes import CONVENTIONS
from facelandmarks.cli.common import counted
from facelandmarks.cli.predict import to_json
from facelandmarks.detection import DEFAULT_DETECTOR, DETECTORS
from facelandmarks.draw import Style
from facelandmarks.images import load_image
from facelandmarks.results import Landmarks, image_record
from facelandmarks.schemes import get_scheme
from facelandmarks.video import TruncatedVideoWarning, annotate
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from facelandmarks.model import Model

Rows = list[list[Any]]
BOXES, LINES, NUMBERS = DRAWN = ("boxes", "lines", "numbers of points")
MOST_FRAMES = 300  # of a video: ten seconds of most cameras
KEPT = 3600  # seconds for which files can be downloaded
FACES_HEAD = ["model", "face", "box (x1, y1, x2, y2)", "detector", "points", "expected error, px", "doubtful"]
POINTS_HEAD = ["model", "face", "point", "name", "x", "y", "score", "expected error, px"]


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model finds in one photo."""

    model: str
    faces: Landmarks
    drawing: NDArray[np.uint8]  # (H, W, 3) RGB


def face_models(built_in: bool = False) -> list[str]:
    """Return the names of the models whose faces a detector finds; `built_in`: only those of the wheel."""
    names = [name for name, spec in MODELS.items() if spec.box_convention in CONVENTIONS]
    files = load_manifest().files
    return sorted(name for name in names if files[MODELS[name].weights].asset or not built_in)


def model_choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return what a list of models shows for each, and its name."""
    files = load_manifest().files

    def label(name: str) -> str:
        spec = MODELS[name]
        where = "built in" if files[spec.weights].asset else "fetched at first use"
        return f"{name} · {len(get_scheme(spec.scheme))} points · {where}"

    return [(label(name), name) for name in names]


def detector_choices() -> list[tuple[str, str]]:
    """Return the same for detectors."""
    known = {"auto": "auto · YuNet if cached", DEFAULT_DETECTOR: f"{DEFAULT_DETECTOR} · built in"}
    return [(known.get(name, f"{name} · fetched at first use"), name) for name in DETECTORS]


@cache
def kept_model(name: str, offline: bool | None) -> "Model":
    """Return a model, loaded once."""
    return load_model(name, offline=offline, progress=False)


def find_landmarks(
    photo: Path, models: Sequence[str], detector: str, drawn: Collection[str], offline: bool | None = None
) -> list[Answer]:
    """Find the landmarks of a photo with each of the models; errors are those of `load_model` and `Model.predict`."""
    pixels = load_image(photo)
    style = Style(boxes=BOXES in drawn, contours=LINES in drawn, indices=NUMBERS in drawn)
    answers = []
    for name in models:
        faces = kept_model(name, offline).predict(pixels, detector=detector)
        answers.append(Answer(name, faces, faces.draw(pixels, style)))
    return answers


def summary(answer: Answer) -> str:
    """Say in one line what was found, and how sure the model is."""
    faces = answer.faces
    found = counted(len(faces), "face") if len(faces) else "no face"
    parts = [f"{answer.model}: {found} found by {faces.detector}"]
    if faces.expected_error is None:
        parts.append("this model does not tell its expected error")
    elif len(faces):
        parts.append(f"expected error {faces.expected_error.mean():.1f} px in the mean")
    return "; ".join(parts)


def table_of_faces(answers: Sequence[Answer]) -> Rows:
    """Return one row per face, under `FACES_HEAD`; "points" is the mean of their scores."""
    rows: Rows = []
    for answer in answers:
        doubtful = answer.faces.doubtful
        for number, face in enumerate(answer.faces):
            error = "unknown" if face.expected_error is None else f"{face.expected_error.mean():.2f}"
            doubts = "unknown" if doubtful is None else f"{doubtful[number].sum()} of {len(face.points)}"
            box = ", ".join(f"{value:.0f}" for value in face.box)
            scores = f"{face.box_score:.2f}", f"{face.scores.mean():.2f}"
            rows.append([answer.model, number + 1, box, *scores, error, doubts])
    return rows


def table_of_points(answers: Sequence[Answer]) -> Rows:
    """Return one row per point, under `POINTS_HEAD`; points count from 0, as in the scheme."""
    rows: Rows = []
    for answer in answers:
        for number, face in enumerate(answer.faces):
            errors = [None] * len(face.points) if face.expected_error is None else face.expected_error.tolist()
            columns = zip(face.scheme.names, face.points.tolist(), face.scores.tolist(), errors, strict=True)
            for index, (name, (x, y), score, error) in enumerate(columns):
                known = "unknown" if error is None else f"{error:.2f}"
                rows.append([answer.model, number + 1, index, name, f"{x:.2f}", f"{y:.2f}", f"{score:.2f}", known])
    return rows


def write_answers(photo: Path, answers: Sequence[Answer], folder: Path) -> Path:
    """Write the JSON of `facelandmarks-predict --json`, one record per model, to a new place in the folder."""
    records = [image_record(photo.name, answer.model, answer.faces, None) for answer in answers]
    path = new_place(folder) / f"{photo.stem}_landmarks.json"
    path.write_bytes(to_json(records))
    return path


def follow_faces(
    video: Path,
    model: str,
    detector: str,
    folder: Path,
    offline: bool | None = None,
    progress: "Callable[[int], object] | None" = None,
) -> tuple[str, Path, Path]:
    """Follow the faces of a video: a line to read, a video that browsers play, and its lines of JSON.

    At most `MOST_FRAMES` frames; `progress` is called with the number of each. Errors are those of `annotate`.
    """
    place = new_place(folder)
    drawn, lines = (place / f"{video.stem}_landmarks{suffix}" for suffix in (".webm", ".jsonl"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TruncatedVideoWarning)
        done = annotate(
            video,
            kept_model(model, offline),
            draw=drawn,
            out=lines,
            detector=detector,
            most_frames=MOST_FRAMES,
            progress=None if progress is None else lambda frame: progress(frame.index + 1),
        )
    seen = f", seen in {done.with_faces} of them" if done.ids else ""
    parts = [
        f"{model}: {counted(done.frames, 'frame')}, {counted(len(done.ids), 'face') if done.ids else 'no face'}{seen}"
    ]
    parts += [str(warning.message) for warning in caught if issubclass(warning.category, TruncatedVideoWarning)]
    parts += [f"only the first {MOST_FRAMES} frames were used"] if done.frames == MOST_FRAMES else []
    return "; ".join(parts), drawn, lines


def new_place(folder: Path) -> Path:
    """Return a new folder in this one, from which places older than `KEPT` are removed."""
    for place in folder.glob("result-*"):
        if time.time() - place.stat().st_mtime > KEPT:
            shutil.rmtree(place, ignore_errors=True)
    return Path(mkdtemp(prefix="result-", dir=folder))
