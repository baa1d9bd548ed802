"""What there is to measure: data sets, how to obtain them, under which terms, and which models have published rows."""

import textwrap

from facelandmarks.evaluation.datasets import FORMS, RELEASES, Release
from facelandmarks.evaluation.plan import at_hand
from facelandmarks.evaluation.protocol import Row
from facelandmarks.evaluation.rows import UNREACHABLE, rows_of
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS, get_spec

_WIDTH = 110


def list_datasets() -> str:
    """A paragraph for each data set, then the published rows that cannot be measured again."""
    lines = [line for release in RELEASES.values() for line in (*_describe(release), "")]
    lines += ["Published, and not measured here:"]
    for spec in MODELS.values():
        tables = {row["dataset"] for row in load_manifest().files[spec.weights].published}
        lines += [f"  {spec.name}, {table}: {UNREACHABLE[table]}" for table in sorted(tables & set(UNREACHABLE))]
    return "\n".join(lines) + "\n"


def _describe(release: Release) -> list[str]:
    faces = ", ".join(
        f"{subset} {' or '.join(map(str, counts)) or '(no published number)'}"
        for subset, counts in release.faces.items()
    )
    return [
        f"{release.name}: {release.title}, {release.scheme} points",
        *_wrapped("faces", faces),
        *_wrapped("files", ", ".join(FORMS[release.name])),
        *_wrapped("obtain", release.where),
        *_wrapped("terms", release.terms),
        *(line for row in rows_of(release.name) for line in _wrapped("row", _row(row))),
    ]


def _row(row: Row) -> str:
    digits = {cell.key: cell.digits for cell in row.protocol.cells}
    numbers = ", ".join(f"{key} {value:.{digits[key]}f}" for key, value in row.values.items())
    absent = "" if at_hand(get_spec(row.model)) else " (weights not at hand)"
    return f"{row.model}{absent}, {row.protocol.name}: {numbers}"


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {label}: ",
        subsequent_indent="    ",
        break_on_hyphens=False,
        break_long_words=False,
    )
