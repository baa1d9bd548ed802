"""What can be measured: the published rows of the manifest with their protocols, and rows without published numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.datasets import FORMS, RELEASES, check_subset, get_release
from facelandmarks.evaluation.protocol import Cell, Protocol, Row
from facelandmarks.evaluation.protocols import PROTOCOLS
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS
from facelandmarks.zoo.spec import ModelSpec

# Tables of the manifest that no protocol can measure again.
UNREACHABLE: Mapping[str, str] = MappingProxyType(
    {
        "300W-LP": "MMPose cannot evaluate it itself: its metric has no normaliser for this data set (KeyError)",
        "COCO-WholeBody-Face": "the annotations of COCO-WholeBody are not read here",
    }
)


def published_rows(spec: ModelSpec) -> Iterator[Row]:
    """Rows of the manifest of a model that can be measured again."""
    for row in load_manifest().files[spec.weights].published:
        for protocol in PROTOCOLS.values():
            if _explains(protocol, row, spec):
                yield Row(spec.name, protocol, row["source"], MappingProxyType(dict(row["values"])))


def _explains(protocol: Protocol, row: Mapping[str, Any], spec: ModelSpec) -> bool:
    return (
        row["source"].startswith(protocol.table_source)
        and row["dataset"] == protocol.table
        and spec.scheme == RELEASES[protocol.dataset].scheme
    )


def rows_of(dataset: str) -> list[Row]:
    """Every published row of a data set, model by model; `InvalidOptionError` if there is no such data set."""
    get_release(dataset)
    return [row for spec in MODELS.values() for row in published_rows(spec) if row.protocol.dataset == dataset]


# What differs in rows without published numbers.
_PLAIN: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"aflw19": {"normaliser": "box size of the annotation"}}
    | {
        f"deepfashion_{part}": {
            "region": "box",
            "normaliser": "longer side of box",
            "cells": (Cell("", "test"), Cell("", "test", "PCK@0.2"), Cell("", "test", "EPE")),
        }
        for part in ("upper", "lower", "full")
    }
)


def plain_row(spec: ModelSpec, dataset: str, subsets: Sequence[str] = ()) -> Row:
    """A row without published numbers, for a model that has none of this data set.

    Raises
    ------
    InvalidOptionError
        If the model has another point layout than the data set.
    """
    scheme = get_release(dataset).scheme
    if spec.scheme != scheme:
        raise InvalidOptionError(f"{spec.name} gives {spec.scheme} points, {dataset} has {scheme}")
    return Row(spec.name, plain_protocol(dataset, subsets))


def plain_protocol(dataset: str, subsets: Sequence[str] = ()) -> Protocol:
    """Rules for what has no published number: the tight box of the truth as the model's own kind of box, plain means.

    Without subsets it is of the first one of the release.
    """
    release = get_release(dataset)
    for subset in subsets:
        check_subset(release, subset)
    protocol = Protocol(
        name=f"{dataset}_plain",
        source="not published",
        table_source="",
        table="",
        dataset=dataset,
        cells=tuple(Cell("", next(iter(release.faces)), metric) for metric in ("NME", "FR@0.10", "AUC@0.10")),
        forms=tuple(FORMS[dataset]),
        region="tight",
        normaliser="inter-ocular",
        scoring="plain",
    )
    protocol = replace(protocol, **_PLAIN.get(release.scheme, {}))
    if subsets:
        cells = (replace(cell, subset=subset) for subset in subsets for cell in protocol.cells)
        protocol = replace(protocol, cells=tuple(cells))
    return protocol
