"""Write docs/accuracy.md from kept reports: python docs/make_accuracy.py; with --data, measure them first.

    python docs/make_accuracy.py --data DATA [--mediapipe FOLDER] [--dlib FILE]

DATA holds `300w`, `300w_test` and `wflw_test`. FOLDER holds `face_landmark_fp16.tflite`, as MediaPipe's package
names its mesh; without it, the mesh is measured only if it is in the cache. FILE is
`shape_predictor_68_face_landmarks.dat`; it needs dlib. Reports are kept in docs/accuracy, without images.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pages import table

from facelandmarks.evaluation import Report, evaluate, tables
from facelandmarks.evaluation.datasets import read
from facelandmarks.evaluation.html import groups_of, mean_of
from facelandmarks.evaluation.metrics import from_json
from facelandmarks.evaluation.rows import at_hand
from facelandmarks.images import load_image
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS

FOLDER = Path(__file__).with_name("accuracy")
MESHES = {"mediapipe_face_mesh": "face_landmark_fp16.tflite"}  # and the file's name in MediaPipe's package
DLIB = "dlib"


@dataclass(frozen=True)
class Faces:
    """Annotated faces that everything is measured on."""

    name: str  # of the kept reports
    title: str
    dataset: str
    folder: str  # in DATA
    subset: str
    about: str


SETS = (
    Faces(
        "validation", "300-W validation, 203 faces", "300w", "300w", "validation",
        """\
Every tenth training face of AFW, HELEN and LFPW, as far as they are in DATA (203 of 316). The built-in models
were not trained on them, but were selected on them.""",
    ),
    Faces(
        "common", "300-W common set, 434 of 554 faces", "300w", "300w_test", "common",
        """\
Test faces of HELEN (270) and LFPW (164); 120 faces of the common set and the whole challenging set are missing.
These are not scores on the common set: do not compare them with published ones.""",
    ),
    Faces(
        "wflw", "WFLW, 163 of 2500 test faces, 68 points", "wflw68", "wflw_test", "test",
        """\
The built-in models were neither trained on WFLW nor chosen by it. Its contour and brows are defined differently
from those of 300-W, and the eight points of the lids are means of two of its points: part of the error is that,
for every model.""",
    ),
)  # fmt: skip
INTRODUCTION = """\
# Accuracy

