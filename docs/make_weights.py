"""Write the table of sources in docs/weights.md from the manifest: python docs/make_weights.py."""

from collections import Counter
from pathlib import Path

from facelandmarks.weights.manifest import KINDS, FileRecord, load_manifest
from facelandmarks.weights.trust import digest_kind
from facelandmarks.zoo import MODELS

PAGE = Path(__file__).with_name("weights.md")
BEGIN, END = "<!-- table by docs/make_weights.py -->\n", "<!-- end of the table -->\n"
HEAD = """\
| file | models | original | mirror | third-party | by hand | digest of the authors | digests of sources |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Write the table into the page."""
    PAGE.write_text(document(), encoding="utf-8")


def document() -> str:
    """The page with the table as the manifest has it now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = "".join(map(row, load_manifest().files.values()))
    return f"{before}{BEGIN}{HEAD}{rows}{END}{after}"


def row(record: FileRecord) -> str:
    """The row of a file."""
    counts = Counter(source.kind for source in record.sources)
    models = ", ".join(f"`{spec.name}`" for spec in MODELS.values() if spec.weights == record.name)
    cells = [
        f"`{record.name}`",
        (models or "(detector)") + (", in the wheel" if record.asset else ""),
        *(str(counts[kind] or "-") for kind in KINDS),
        str(len(record.pages) or "-"),
        digest_kind(record),
        ", ".join(digests_of_sources(record)) or "-",
    ]
    return f"| {' | '.join(cells)} |\n"


def digests_of_sources(record: FileRecord) -> list[str]:
    """What the sources have of their own: a digest of the file, or of the tar that it is in."""
    return [
        f"{source.kind}: " + ("sha256 of its tar" if source.member else "sha256" if source.sha256 else "git_blob_sha1")
        for source in record.sources
        if source.has_digest
    ]


if __name__ == "__main__":
    main()
