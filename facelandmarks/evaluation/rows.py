"""Which datasets and rows can be measured, and which rows a run measures."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.datasets import FORMS, RELEASES, Release, check_subset, get_release
from facelandmarks.evaluation.protocols import PROTOCOLS, Cell, Protocol, Row
from facelandmarks.pipeline import choose
from facelandmarks.schemes import CONVERSIONS
from facelandmarks.weights.cache import Access, is_cached
from facelandmarks.weights.load import read_record
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS, get_spec
from facelandmarks.zoo.spec import ModelSpec

# Tables of the manifest that no protocol can measure again.
UNREACHABLE: Mapping[str, str] = {
    "300W-LP": "MMPose cannot evaluate it itself: its metric has no normaliser for this dataset (KeyError)",
    "COCO-WholeBody-Face": "the annotations of COCO-WholeBody are not read here",
}
# What differs in rows without published numbers, by scheme.
_CLOTHES = {
    "region": "box",
    "normaliser": "longer side of box",
    "cells": tuple(Cell("", "test", metric) for metric in ("NME", "PCK@0.2", "EPE")),
}
_PLAIN: Mapping[str, Mapping[str, Any]] = {
    "aflw19": {"normaliser": "box size of the annotation"},
    **{f"deepfashion_{part}": _CLOTHES for part in ("upper", "lower", "full")},
}
_WIDTH = 110  # columns of the list


@dataclass(frozen=True)
class Plan:
    """Rows to measure, and rows whose weights are not at hand."""

    rows: tuple[Row, ...]
    absent: tuple[Row, ...]
    names: Mapping[str, str]  # by `Row.model`, what the user called the model


def published_rows(spec: ModelSpec) -> Iterator[Row]:
    """Give the published rows of a model that a protocol can measure again."""
    file = load_manifest().files.get(spec.weights)  # None: a model of the user's own
    for row in file.published if file else ():
        for protocol in PROTOCOLS.values():
            if (
                row["source"].startswith(protocol.table_source)
                and row["dataset"] == protocol.table
                and spec.scheme == RELEASES[protocol.dataset].scheme
            ):
                yield Row(spec.name, protocol, row["source"], dict(row["values"]))


def rows_of(dataset: str) -> list[Row]:
    """Return every published row of a dataset, model by model; `InvalidOptionError` for an unknown dataset."""
    get_release(dataset)
    return [row for spec in MODELS.values() for row in published_rows(spec) if row.protocol.dataset == dataset]


def plain_row(spec: ModelSpec, dataset: str, subsets: Sequence[str] = ()) -> Row:
    """Return a row without published numbers; points of another scheme are converted, and the row says so.

    `InvalidOptionError` if points of the dataset have nothing in the model's scheme to be made of.
    """
    scheme, protocol = get_release(dataset).scheme, plain_protocol(dataset, subsets)
    if spec.scheme == scheme:
        return Row(spec.name, protocol)
    conversion = CONVERSIONS.get((str(spec.scheme), scheme))
    if conversion is None or "unavailable" in conversion.kinds:
        raise InvalidOptionError(f"{spec.name} gives {spec.scheme} points, {dataset} has {scheme}")
    counts = ", ".join(f"{conversion.kinds.count(kind)} {kind}" for kind in dict.fromkeys(conversion.kinds))
    note = (
        f"the model's {spec.scheme} points are converted to {scheme} ({counts}): the error also holds what differs "
        "between the definitions of the points, and does not compare with that of models trained on them"
    )
    return Row(spec.name, replace(protocol, note=note))


def plain_protocol(dataset: str, subsets: Sequence[str] = ()) -> Protocol:
    """Return the rules for what has no published number: the tight box of the truth, converted to the model's boxes.

    Without subsets it covers the first one of the release.
    """
    release = get_release(dataset)
    for subset in subsets:
        check_subset(release, subset)
    protocol = Protocol(
        name=f"{dataset}_plain",
        source="plain rules",
        table_source="",
        table="",
        dataset=dataset,
        cells=(Cell("", next(iter(release.faces))),),
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


def plan_rows(
    dataset: str,
    models: Sequence[str] = (),
    protocol: str | None = None,
    subsets: Sequence[str] = (),
    given: bool = False,
    cache_dir: Path | None = None,
    scheme: str | None = None,
) -> Plan:
    """Choose the rows of a dataset to measure: of the models, or of all that have a published row.

    A model without a published row of any of the subsets gets a plain row. `given` says that the user brings the
    weights, or allows fetching them. `UnknownModelError` for an unknown model, `InvalidOptionError` for one with
    another scheme than the dataset, or if there is no such row.
    """
    named = {name: choose(read_record(name, Access(cache_dir)), scheme=scheme) for name in models}
    rows = [] if models else [row for row in rows_of(dataset) if not subsets or covers(row, subsets)]
    for spec in named.values():
        known = [row for row in published_rows(spec) if row.protocol.dataset == dataset]
        rows += [row for row in known if not subsets or covers(row, subsets)]
        bare = [subset for subset in subsets if not any(covers(row, [subset]) for row in known)]
        if bare or not known:
            rows.append(plain_row(spec, dataset, bare))
    rows = [row for row in rows if protocol is None or row.protocol.name == protocol]
    if not rows:
        what = " ".join([dataset, *subsets, *([f"by the protocol {protocol!r}"] if protocol else [])])
        raise InvalidOptionError(f"no published row of {what}: see --list, or name a model to measure without one")
    specs = {**MODELS, **{spec.name: spec for spec in named.values()}}
    here = tuple(row for row in rows if given or at_hand(specs[row.model], cache_dir))
    return Plan(here, tuple(row for row in rows if row not in here), {named[name].name: name for name in named})


def covers(row: Row, subsets: Sequence[str]) -> bool:
    """Say whether a row has a published number of any of the subsets."""
    return any(cell.subset in subsets for cell in row.protocol.cells if cell.key in row.values)


def at_hand(spec: ModelSpec, cache_dir: Path | None = None) -> bool:
    """Say whether a model's weights can be read without a network: from the package, or from the cache."""
    file = load_manifest().files.get(spec.weights)  # None: a model of the user's own
    return file is None or file.asset or is_cached(spec.weights, Access(cache_dir))


