"""The reader of MATLAB 5 files against SciPy's, on files that SciPy writes and on those of the data sets."""

import io
import struct
import zlib

import numpy as np
import pytest

from facelandmarks.evaluation.datasets.mat5 import read_mat5

scipy_io = pytest.importorskip("scipy.io")

CONTENT = {
    "doubles": np.arange(24.0).reshape(2, 3, 4) / 7,
    "one": np.array([[3.5]]),
    "none": np.zeros((0, 4)),
    **{f"of_{kind}": np.array([[0, 1], [100, 127]], kind) for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")},
    "singles": np.array([[0.1, -2]], np.float32),
    "text": np.array(["faces of 2011"]),
    "cells": np.array([["a.jpg", "bc.jpg"]], object),
}


def written(**options):
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, CONTENT, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes(compressed):
    found = read_mat5(written(do_compression=compressed), [*CONTENT])
    assert found.keys() == CONTENT.keys()
    for name in CONTENT.keys() - {"cells"}:
        np.testing.assert_array_equal(found[name], CONTENT[name], err_msg=name)
    assert found["of_i2"].dtype == np.int16
    assert [str(np.ravel(cell)[0]) for cell in found["cells"].ravel()] == ["a.jpg", "bc.jpg"]


def test_only_what_is_asked_for_is_read():
    assert read_mat5(written(), ["one", "absent"]).keys() == {"one"}


def test_the_files_of_data_sets(shared):
    files = sorted((shared / "data" / "annotations").rglob("*.mat"))
    assert len(files) > 10
    for path in files:
        wanted = {name: value for name, value in scipy_io.loadmat(path).items() if not name.startswith("__")}
        found = read_mat5(path.read_bytes(), [*wanted])
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            np.testing.assert_array_equal(found[name], value, err_msg=f"{path.name} {name}")


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(kind, shape, *content):
    flags = element(6, struct.pack("<II", kind, 0))
    return element(
        14, flags + element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, b"x") + b"".join(content)
    )


HEADER = bytes(124) + b"\0\1IM"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (array(6, (2, 2), element(9, bytes(24))), "an array of 4 numbers holds 3"),
        (array(6, (1 << 30, 1 << 30), element(9, bytes(24))), "holds 3"),
        (array(6, (-1, 2), element(9, b"")), r"size \(-1, 2\)"),
        (array(6, (1, 1)), "lacks its size, name or content"),
        (array(2, (1, 1), element(9, bytes(8))), "class 2"),
        (array(1, (1 << 30, 1)), "a cell array of 1073741824 cells holds 0"),
        (array(6, (1, 1), element(77, bytes(8))), "type 77 are no numbers"),
        (array(4, (1, 1), element(16, b"\xff")), "decode"),
        (element(14, b"")[:4], None),
        (element(15, b"nonsense"), "compressed array is damaged"),
        (element(15, zlib.compress(array(6, (1, 1), element(9, bytes(8))))[:-5]), "ends early"),
        (element(9, bytes(8)), "where an array should be"),
        (struct.pack("<II", 14, 1 << 31), "ends early, or is damaged"),
    ],
)
def test_damaged_files(content, reason):
    if reason is None:
        assert read_mat5(HEADER + content, ["x"]) == {}
        return
    with pytest.raises(ValueError, match=reason):
        read_mat5(HEADER + content, ["x"])


def test_cells_are_not_followed_without_end():
    inner = array(6, (1, 1), element(9, bytes(8)))
    for _ in range(6):
        inner = array(1, (1, 1), inner)
    with pytest.raises(ValueError, match="nested too deep"):
        read_mat5(HEADER + inner, ["x"])


def test_other_files():
    for data in (b"", b"MATLAB", bytes(200), bytes(124) + b"\0\2IM" + bytes(400)):
        with pytest.raises(ValueError, match="no header of MATLAB 5 to 7"):
            read_mat5(data, ["x"])
