"""What a target of `fuzz.py` is."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Repair = Callable[[bytes, np.random.Generator], bytes]
Damage = Callable[[bytes, bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Target:
    """Valid files by name, what reads a damaged one, and how some are repaired so that the damage is met deeper.

    `damage` takes the place of `fuzz_mutations.mutated`.
    """

    corpus: Sequence[tuple[str, bytes]]
    run: Callable[[str, bytes], object]
    repair: Repair = lambda data, _: data
    damage: Damage | None = None


def in_file(suffix: str, read: Callable[[Path], object]) -> Callable[[str, bytes], None]:
    """What reads a file, on one in memory's folder that is written anew for each case."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    atexit.register(shutil.rmtree, folder)

    def run(_: str, data: bytes) -> None:
        path = folder / f"file{suffix}"
        path.write_bytes(data)
        read(path)

    return run


def saved_by(write: Callable[[Path], object]) -> bytes:
    """The bytes that are written to the path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return path.read_bytes()
