"""Which images a folder, a pattern or a list means, and records of images (docs/json.md) as rows of a file.

The files are JSON Lines, CSV, and Parquet by pyarrow.
"""

import csv
import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from facelandmarks._files import IMAGE_SUFFIXES, LIST_SUFFIX, decode_text, is_pattern
from facelandmarks.errors import InvalidImageError, InvalidOptionError, require
from facelandmarks.formats import cells, columns, rows_of
from facelandmarks.images import check_several
from facelandmarks.measures.pose import openface_columns, openface_rows

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
    """Write records as CSV with the columns of OpenFace (`facelandmarks.measures.pose`), and `image` at the end."""
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


def paths_of(images: Iterable[Any]) -> Iterator[str]:
    """Return the paths; `InvalidOptionError` at once for a single one, and in its turn for an image that is no path."""
    check_several(images)

    def path(image: Any) -> str:
        if not isinstance(image, str | os.PathLike):
            what = f"images must be paths of files; got an object of type {type(image).__name__}"
            raise InvalidOptionError(f"{what}: Model.predict_batch takes arrays and other images")
        return os.fspath(image)

    return map(path, images)


def find_images(inputs: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the paths of all images, input by input; one that stands for none is an `InvalidImageError`.

    Parameters
    ----------
    inputs
        - A folder: the files in it and in the folders below with the suffix of an image, in the order of their names,
          folder by folder. Hidden ones, whose name begins with a dot, are left out; links to folders are not followed.
        - A pattern with `*`, `?` or `[..]`, `**` for any folders: the files that match, in the order of their names.
        - A text file `*.txt`: one path a line, relative to the current folder, in the order of the file; UTF-8, or as
          its byte order mark says. Quotes and blanks around a path are no part of it, unless such a file exists.
        - Anything else: an image.
    """
    found: list[str] = []
    for text in paths_of(inputs):
        path, before = Path(text), len(found)
        if path.is_dir():
            for place, folders, files in os.walk(text):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                found += [
                    os.path.join(place, name)  # noqa: PTH118 (paths stay as they were given)
                    for name in sorted(files)
                    if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122
                ]
        elif is_pattern(path):
            found += [name for name in sorted(glob.iglob(text, recursive=True)) if Path(name).is_file()]  # noqa: PTH207
        elif path.suffix.lower() == LIST_SUFFIX:
            found += _read_list(path)
        else:
            found.append(text)
        if len(found) == before:
            raise InvalidImageError(f"no images in {text}")
    return found


def _read_list(path: Path) -> Iterator[str]:
    try:
        text = decode_text(path.read_bytes(), "surrogateescape")
    except OSError as error:
        raise InvalidImageError(f"cannot read the list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:  # an odd number of bytes of UTF-16
        raise InvalidImageError(f"cannot read the list {path}: {error}") from error
    for line in StringIO(text, newline=None):
        name = line.removesuffix("\n")
        bare = name.strip()
        if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":  # Windows copies paths with quotes around them
            bare = bare[1:-1].strip()
        if bare:
            yield name if name != bare and os.path.isfile(name) else bare  # noqa: PTH113
