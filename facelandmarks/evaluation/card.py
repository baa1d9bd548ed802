"""The card of a run: a JSON document with every number, and everything needed to measure it again.

Tables and pages are made from the card alone (`facelandmarks.evaluation.report`).
"""

import base64
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import sha256_of
from facelandmarks.boxes import tight_boxes
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import get_release
from facelandmarks.evaluation.measuring import Measured, Settings, read_subset
from facelandmarks.evaluation.metrics import per_contour, per_landmark
from facelandmarks.evaluation.protocols import Cell, Protocol, Row
from facelandmarks.evaluation.scoring import METRICS, failures, interval, judge, landmark_errors, mean_errors, score
from facelandmarks.images import load_image
from facelandmarks.schemes import get_scheme

SCHEMA = "facelandmarks-evaluation/2"
Card = dict[str, Any]
_PACKAGES = ("facelandmarks-zoo", "numpy", "torch", "opencv-python")
SIDE = 240  # px
_COVER = 1.5  # side of what is shown, in units of the longer side of the truth's tight box
_GREEN, _RED = (60, 200, 60), (235, 60, 40)
_FRACTION = 4  # fractional bits of OpenCV's drawing coordinates
_QUALITY = 85


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
                **card_of_subset(part),
                "measured": _errors(given.get(subset), protocol),
                "detector": _errors(detected.get(subset), protocol),
            }
            for subset, part in parts.items()
        },
    }


def card_of_cell(cell: Cell, row: Row, annotated: Measured | None, detected: Measured | None) -> Card:
    """Return what the card says of one number."""
    protocol, published = row.protocol, row.values.get(cell.key)
    # A published number covers all faces: one without points must not be left out.
    value = _values(cell, protocol, annotated, skip=not row.values)
    shown = np.nan if value["measured"] is None else value["measured"]
    part = annotated or detected
    return {
        "subset": cell.subset,
        "metric": cell.metric,
        "unit": METRICS[cell.metric].sign,
        "digits": cell.digits,
        "normaliser": protocol.normaliser if cell.metric == "NME" else None,
        "published": published,
        **value,
        "difference": None if published is None else _number(shown - published),
        "verdict": judge(published, shown, cell.digits, annotated.complete) if annotated else "-",
        "faces_expected": list(part.expected) if part else [],
        "faces_found": len(part.faces.names) if part else 0,
        "detector": _values(cell, protocol, detected, skip=True) if detected else None,
    }


def _values(cell: Cell, protocol: Protocol, part: Measured | None, skip: bool) -> Card:
    """Return the numbers that depend on the boxes."""
    if part is None:
        return dict.fromkeys(("measured", "fraction", "interval", "failures", "faces_missed"))
    value, mean = score(part.faces, cell.metric, protocol.scoring, skip), cell.metric == "NME"
    ends = interval(part.faces) if mean else None
    return {
        "measured": _number(value * METRICS[cell.metric].factor),
        "fraction": _number(value),
        "interval": None if ends is None else [_number(end) for end in ends],
        "failures": _number(failures(part.faces)) if mean else None,
        "faces_missed": int(part.faces.missed().sum()),
    }


def card_of_subset(part: Measured) -> Card:
    """Return what does not depend on the boxes."""
    truth = part.faces.truth
    low, high = truth.min(1, keepdims=True), truth.max(1, keepdims=True)
    extent = np.maximum((high - low).max(-1, keepdims=True), 1e-6)
    mean_face = np.asarray(((truth - (low + high) / 2) / extent).mean(0), np.float64)  # each scaled to its own extent
    return {
        "annotations": {
            "form": part.files.form,
            "path": str(part.files.path),
            "sha256": sha256_of(part.files.path) if part.files.whole else None,
            "faces_sha256": part.digest,
        },
        "names": list(part.faces.names),
        "mean_face": np.round(mean_face, 4).tolist(),
    }


def _errors(part: Measured | None, protocol: Protocol) -> Card | None:
    """Return errors by face, by landmark, and by part of the face."""
    if part is None:
        return None
    faces = part.faces
    errors, valid = landmark_errors(faces)
    scheme = get_scheme(get_release(protocol.dataset).scheme)
    counted = valid & ~faces.missed()[:, None]
    return {
        "errors": [_number(error) for error in mean_errors(faces)],
        "per_landmark": [_number(error) for error in per_landmark(errors, counted)],
        "per_contour": {name: _number(error) for name, error in per_contour(errors, scheme, counted).items()},
    }


def make_card(command: Sequence[str], settings: Settings, rows: Sequence[Card], not_run: Sequence[Card]) -> Card:
    """Return the whole card of a run."""
    chosen = {key: str(value) if isinstance(value, Path) else _plain(value) for key, value in asdict(settings).items()}
    del chosen["progress"]  # it changes no number
    versions: dict[str, str | None] = {"python": platform.python_version(), **dict.fromkeys(_PACKAGES)}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {
        "schema": SCHEMA,
        "command": list(command),
        "settings": chosen,
        "versions": versions,
        "rows": list(rows),
        "not_run": list(not_run),
    }


def _number(value: float) -> float | None:
    """Round off the last bits, in which machines differ; None for NaN and infinity, which JSON does not have."""
    return round(float(value), 6) if np.isfinite(value) else None


def _plain(value: Any) -> Any:
    """Return mappings as dictionaries and tuples as lists, as JSON would give them back."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def worst_faces(row: Row, subset: str, part: Measured, settings: Settings, count: int) -> list[Card]:
    """Return the faces with the largest mean errors, worst first: name, error, and a JPEG in base64.

    The truth is green, the prediction red; a line joins the two points of a landmark.
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
    for found, colour in zip(ends, (_GREEN, _RED), strict=True):
        for point in found:
            cv2.circle(tile, point.tolist(), round(1.6 * 2**_FRACTION), colour, -1, cv2.LINE_AA, _FRACTION)
    content = cv2.imencode(".jpg", tile[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return base64.b64encode(content.tobytes()).decode()
