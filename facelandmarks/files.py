"""Files that are written whole or not at all."""

import os
import secrets
from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Write a file under another name beside its place, then give it its own.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is still there, and nothing else is.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(content)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
