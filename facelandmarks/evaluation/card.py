"""The card of a run: a JSON document with every number, the worst faces, and all that is needed to measure it again."""

import base64
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import sha256_of
from facelandmarks.boxes import tight_boxes
from facelandmarks.errors import DatasetError, InvalidOptionError
from facelandmarks.evaluation.datasets import RELEASES, get_release
from facelandmarks.evaluation.measuring import Measured, Settings, read_subset
from facelandmarks.evaluation.metrics import face_errors, from_json, json_number, per_contour, per_landmark, summarize
from facelandmarks.evaluation.protocols import PROTOCOLS, Cell, Protocol, Row
from facelandmarks.evaluation.scoring import METRICS, failures, interval, judge, landmark_errors, mean_errors, score
from facelandmarks.images import load_image
from facelandmarks.measures.pose import AVERAGE_FACE, head_pose
from facelandmarks.schemes import get_scheme

SCHEMA = "facelandmarks-evaluation/3"
OLD_SCHEMA = "facelandmarks-evaluation/2"
Card = dict[str, Any]
_PACKAGES = ("facelandmarks-zoo", "numpy", "opencv-python")
_POSED = 100.0  # px, the longer side of faces whose pose is estimated


def card_of_row(
    row: Row,
    run: Mapping[str, Any],
    given: Mapping[str, Measured],
    detected: Mapping[str, Measured],
    missing: Mapping[str, DatasetError],
) -> Card:
    """Return what the card says of one row that was run with some weights, engine, and settings of the model.

    By subset: faces with annotated regions (`given`, also those of another program), with detected ones, and why there
    are none.
    """
    protocol, parts = row.protocol, {**detected, **given}
    cells = [cell for cell in protocol.cells if cell.subset in parts and (not row.values or cell.key in row.values)]
    return {
        "model": row.model,
        "source": row.source or protocol.source,
        "protocol": _plain(asdict(protocol)),
        "run": dict(run),
        "cells": [card_of_cell(cell, row, given.get(cell.subset), detected.get(cell.subset)) for cell in cells],
        "missing": {subset: str(error) for subset, error in missing.items()},
        "subsets": {
            subset: {
                **card_of_subset(part, protocol),
                "measured": _errors(given.get(subset), protocol),
                "detector": _errors(detected.get(subset), protocol),
            }
            for subset, part in parts.items()
        },
    }


def card_of_cell(cell: Cell, row: Row, annotated: Measured | None, detected: Measured | None) -> Card:
    """Return what the card says of one number."""
    protocol, reference = row.protocol, row.values.get(cell.key)
    # A published number covers all faces: one without points must not be left out.
    value = _values(cell, protocol, annotated, skip=not row.values)
    shown = np.nan if value["measured"] is None else value["measured"]
    part = annotated or detected
    verdict = "-"
    if annotated:
        # On the faces of the reference: for a published one, all of the subset.
        own = annotated.whole and len(annotated.faces.names) in cell.faces
        verdict = judge(reference, shown, cell.digits, own if cell.faces else annotated.complete, protocol.reference)
    return {
        "subset": cell.subset,
        "metric": cell.metric,
        "unit": METRICS[cell.metric].sign,
        "digits": cell.digits,
        "normaliser": protocol.normaliser if cell.metric == "NME" else None,
        "reference": reference,
        "reference_kind": None if reference is None else protocol.reference,
        "reference_faces": list(cell.faces or (part.expected if part else ())),
        **value,
        "difference": None if reference is None else json_number(shown - reference),
        "verdict": verdict,
        "faces_expected": list(part.expected) if part else [],
        "faces_found": len(part.faces.names) if part else 0,
        "detector": _values(cell, protocol, detected, skip=True) if detected else None,
    }


def _values(cell: Cell, protocol: Protocol, part: Measured | None, skip: bool) -> Card:
    """Return the numbers that depend on the boxes."""
    if part is None:
        return dict.fromkeys(("measured", "fraction", "interval", "failures", "faces_missed"))
    value, mean = score(part.faces, cell.metric, protocol.scoring, skip), cell.metric == "NME"
    ends = interval(part.faces, protocol.scoring) if mean else None
    return {
        "measured": json_number(value * METRICS[cell.metric].factor),
        "fraction": json_number(value),
        "interval": None if ends is None else [json_number(end) for end in ends],
        "failures": json_number(failures(part.faces)) if mean else None,
        "faces_missed": int(part.faces.missed().sum()),
    }


