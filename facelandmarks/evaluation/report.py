"""The card of a run: a JSON document with every number, and with everything that is needed to measure it again.

Tables and pages are made from the card alone (`facelandmarks.evaluation.tables`, `facelandmarks.evaluation.html`).
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import parse_json
from facelandmarks.errors import DatasetError, InvalidOptionError
from facelandmarks.evaluation.datasets import get_release
from facelandmarks.evaluation.metrics import per_contour, per_landmark
from facelandmarks.evaluation.protocol import Cell, Protocol, Row
from facelandmarks.evaluation.runner import Measured, Settings
from facelandmarks.evaluation.scoring import METRICS, Faces, failures, interval, judge, landmark_errors, measure
from facelandmarks.schemes import get_scheme

SCHEMA = "facelandmarks-evaluation/2"
Card = dict[str, Any]
_PACKAGES = ("facelandmarks-zoo", "numpy", "torch", "opencv-python")


def card_of_row(
    row: Row,
    run: Mapping[str, Any],
    given: Mapping[str, Measured],
    detected: Mapping[str, Measured],
    missing: Mapping[str, DatasetError],
) -> Card:
    """What the card says of one row.

    Parameters
    ----------
    row
        What was measured.
    run
        How it was run: weights, engine, settings of the model.
    given, detected
        By subset: its faces, with annotated regions (or of another program), and with detected ones. One may be empty.
    missing
        By subset: why there are no faces.
    """
    protocol, parts = row.protocol, {**detected, **given}
    return {
        "model": row.model,
        "source": row.source or protocol.source,
        "protocol": _plain(asdict(protocol)),
        "run": dict(run),
        "cells": [_card_of_cell(cell, row, given, detected) for cell in _cells(row, parts)],
        "missing": {subset: str(error) for subset, error in missing.items()},
        "subsets": {
            subset: {
                **_card_of_subset(part),
                "measured": _errors(given.get(subset), protocol),
                "detector": _errors(detected.get(subset), protocol),
            }
            for subset, part in parts.items()
        },
    }


def _cells(row: Row, parts: Mapping[str, Measured]) -> list[Cell]:
    return [cell for cell in row.protocol.cells if cell.subset in parts and (not row.values or cell.key in row.values)]


def _card_of_cell(cell: Cell, row: Row, given: Mapping[str, Measured], detected: Mapping[str, Measured]) -> Card:
    protocol, published = row.protocol, row.values.get(cell.key)
    annotated, found = given.get(cell.subset), detected.get(cell.subset)
    part = annotated or detected[cell.subset]
    # A published number is of all faces: one that has no points is no reason to leave it out.
    value = _values(cell, protocol, annotated, skip=not row.values)
    shown = np.nan if value["measured"] is None else value["measured"]
    return {
        "subset": cell.subset,
        "metric": cell.metric,
        "unit": METRICS[cell.metric].sign,
        "digits": cell.digits,
        "normaliser": protocol.normaliser if cell.metric == "NME" else None,
        "published": published,
        **value,
        "difference": None if published is None else _number(shown - published),
        "verdict": judge(published, shown, cell.digits, part.complete) if annotated else "-",
        "faces_expected": list(part.expected),
        "faces_found": len(part.faces.names),
        "detector": _values(cell, protocol, found, skip=True) if found else None,
    }


def _values(cell: Cell, protocol: Protocol, part: Measured | None, skip: bool) -> Card:
    """The numbers that depend on the boxes."""
    if part is None:
        return dict.fromkeys(("measured", "fraction", "interval", "failures", "faces_missed"))
    value, mean = measure(part.faces, cell.metric, protocol.scoring, skip), cell.metric == "NME"
    return {
        "measured": _number(value * METRICS[cell.metric].factor),
        "fraction": _number(value),
        "interval": _interval(part.faces) if mean else None,
        "failures": _number(failures(part.faces)) if mean else None,
        "faces_missed": int(part.faces.missed().sum()),
    }


def _interval(faces: Faces) -> list[float | None] | None:
    found = interval(faces)
    return None if found is None else [_number(end) for end in found]


def _card_of_subset(part: Measured) -> Card:
    """What does not depend on the boxes."""
    return {
        "annotations": {
            "form": part.files.form,
            "path": str(part.files.path),
            "sha256": hashlib.sha256(part.files.path.read_bytes()).hexdigest() if part.files.whole else None,
            "faces_sha256": part.digest,
        },
        "names": list(part.faces.names),
        "mean_face": np.round(_mean_face(part.faces), 4).tolist(),
    }


def _errors(part: Measured | None, protocol: Protocol) -> Card | None:
    """Errors by face, by landmark, by part of the face."""
    if part is None:
        return None
    faces = part.faces
    errors, valid = landmark_errors(faces)
    scheme = get_scheme(get_release(protocol.dataset).scheme)
    counted = valid & ~faces.missed()[:, None]
    with np.errstate(invalid="ignore"):
        means = np.where(valid, errors, 0).sum(1) / valid.sum(1)
    return {
        "errors": [_number(error) for error in means],
        "per_landmark": [_number(error) for error in per_landmark(errors, counted)],
        "per_contour": {name: _number(error) for name, error in per_contour(errors, scheme, counted).items()},
    }


def _mean_face(faces: Faces) -> NDArray[np.float64]:
    """Mean of the truth, each face scaled to its own extent."""
    low, high = faces.truth.min(1, keepdims=True), faces.truth.max(1, keepdims=True)
    extent = np.maximum((high - low).max(-1, keepdims=True), 1e-6)
    return np.asarray(((faces.truth - (low + high) / 2) / extent).mean(0), np.float64)


def _number(value: float) -> float | None:
    """Without the last bits, in which machines differ; None for what is no number."""
    return round(float(value), 6) if np.isfinite(value) else None


def _plain(value: Any) -> Any:
    """Mappings as dictionaries and tuples as lists, as JSON would give them back."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def make_card(command: Sequence[str], settings: Settings, rows: Sequence[Card], not_run: Sequence[Card]) -> Card:
    """The whole card."""
    chosen = {key: str(value) if isinstance(value, Path) else _plain(value) for key, value in asdict(settings).items()}
    return {
        "schema": SCHEMA,
        "command": list(command),
        "settings": chosen,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "rows": list(rows),
        "not_run": list(not_run),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def to_json(card: Card) -> str:
    """The card as text; the same run gives the same text."""
    return json.dumps(card, indent=1, allow_nan=False) + "\n"


def load_card(path: Path) -> Card:
    """A card from its file.

    Raises
    ------
    InvalidOptionError
        If it is none.
    """
    try:
        card: Card = parse_json(path.read_text(encoding="utf-8"))
        found = card["schema"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InvalidOptionError(f"{path} is no report of facelandmarks-eval: {error!r}") from error
    if found != SCHEMA:
        raise InvalidOptionError(f"{path} has the schema {found!r}, this version reads {SCHEMA!r}")
    return card


def verdicts(card: Card) -> list[str]:
    """The verdict of every number."""
    return [cell["verdict"] for row in card["rows"] for cell in row["cells"]]
