"""What can be measured: data sets, how to obtain them, their terms, and which models have published rows."""

import textwrap

from facelandmarks.evaluation.datasets import FORMS, RELEASES, Release
from facelandmarks.evaluation.rows import UNREACHABLE, at_hand, rows_of
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS, get_spec

_WIDTH = 110


def list_datasets() -> str:
    """Return a paragraph for each data set, then the published rows that cannot be measured again."""
    lines = [line for release in RELEASES.values() for line in (*describe_release(release), "")]
    lines += ["Published, and not measured here:"]
    for spec in MODELS.values():
        tables = {row["dataset"] for row in load_manifest().files[spec.weights].published}
        lines += [f"  {spec.name}, {table}: {UNREACHABLE[table]}" for table in sorted(tables & set(UNREACHABLE))]
    return "\n".join(lines) + "\n"


def describe_release(release: Release) -> list[str]:
    """Return a paragraph on a data set: faces, files, where to get it, terms, published rows."""
    faces = ", ".join(
        f"{subset} {' or '.join(map(str, counts)) or '(no published number)'}"
        for subset, counts in release.faces.items()
    )
    entries = [
        ("faces", faces),
        ("files", ", ".join(FORMS[release.name])),
        ("obtain", release.where),
        ("terms", release.terms),
    ]
    for row in rows_of(release.name):
        digits = {cell.key: cell.digits for cell in row.protocol.cells}
        numbers = ", ".join(f"{key} {value:.{digits[key]}f}" for key, value in row.values.items())
        absent = "" if at_hand(get_spec(row.model)) else " (weights not at hand)"
        entries.append(("row", f"{row.model}{absent}, {row.protocol.name}: {numbers}"))
    lines = [f"{release.name}: {release.title}, {release.scheme} points"]
    for label, text in entries:
        lines += textwrap.wrap(
            text,
            _WIDTH,
            initial_indent=f"  {label}: ",
            subsequent_indent="    ",
            break_on_hyphens=False,
            break_long_words=False,
        )
    return lines