def card_of_subset(part: Measured, protocol: Protocol) -> Card:
    """Return what does not depend on the boxes: files, and for each face its name, size, yaw and attributes.

    Yaws are in degrees, from the truth, and None where none can be told.
    """
    truth, files = part.faces.truth, part.files
    low, high = truth.min(1, keepdims=True), truth.max(1, keepdims=True)
    extent = np.maximum((high - low).max(-1, keepdims=True), 1e-6)
    # Each scaled to its own extent.
    shapes = np.asarray((truth - (low + high) / 2) / extent, np.float64)
    scheme, yaws = get_scheme(get_release(protocol.dataset).scheme), None
    if scheme.named.keys() >= AVERAGE_FACE.keys():
        # Each in the middle of an image three times its size: where it was in its own does not matter here.
        side = 3 * _POSED
        pose = head_pose(shapes * _POSED + side / 2, scheme, (round(side), round(side)))
        found = zip(pose.yaw, pose.valid, strict=True)
        yaws = [round(float(yaw), 1) if valid else None for yaw, valid in found]
    return {
        "annotations": {
            "form": files.form,
            "path": files.path.relative_to(files.root).as_posix(),
            "sha256": sha256_of(files.path) if files.whole else None,
            "faces_sha256": part.digest,
        },
        "names": list(part.faces.names),
        "sizes": [round(float(side), 1) for side in extent[:, 0, 0]],
        "yaws": yaws,
        "attributes": [sorted(names) for names in part.attributes] if any(part.attributes) else None,
        "mean_face": np.round(shapes.mean(0), 4).tolist(),
    }


def _errors(part: Measured | None, protocol: Protocol) -> Card | None:
    """Return scores and errors by face, statistics, and errors by landmark and by part of the face."""
    if part is None:
        return None
    faces = part.faces
    errors, valid = landmark_errors(faces)
    scheme = get_scheme(get_release(protocol.dataset).scheme)
    counted = valid & ~faces.missed()[:, None]
    return {
        "errors": [json_number(error) for error in mean_errors(faces)],
        "scores": [None if score is None else round(score, 4) for score in part.scores],
        "statistics": summarize(face_errors(errors, valid)),
        "per_landmark": [json_number(error) for error in per_landmark(errors, counted)],
        "per_contour": {name: json_number(error) for name, error in per_contour(errors, scheme, counted).items()},
    }


def date_of_run() -> str:
    """Return the time, or that of SOURCE_DATE_EPOCH, with which the same run gives the same report."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(fixed), UTC) if fixed else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidOptionError(
            f"SOURCE_DATE_EPOCH must be seconds since 1970, up to the year 9999; got {fixed!r:.40}"
        ) from error
    return moment.isoformat(timespec="seconds")


def make_card(
    command: Sequence[str], date: str, settings: Settings, rows: Sequence[Card], not_run: Sequence[Card]
) -> Card:
    """Return the whole card of a run."""
    chosen = {key: str(value) if isinstance(value, Path) else _plain(value) for key, value in asdict(settings).items()}
    del chosen["progress"]  # it changes no number
    versions: dict[str, str | None] = {"python": platform.python_version(), **dict.fromkeys(_PACKAGES)}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    processor = platform.processor() or None
    with suppress(OSError):  # Linux tells its name here
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        processor = next(names, processor)
    engines = [row["run"]["engine"] for row in rows if "engine" in row["run"]]
    run = {
        "command": list(command),
        "settings": chosen,
        "versions": versions | {engine["engine"]: engine["version"] for engine in engines},
        "date": date,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
    }
    return {"schema": SCHEMA, "runs": [run], "rows": list(rows), "not_run": list(not_run), "comparisons": []}


def upgrade(card: Card) -> Card:
    """Return a card of schema 2 in the form of this one; what it does not hold is None.

    Its numbers of our own stood as published ones, and its face counts were those that these had been measured on.
    """
    run = {key: card[key] for key in ("command", "settings", "versions")}
    rows = []
    for row in card["rows"]:
        name, dataset = row["protocol"]["name"], row["protocol"]["dataset"]
        kind = PROTOCOLS[name].reference if name in PROTOCOLS else "published"
        words = {"PASS": "SAME", "FAIL": "DIFFERENT"} if kind == "own" else {}
        cells = []
        for old in row["cells"]:
            cell = {key: value for key, value in old.items() if key != "published"}
            faces = RELEASES[dataset].faces.get(cell["subset"], ()) if dataset in RELEASES else cell["faces_expected"]
            known = {"reference": old["published"], "reference_kind": None if old["published"] is None else kind}
            counts = {"reference_faces": cell["faces_expected"], "faces_expected": list(faces)}
            cells.append(cell | known | counts | {"verdict": words.get(cell["verdict"], cell["verdict"])})
        subsets = {}
        for subset, part in row["subsets"].items():
            subsets[subset] = part | dict.fromkeys(("sizes", "yaws", "attributes"))
            for boxes in ("measured", "detector"):
                if part[boxes]:
                    known = {"scores": None, "statistics": summarize(from_json(part[boxes]["errors"]))}
                    subsets[subset][boxes] = part[boxes] | known
        rows.append(row | {"cells": cells, "subsets": subsets})
    runs = [run | dict.fromkeys(("date", "system", "processor"))]
    return {"schema": SCHEMA, "runs": runs, "rows": rows, "not_run": card["not_run"], "comparisons": []}


def _plain(value: Any) -> Any:
    """Return mappings as dictionaries and tuples as lists, as JSON would give them back."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


