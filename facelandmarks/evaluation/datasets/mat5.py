"""MATLAB files up to version 7, read without native code: a damaged one is an error, never a crash.

Numbers, text and cells of them are read, which is what data sets hold; not structures, sparse arrays and objects.

Source: MathWorks, MAT-File Format, "Level 5 MAT-Files".
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = 128  # bytes; the last two say the order of the bytes
_ORDERS = {b"IM": "<", b"MI": ">"}
_MOST_UNPACKED = 1 << 30  # bytes
_MOST_NESTED = 4  # cells in cells
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _CHARACTERS = 1, 4
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}


@dataclass(frozen=True)
class _Element:
    """A piece of a file: what kind it is of, and its bytes."""

    kind: int
    data: memoryview


def read_mat5(data: bytes, fields: Collection[str]) -> dict[str, NDArray[Any]]:
    """Arrays of a file by name.

    Parameters
    ----------
    data
        The whole file.
    fields
        Names of those that are wanted; others are passed over.

    Returns
    -------
    dict
        Of the wanted fields those that are there: numbers in their class, text as an array of one string, cells as
        object arrays.

    Raises
    ------
    ValueError
        If it is no such file, is damaged, or a wanted field is of a kind that is not read.
    """
    order = _ORDERS.get(data[_HEADER - 2 : _HEADER])
    if order is None or data[_HEADER - 4 : _HEADER - 2] not in (b"\0\1", b"\1\0"):
        raise ValueError("it has no header of MATLAB 5 to 7")
    found: dict[str, NDArray[Any]] = {}
    for element in _elements(memoryview(data)[_HEADER:], order):
        matrix = _unpacked(element, order) if element.kind == _COMPRESSED else element
        if matrix.kind != _MATRIX:
            raise ValueError(f"it holds an element of type {matrix.kind} where an array should be")
        parts = list(_elements(matrix.data, order))
        name = bytes(_at(parts, 2).data).decode("latin-1")
        if name in fields:
            found[name] = _array(parts, order)
    return found


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """The elements that stand one after another."""
    position = 0
    while position + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, position)
        start = position + 8
        if kind >> 16:  # a small one: its size stands in the upper half, its data in place of the size
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
        end = start + size
        if end > len(data) or (start == position + 4 and size > 4):
            raise ValueError("it ends early, or is damaged")
        yield _Element(kind, data[start:end])
        # Elements begin at multiples of 8 bytes, but for compressed ones.
        position = end if kind == _COMPRESSED else position + 8 if start == position + 4 else end + -size % 8


def _unpacked(element: _Element, order: str) -> _Element:
    packer = zlib.decompressobj()
    try:
        content = packer.decompress(element.data, _MOST_UNPACKED)
    except zlib.error as error:
        raise ValueError(f"a compressed array is damaged: {error}") from error
    if not packer.eof:
        raise ValueError(f"a compressed array ends early, or unpacks to more than {_MOST_UNPACKED} bytes")
    inner = next(_elements(memoryview(content), order), None)
    if inner is None:
        raise ValueError("a compressed array is empty")
    return inner


def _at(parts: list[_Element], index: int) -> _Element:
    if index >= len(parts):
        raise ValueError("an array lacks its size, name or content")
    return parts[index]


def _array(parts: list[_Element], order: str, depth: int = 0) -> NDArray[Any]:
    """An array from its flags, size, name and content."""
    flags = _numbers(_at(parts, 0), order)
    shape = tuple(int(side) for side in _numbers(_at(parts, 1), order))
    if not len(flags) or len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"an array has the size {shape}")
    kind, count = int(flags[0]) & 0xFF, math.prod(shape)
    if kind == _CELL:
        cells = parts[3:]
        if len(cells) != count or depth == _MOST_NESTED:
            raise ValueError(f"a cell array of {count} cells holds {len(cells)}, or is nested too deep")
        values = np.empty(count, object)
        values[:] = [_array(list(_elements(cell.data, order)), order, depth + 1) for cell in cells]
    elif kind == _CHARACTERS:
        return np.array([_text(_at(parts, 3), order)])
    elif kind in _CLASSES:
        values = _numbers(_at(parts, 3), order).astype(_CLASSES[kind])
    else:
        raise ValueError(f"it holds an array of class {kind}; numbers, text and cells are read")
    if len(values) != count:
        raise ValueError(f"an array of {count} numbers holds {len(values)}")
    return values.reshape(shape, order="F")


def _numbers(element: _Element, order: str) -> NDArray[Any]:
    code = _NUMBERS.get(element.kind)
    if code is None or len(element.data) % int(code[1]):
        raise ValueError(f"{len(element.data)} bytes of type {element.kind} are no numbers")
    return np.frombuffer(element.data, order + code)


def _text(element: _Element, order: str) -> str:
    code = _TEXTS.get(element.kind)
    if code is None:
        raise ValueError(f"an element of type {element.kind} is no text")
    suffix = "" if code in ("latin-1", "utf-8") else "-le" if order == "<" else "-be"
    return bytes(element.data).decode(code + suffix)  # UnicodeDecodeError is a ValueError
