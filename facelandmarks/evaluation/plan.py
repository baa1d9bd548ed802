"""Which rows are measured, and with which weights."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.protocol import Row
from facelandmarks.evaluation.rows import plain_row, published_rows, rows_of
from facelandmarks.weights.cache import Place, cache_folder, read_pin
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import get_spec
from facelandmarks.zoo.spec import ModelSpec


@dataclass(frozen=True)
class Plan:
    """Rows that are measured, and those whose weights are not at hand."""

    rows: tuple[Row, ...]
    absent: tuple[Row, ...]


def at_hand(spec: ModelSpec) -> bool:
    """Whether the weights of a model can be read without a network: in the package, or in the cache."""
    return load_manifest().files[spec.weights].asset or Place(cache_folder(), spec.weights).file.is_file()


def plan_rows(
    dataset: str,
    models: Sequence[str] = (),
    protocol: str | None = None,
    subsets: Sequence[str] = (),
    given: bool = False,
) -> Plan:
    """Rows of a data set.

    Parameters
    ----------
    dataset
        One of `RELEASES`.
    models
        Names of models; without any, all that have a published row.
    protocol
        Only rows of this protocol.
    subsets
        What is to be measured; a model without a published row of any gets a plain one.
    given
        Whether the user brings the weights, or allows to fetch them.

    Raises
    ------
    UnknownModelError, InvalidOptionError
        If there is no such model, it has other points than the data set, or there is no such row.
    """
    rows = [row for name in models for row in _rows_of_model(get_spec(name), dataset, subsets)]
    rows = rows if models else [row for row in rows_of(dataset) if not subsets or covers(row, subsets)]
    rows = [row for row in rows if protocol is None or row.protocol.name == protocol]
    if not rows:
        what = " ".join([dataset, *subsets, *([f"by the protocol {protocol!r}"] if protocol else [])])
        raise InvalidOptionError(f"no published row of {what}: see --list, or give --model to measure without one")
    here = tuple(row for row in rows if given or at_hand(get_spec(row.model)))
    return Plan(here, tuple(row for row in rows if row not in here))


def covers(row: Row, subsets: Sequence[str]) -> bool:
    """Whether a row has a published number of any of the subsets."""
    return any(cell.subset in subsets for cell in row.protocol.cells if cell.key in row.values)


def _rows_of_model(spec: ModelSpec, dataset: str, subsets: Sequence[str]) -> list[Row]:
    """Its published rows, and a plain one of what they do not cover."""
    rows = [row for row in published_rows(spec) if row.protocol.dataset == dataset]
    if rows and not subsets:
        return rows
    bare = [subset for subset in subsets if not any(covers(row, [subset]) for row in rows)]
    found = [row for row in rows if covers(row, subsets)]
    return [*found, *([plain_row(spec, dataset, bare)] if bare or not rows else [])]


def weights_digest(spec: ModelSpec, given: Path | None) -> str | None:
    """SHA-256 of the file of weights: of the user's own, as the manifest has it, or as it was pinned on first use."""
    if given is not None:
        return hashlib.sha256(given.read_bytes()).hexdigest()
    pin = read_pin(Place(cache_folder(), spec.weights))
    return load_manifest().files[spec.weights].sha256 or (pin.sha256 if pin else None)