SIDE = 420  # px: the images of the worst faces
_COVER = 1.5  # side of what is shown, in units of the longer side of the truth's tight box
# Colours that colour-blind readers tell apart, and different shapes: rings for the truth, dots for the prediction.
TRUTH, PREDICTION = (86, 180, 233), (255, 140, 0)
_FRACTION = 4  # fractional bits of OpenCV's drawing coordinates
_QUALITY = 80


def worst_faces(row: Row, subset: str, part: Measured, settings: Settings, count: int) -> list[Card]:
    """Return the faces with the largest mean errors, worst first: name, error, and a JPEG in base64.

    The truth is a blue ring, the prediction an orange dot; a line joins the two points of a landmark.
    """
    faces = part.faces
    errors = mean_errors(faces)
    order = np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")
    wanted = {faces.names[face]: int(face) for face in order[np.isfinite(errors[order])][:count]}
    drawn: dict[str, str] = {}
    for sample in read_subset(row, subset, settings)[1]:
        if sample.name in wanted:
            face = wanted[sample.name]
            truth, points = (found[face] - row.protocol.counts_from for found in (faces.truth, faces.points))
            drawn[sample.name] = draw_face(load_image(sample.image), truth, points, faces.visible[face])
        if len(drawn) == len(wanted):
            break
    return [
        {"name": name, "error": round(float(errors[face]), 6), "jpeg": drawn[name]} for name, face in wanted.items()
    ]


def draw_face(
    image: NDArray[np.uint8], truth: NDArray[np.floating], points: NDArray[np.floating], visible: NDArray[np.bool_]
) -> str:
    """Return the square around a face as JPEG in base64."""
    from facelandmarks._opencv import cv2

    x1, y1, x2, y2 = tight_boxes(truth[None, visible])[0]
    zoom = SIDE / (_COVER * max(x2 - x1, y2 - y1, 1.0))
    shift = SIDE / 2 - zoom * np.array([x1 + x2, y1 + y2]) / 2
    tile = cv2.warpAffine(image, np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]]), (SIDE, SIDE))
    ends = [np.round((found[visible] * zoom + shift) * 2**_FRACTION).astype(int) for found in (truth, points)]
    for start, end in zip(*ends, strict=True):
        cv2.line(tile, start.tolist(), end.tolist(), (255, 255, 255), 1, cv2.LINE_AA, _FRACTION)
        cv2.circle(tile, start.tolist(), round(4.5 * 2**_FRACTION), TRUTH, 2, cv2.LINE_AA, _FRACTION)
    for end in ends[1]:
        cv2.circle(tile, end.tolist(), round(2.2 * 2**_FRACTION), PREDICTION, -1, cv2.LINE_AA, _FRACTION)
    content = cv2.imencode(".jpg", tile[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return base64.b64encode(content.tobytes()).decode()
