"""The card of a run: a JSON document with every number, and everything needed to measure it again.

Tables and pages are made from the card alone (`facelandmarks.evaluation.report`).
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from facelandmarks._files import sha256_of
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import get_release
from facelandmarks.evaluation.measuring import Measured, Settings
from facelandmarks.evaluation.metrics import per_contour, per_landmark
from facelandmarks.evaluation.protocols import Cell, Protocol, Row
from facelandmarks.evaluation.scoring import METRICS, failures, interval, judge, landmark_errors, score
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
    """Return what the card says of one row.

    Parameters
    ----------
    run
        How it was run: weights, engine, settings of the model.
    given, detected
        By subset: its faces, with annotated regions (or from another program), and with detected ones; either may be
        empty.
    missing
        By subset: why there are no faces.
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
    with np.errstate(invalid="ignore"):
        means = np.where(valid, errors, 0).sum(1) / valid.sum(1)
    return {
        "errors": [_number(error) for error in means],
        "per_landmark": [_number(error) for error in per_landmark(errors, counted)],
        "per_contour": {name: _number(error) for name, error in per_contour(errors, scheme, counted).items()},
    }


def make_card(command: Sequence[str], settings: Settings, rows: Sequence[Card], not_run: Sequence[Card]) -> Card:
    """Return the whole card of a run."""
    chosen = {key: str(value) if isinstance(value, Path) else _plain(value) for key, value in asdict(settings).items()}
    del chosen["progress"]  # it changes no number
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


def _number(value: float) -> float | None:
    """Round off the last bits, in which machines differ; None for NaN and infinity, which JSON does not have."""
    return round(float(value), 6) if np.isfinite(value) else None


def _plain(value: Any) -> Any:
    """Return mappings as dictionaries and tuples as lists, as JSON would give them back."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
