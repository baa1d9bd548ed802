"""What the scripts that write pages share."""

from collections.abc import Iterable, Mapping
from pathlib import Path


def table(rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown; the first row has the headings."""
    head, *lines = (list(map(str, row)) for row in rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)) + "\n"


def write(folder: str, pages: Mapping[str, str]) -> None:
    """Write all pages of a folder in docs/, by their path there, in place of those that it has."""
    docs = Path(__file__).parent
    (docs / folder).mkdir(exist_ok=True)
    for path in (docs / folder).glob("*.md"):
        path.unlink()
    for name, text in pages.items():
        (docs / name).write_text(text, encoding="utf-8")
