"""Records of images (docs/json.md) as rows, and rows as files: JSON Lines, CSV, and Parquet by pyarrow."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from facelandmarks.errors import InvalidOptionError, require
from facelandmarks.formats.csv import cells, columns, rows_of
from facelandmarks.measures.openface import openface_columns, openface_rows

if TYPE_CHECKING:
    import pyarrow as pa

HEAD = ("image", "model", "status", "error")
COLUMNS = ("all", "openface")
SUFFIXES = (".parquet", ".jsonl", ".csv")
GROUP = 4096  # rows that Parquet keeps together, and that are in memory at a time
Record = dict[str, Any]
Row = dict[str, Any]


def status_of(record: Mapping[str, Any]) -> Literal["ok", "no_face", "failed"]:
    """Return `"failed"` with an error, else `"ok"` or `"no_face"`."""
    if record["error"] is not None:
        return "failed"
    return "ok" if record["faces"] else "no_face"


def to_rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Return one row per face; one for an image without any, whose `status` and `error` say which it is.

    Fields: `image`, `model`, `status`, `error`, `width`, `height`, `scheme`, `detector`, `face` (its number in the
    image from 0), `box`, `box_score`, `points`, `scores`.
    """
    whole = {**record, "status": status_of(record)}
    return ({**{name: whole[name] for name in HEAD}, **row} for row in rows_of(record))


def check_table(path: Path, form: str = "all") -> None:
    """Refuse a suffix or form that is not known, and Parquet without pyarrow, before there is anything to write."""
    if form not in COLUMNS:
        raise InvalidOptionError(f"columns must be one of {', '.join(COLUMNS)}; got {form!r}")
    if form == "openface" and path.suffix != ".csv":
        raise InvalidOptionError(f"{path}: columns of OpenFace are written to files ending in .csv")
    if path.suffix not in SUFFIXES:
        raise InvalidOptionError(f"{path}: rows are written to files ending in {', '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        arrow_schema()


def write_table(path: Path, file: BinaryIO, rows: Iterable[Row], landmarks: int, carried: Sequence[str]) -> None:
    """Write rows of so many points per face to an open file, in the form that the suffix of `path` says.

    `carried` are the fields of `facelandmarks.formats.CARRIED` that a face has: CSV has columns for these only.
    """
    if path.suffix == ".jsonl":
        file.writelines(json.dumps(row, allow_nan=False).encode() + b"\n" for row in rows)
    elif path.suffix == ".csv":
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*HEAD, *columns(landmarks, carried)])
        writer.writerows([*(row[name] for name in HEAD), *cells(row, landmarks, carried)] for row in rows)
        text.detach()  # flushed; the file stays open
    else:
        schema = arrow_schema()
        from pyarrow.parquet import ParquetWriter

        ahead = iter(rows)
        with ParquetWriter(file, schema, compression="zstd") as parquet:
            while group := list(islice(ahead, GROUP)):
                parquet.write_table(to_arrow(group))


def write_openface(file: BinaryIO, records: Iterable[Record], scheme: str) -> None:
    """Write records as CSV with the columns of OpenFace (`facelandmarks.measures.openface`), and `image` at the end."""
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    header = openface_columns(scheme)
    writer.writerow([*header, "image"])
    for number, record in enumerate(records, 1):
        for row in openface_rows(record, number, None):
            writer.writerow([*row, *[None] * (len(header) - len(row)), record["image"]])
    text.detach()  # flushed; the file stays open


def to_arrow(rows: Iterable[Row]) -> "pa.Table":
    """Return rows as an Arrow table with the columns of `arrow_schema`."""
    schema = arrow_schema()
    from pyarrow import Table

    return Table.from_pylist(list(rows), schema=schema)


def arrow_schema() -> "pa.Schema":
    """Return the columns of Parquet files: text, whole numbers, and float32 lists for boxes, points and scores."""
    pa = require("pyarrow", "a .parquet file", "'facelandmarks-zoo[parquet]', or write .jsonl or .csv")
    text, whole, number = pa.string(), pa.int32(), pa.float32()
    numbers = pa.list_(number)
    return pa.schema(
        [(name, text) for name in HEAD]
        + [("width", whole), ("height", whole), ("scheme", text), ("detector", text), ("face", whole)]
        + [("box", numbers), ("box_score", number), ("points", pa.list_(numbers)), ("scores", numbers)]
        + [("detector_points", pa.list_(numbers)), ("depth", numbers), ("expected_error", numbers)]
    )