def list_datasets() -> str:
    """Return a paragraph for each dataset, then the published rows that cannot be measured again."""
    lines = [line for release in RELEASES.values() for line in (*describe_release(release), "")]
    lines += ["Published, and not measured here:"]
    for spec in MODELS.values():
        tables = {row["dataset"] for row in load_manifest().files[spec.weights].published}
        lines += [f"  {spec.name}, {table}: {UNREACHABLE[table]}" for table in sorted(tables & set(UNREACHABLE))]
    return "\n".join(lines) + "\n"


def describe_release(release: Release) -> list[str]:
    """Return a paragraph on a dataset: faces, files, where to get it, terms, published rows."""
    faces = ", ".join(
        f"{subset} {' or '.join(map(str, counts)) or '(no published number)'}"
        for subset, counts in release.faces.items()
    )
    files = ", ".join(FORMS[release.name])
    entries = [("faces", faces), ("files", files), ("obtain", release.where), ("terms", release.terms)]
    for row in rows_of(release.name):
        digits = {cell.key: cell.digits for cell in row.protocol.cells}
        numbers = ", ".join(f"{key} {value:.{digits[key]}f}" for key, value in row.values.items())
        absent = "" if at_hand(get_spec(row.model)) else " (weights not at hand)"
        entries.append(("row", f"{row.model}{absent}, {row.protocol.name}: {numbers}"))
    wrapper = textwrap.TextWrapper(_WIDTH, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
    lines = [f"{release.name}: {release.title}, {release.scheme} points"]
    for label, text in entries:
        wrapper.initial_indent = f"  {label}: "
        lines += wrapper.wrap(text)
    return lines