Written by `python docs/make_accuracy.py` from the reports kept in `docs/accuracy`, which hold the error of every face.
Errors are means over the 68 points of a face, in percent of the distance of the outer eye corners; annotated
boxes, converted to each model's own. In brackets: 95 % intervals, by bootstrap over faces. They say how a
number would vary with other faces of the same kind, and nothing about other kinds of faces. Failures are faces
that were missed or have an error above 8 or 10 %; AUC is the area under the curve of cumulative errors up to
there ([statistics](evaluation.md#statistics)). `facelandmarks-eval --render docs/accuracy/*_common.json --html
page.html` shows curves, parts of the face, sizes and yaws.

All these numbers are our own, and none is a published one measured again. What is proven:
[evaluation](evaluation.md).
"""
NOTES = """\
- Points of MediaPipe's mesh are converted to the 68 of 300-W ([schemes](schemes.md)): most are near a point of
  300-W, not the same one, so part of its error is no error of the network. Its training data are not published.
- dlib, where it is listed: its file was trained on 300-W, by all that is known on these very test faces too, so
  its numbers there are no test. It finds its own boxes; faces that it misses are failures.
"""


def main() -> None:
    """Measure if asked to, then write the file beside this one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, metavar="DATA")
    parser.add_argument("--mediapipe", type=Path, metavar="FOLDER")
    parser.add_argument("--dlib", type=Path, metavar="FILE")
    args = parser.parse_args()
    if args.data:
        measure(args.data, args.mediapipe, args.dlib)
    Path(__file__).with_name("accuracy.md").write_text(document(), encoding="utf-8")


def measure(data: Path, mediapipe: Path | None, predictor: Path | None) -> None:
    """Keep a report of every model on every set of faces; reports of models that are gone are removed."""
    FOLDER.mkdir(exist_ok=True)
    files = load_manifest().files
    models = {name: None for name, spec in MODELS.items() if files[spec.weights].asset}
    for name, file in MESHES.items():
        if mediapipe or at_hand(MODELS[name]):
            models[name] = mediapipe / file if mediapipe else None
    for path in FOLDER.glob("*.json"):
        if Report.load(path).rows[0]["model"] not in (*MODELS, DLIB):
            path.unlink()
    for faces in SETS:
        for name, weights in models.items():
            keep(faces, name, data, models=name, weights=weights)
        if predictor:
            with tempfile.TemporaryDirectory() as folder:
                found = Path(folder) / DLIB
                found.write_text(json.dumps({"images": list(dlib_faces(faces, data, predictor))}))
                keep(faces, DLIB, data, predictions=found)


def keep(faces: Faces, name: str, data: Path, **chosen: object) -> None:
    """Measure one model on one set of faces; the report has no path of this machine."""
    place = ["--dataset", faces.dataset, "--data-root", f"DATA/{faces.folder}", "--subset", faces.subset]
    what = ["--predictions", f"{DLIB}.json"] if name == DLIB else ["--model", name]
    report = evaluate(
        faces.dataset,
        data / faces.folder,
        subsets=faces.subset,
        allow_partial=True,
        progress=True,
        command=["facelandmarks-eval", *place, *what, "--allow-partial"],
        **chosen,
    )
    settings = report.card["runs"][0]["settings"]
    settings["data_root"] = f"DATA/{faces.folder}"
    settings |= {key: Path(settings[key]).name for key in ("weights", "predictions") if settings[key]}
    text = json.dumps(report.card, allow_nan=False, separators=(",", ":"))
    (FOLDER / f"{name}_{faces.name}.json").write_text(text + "\n", encoding="utf-8")
    print(report.to_text())


def dlib_faces(faces: Faces, data: Path, predictor: Path) -> Iterator[dict[str, object]]:
    """Give what dlib finds in each image, in the form of `facelandmarks-predict --json`."""
    import dlib

    detector, shapes = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(predictor))
    for sample in read(faces.dataset, data / faces.folder, faces.subset, allow_partial=True):
        image = np.ascontiguousarray(load_image(sample.image))
        found = [shapes(image, box).parts() for box in detector(image, 1)]
        yield {"image": sample.name, "faces": [{"points": [[p.x, p.y] for p in points]} for points in found]}


def document() -> str:
    """The whole file."""
    parts = [INTRODUCTION]
    for faces in SETS:
        reports = [Report.load(path) for path in sorted(FOLDER.glob(f"*_{faces.name}.json"))]
        parts += [f"## {faces.title}\n\n{faces.about}\n", table(results(reports))]
        compared = [row for other in reports[1:] for row in comparison(reports[0], other)]
        if compared:
            heads = ("first", "second", "second - first", "second nearer on", "better")
            parts += ["On the same faces, by a paired bootstrap:\n", table([heads, *compared])]
        for rows in by_attribute(reports):
            parts += ["Mean error by attribute (faces):\n", table(rows)]
        parts.append("\n".join(sources(reports)) + "\n")
    return "\n".join([*parts, "## Notes\n", NOTES])


def sources(reports: Sequence[Report]) -> Iterator[str]:
    """Give the command of each report, and what ran it."""
    runs = [run for report in reports for run in report.card["runs"]]
    yield "Measured by:\n"
    yield from (f"- `{tables.command_of_run(run)}`" for run in runs)
    about = {
        ", ".join(
            [run["date"][:10], run["processor"], *(f"{name} {number}" for name, number in run["versions"].items())]
        )
        for run in runs
    }
    yield f"\n{'; '.join(sorted(about))}."


def results(reports: Sequence[Report]) -> Iterator[Sequence[str]]:
    """Give the statistics of each report, below the headings."""
    yield ("model", "missed", "mean", "median", "failures > 8 %", "> 10 %", "AUC to 8 %", "to 10 %")
    for report in reports:
        for row, _, _, found in tables.errors_of_card(report.card):
            numbers = found["statistics"]
            shown = [
                f"{100 * numbers[name]['value']:.2f} [{tables.format_interval(numbers[name]['interval'])}]"
                for name in tables.STATISTICS
            ]
            yield (f"`{row['model']}`", str(numbers["missed"]), *shown)


def comparison(first: Report, second: Report) -> Iterator[Sequence[str]]:
    """Give what is known of the difference of two models on the same faces."""
    for pair in first.compare(second).comparisons:
        difference, wins = pair["difference"], pair["wins"]
        names = [f"`{label.partition(' (')[0]}`" for label in pair["labels"]]
        yield (
            *names,
            f"{100 * difference['value']:+.2f} [{tables.format_interval(difference['interval'], sign='+')}]",
            f"{100 * wins['value']:.1f} % [{tables.format_interval(wins['interval'], 1)}]",
            {"first": names[0], "second": names[1], None: "not shown"}[pair["better"]],
        )


def by_attribute(reports: Sequence[Report]) -> Iterator[Iterator[Sequence[str]]]:
    """Give the mean errors by attribute of the face, if the faces have any."""
    measured = [entry for report in reports for entry in tables.errors_of_card(report.card)]
    kinds = [dict(groups_of(row["subsets"][name])).get("attribute") for row, name, _, _ in measured]
    if not kinds or not kinds[0]:
        return

    def rows() -> Iterator[Sequence[str]]:
        yield ("model", *(f"{name} ({len(faces)})" for name, faces in kinds[0]))
        for (row, _, _, found), groups in zip(measured, kinds, strict=True):
            dots = [mean_of(from_json(found["errors"]), faces) for _, faces in groups]
            shown = [f"{100 * d[0]:.2f} [{100 * d[1]:.2f} to {100 * d[2]:.2f}]" if d else "-" for d in dots]
            yield (f"`{row['model']}`", *shown)

    yield rows()


if __name__ == "__main__":
    main()
