"""Rows as files: JSON Lines, CSV, and Parquet by pyarrow."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

from facelandmarks.bulk.records import Row
from facelandmarks.errors import InvalidOptionError, MissingDependencyError
from facelandmarks.formats.csv import cells, columns

if TYPE_CHECKING:
    import pyarrow as pa

HEAD = ("image", "model", "status", "error")
_GROUP = 4096  # rows that Parquet keeps together, and that are in memory at a time


def check_table(path: Path) -> None:
    """Refuse a file that cannot be written, before there is anything to write.

    Raises
    ------
    InvalidOptionError
        If its suffix is of no known kind.
    MissingDependencyError
        If it is Parquet, and pyarrow is not installed.
    """
    if path.suffix not in WRITERS:
        raise InvalidOptionError(f"{path}: rows are written to files ending in {', '.join(WRITERS)}")
    if path.suffix == ".parquet":
        arrow_schema()


def write_table(path: Path, file: BinaryIO, rows: Iterable[Row], landmarks: int) -> None:
    """Write rows of so many points a face to an open file, in the form that the suffix of `path` says."""
    WRITERS[path.suffix](file, iter(rows), landmarks)


def _write_jsonl(file: BinaryIO, rows: Iterator[Row], _landmarks: int) -> None:
    file.writelines(json.dumps(row, allow_nan=False).encode() + b"\n" for row in rows)


def _write_csv(file: BinaryIO, rows: Iterator[Row], landmarks: int) -> None:
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*HEAD, *columns(landmarks)])
    writer.writerows([*(row[name] for name in HEAD), *cells(row, landmarks)] for row in rows)
    text.detach()  # flushed; the file stays open


def _write_parquet(file: BinaryIO, rows: Iterator[Row], _landmarks: int) -> None:
    schema = arrow_schema()
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(rows, _GROUP)):
            writer.write_table(to_arrow(group))


def to_arrow(rows: Iterable[Row]) -> "pa.Table":
    """Rows as an Arrow table with the columns of `arrow_schema`."""
    schema = arrow_schema()
    from pyarrow import Table

    return Table.from_pylist(list(rows), schema=schema)


def arrow_schema() -> "pa.Schema":
    """The columns of Parquet files: text, whole numbers, and float32 lists for boxes, points and scores.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingDependencyError(
            'pyarrow is not installed: pip install "facelandmarks-zoo[parquet]", or write .jsonl or .csv'
        ) from error
    text, whole, number = pa.string(), pa.int32(), pa.float32()
    numbers = pa.list_(number)
    return pa.schema(
        [(name, text) for name in HEAD]
        + [("width", whole), ("height", whole), ("scheme", text), ("detector", text), ("face", whole)]
        + [("box", numbers), ("box_score", number), ("points", pa.list_(numbers)), ("scores", numbers)]
        + [("detector_points", pa.list_(numbers)), ("depth", numbers), ("expected_error", numbers)]
    )


WRITERS: Mapping[str, Callable[[BinaryIO, Iterator[Row], int], Any]] = MappingProxyType(
    {".parquet": _write_parquet, ".jsonl": _write_jsonl, ".csv": _write_csv}
)
