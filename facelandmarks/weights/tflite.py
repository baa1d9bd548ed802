"""Read the weights of a TensorFlow Lite file, and nothing else of it; MediaPipe's, by the names of `facelandmarks.nn`.

Such a file is a flatbuffer: tables that point to one another by offsets. It is not trusted: every offset, count and
shape is checked against the bytes that are there before it is used, what unpacks is bounded, and no operator runs.
"""

import math
import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import CheckpointError

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

IDENTIFIER = b"TFL3"
MOST_BYTES = 64 << 20  # of a file; the largest known one has 2.6 MB
MOST_ITEMS = 20_000  # of one list of tables, and of all weighted operators
MOST_VALUES = 16 << 20  # of all weights together
MOST_AXES = 6
MOST_NAME = 4096  # bytes; MLIR's converter joins the names of all that it fused

# Numbers of the format's schema: operators, tensor types, and the fields of its tables.
CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, PRELU, DENSIFY = 3, 4, 6, 54, 124
PASSED_THROUGH = (DEQUANTIZE, DENSIFY)  # stand between a constant and the operator that uses it
FLOAT_TYPES: Mapping[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
INDEX_TYPES: Mapping[int, np.dtype[Any]] = {1: np.dtype("<i4"), 2: np.dtype("<u2"), 3: np.dtype("u1")}
# To PyTorch's order: (out, height, width, in) of a convolution, (1, height, width, channel) of a depthwise one.
KERNEL_AXES = {CONV_2D: (0, 3, 1, 2), DEPTHWISE_CONV_2D: (3, 0, 1, 2)}
# The name of a kernel, or of slopes, begins with the layer's; those of layers that share their values may follow.
LAYER = re.compile(r"(\w+)/(?:Kernel|Alpha|Conv2D|depthwise)(?:_dequantize)?(?:;|$)")


class _BrokenError(Exception):
    """A fact about the file for which it is refused."""


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer: its fields are found through a list of offsets, each 0 where a field is left out."""

    data: bytes
    start: int
    offsets: tuple[int, ...]

    @classmethod
    def at(cls, data: bytes, start: int) -> "_Table":
        listed = start - _number(data, start, "i")
        size, extent = _number(data, listed, "H"), _number(data, listed + 2, "H")
        if size < 4 or size % 2 or listed + size > len(data) or extent < 4 or start + extent > len(data):
            raise _BrokenError(f"the table at byte {start} has a list of fields that does not fit")
        offsets = struct.unpack_from(f"<{size // 2 - 2}H", data, listed + 4)
        if any(offset and not 4 <= offset < extent for offset in offsets):
            raise _BrokenError(f"the table at byte {start} has a field outside of itself")
        return cls(data, start, offsets)

    def place(self, field: int) -> int | None:
        """Position of a field, None where it is left out."""
        offset = self.offsets[field] if field < len(self.offsets) else 0
        return self.start + offset if offset else None

    def number(self, field: int, kind: str) -> int:
        """A field that is a number; 0 where it is left out, as for all fields read here."""
        place = self.place(field)
        return 0 if place is None else _number(self.data, place, kind)

    def table(self, field: int) -> "_Table | None":
        """A field that is a table."""
        place = self.place(field)
        return None if place is None else _Table.at(self.data, _target(self.data, place))

    def values(self, field: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """A field that is a list of numbers; empty where it is left out."""
        place = self.place(field)
        if place is None:
            return np.zeros(0, dtype)
        start = _target(self.data, place)
        count = _number(self.data, start, "I")
        if start + 4 + count * dtype.itemsize > len(self.data):
            raise _BrokenError(f"the list at byte {start} has {count} items, more than the file holds")
        return np.frombuffer(self.data, dtype, count, start + 4)

    def tables(self, field: int) -> list["_Table"]:
        """A field that is a list of tables."""
        place = self.place(field)
        first = 0 if place is None else _target(self.data, place) + 4
        distances = self.values(field, np.dtype("<u4"))
        if len(distances) > MOST_ITEMS:
            raise _BrokenError(f"{len(distances)} tables in one list; at most {MOST_ITEMS} are read")
        return [_Table.at(self.data, first + 4 * n + int(distance)) for n, distance in enumerate(distances)]

    def text(self, field: int) -> str:
        """A field that is a name."""
        content = self.values(field, np.dtype("u1")).tobytes()
        if len(content) > MOST_NAME:
            raise _BrokenError(f"a name has {len(content)} bytes; at most {MOST_NAME} are read")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _BrokenError(f"a name is not text: {error}") from error


def _number(data: bytes, place: int, kind: str) -> int:
    """The number at a position, of a kind of `struct`."""
    if not 0 <= place <= len(data) - struct.calcsize(kind):
        raise _BrokenError(f"it points to byte {place} of {len(data)}")
    value: int = struct.unpack_from("<" + kind, data, place)[0]
    return value


def _target(data: bytes, place: int) -> int:
    """Where the offset at a position points to."""
    return place + _number(data, place, "I")


def read_tflite(path: str | os.PathLike[str]) -> dict[str, Floats]:
    """Read the weights of all convolutions and PReLUs of a .tflite file (`schema.fbs`, version 3 of the format).

    Gives float32 arrays by name, in the order of the file's graph: `LAYER.weight`, as PyTorch has them, and
    `LAYER.bias`. `CheckpointError` for other and damaged files, and those with quantised weights.
    """
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise _BrokenError(f"it has more than {MOST_BYTES} bytes")
        tensors: dict[str, Floats] = {}
        for name, values in _tensors(Path(path).read_bytes()):
            if name in tensors:
                raise _BrokenError(f"two layers have the name {name.rpartition('.')[0]:.200}")
            tensors[name] = values
        return tensors
    except (OSError, _BrokenError) as error:
        raise CheckpointError(f"cannot read the TensorFlow Lite file {path}: {error}") from error


def _tensors(data: bytes) -> Iterator[tuple[str, Floats]]:
    """Names and values of what the weighted operators use."""
    if data[4:8] != IDENTIFIER:
        raise _BrokenError(f"bytes 4 to 8 are {data[4:8]!r}, not {IDENTIFIER!r}")
    model = _Table.at(data, _target(data, 0))
    graphs = model.tables(2)
    if len(graphs) != 1:
        raise _BrokenError(f"it has {len(graphs)} graphs, not one")
    codes = [max(code.number(0, "b"), code.number(3, "i")) for code in model.tables(1)]
    constants = _Constants(graphs[0].tables(0), model.tables(4))
    for operator in graphs[0].tables(3):
        index = operator.number(0, "I")
        if index >= len(codes):
            raise _BrokenError(f"an operator is of kind {index} of {len(codes)}")
        code = codes[index]
        inputs = operator.values(1, np.dtype("<i4")).tolist()
        outputs = operator.values(2, np.dtype("<i4")).tolist()
        if code in PASSED_THROUGH and inputs and outputs:
            constants.same(outputs[0], inputs[0])
        elif code in KERNEL_AXES or code == PRELU:
            yield from _weights(code, inputs, constants)


def _weights(code: int, inputs: list[int], constants: "_Constants") -> Iterator[tuple[str, Floats]]:
    """What one operator uses: its first input is the image, then come kernel and bias, or slopes."""
    if len(inputs) != (2 if code == PRELU else 3):
        raise _BrokenError(f"an operator of code {code} has {len(inputs)} inputs")
    name, values = constants.read(inputs[1])
    if not (found := LAYER.search(name)):
        raise _BrokenError(f"{name!r:.200} names no layer")
    layer = found[1]
    if code == PRELU:
        yield f"{layer}.weight", values.reshape(-1)
        return
    if values.ndim != 4:
        raise _BrokenError(f"the kernel of {layer:.200} has the shape {values.shape}")
    yield f"{layer}.weight", np.ascontiguousarray(values.transpose(KERNEL_AXES[code]))
    yield f"{layer}.bias", constants.read(inputs[2])[1].reshape(-1)


class _Constants:
    """The tensors of a graph that have values in the file."""

    def __init__(self, tensors: list[_Table], buffers: list[_Table]) -> None:
        self._tensors, self._buffers = tensors, buffers
        self._origin: dict[int, int] = {}
        self._left = MOST_VALUES

    def same(self, result: int, origin: int) -> None:
        """Say that one tensor is another, widened or filled."""
        self._origin[result] = self._origin.get(origin, origin)

    def read(self, number: int) -> tuple[str, Floats]:
        """Return name and values of a tensor; the name is that of the constant it stems from."""
        number = self._origin.get(number, number)
        if not 0 <= number < len(self._tensors):
            raise _BrokenError(f"it names tensor {number} of {len(self._tensors)}")
        tensor = self._tensors[number]
        name, kind, buffer = tensor.text(3), tensor.number(1, "b"), tensor.number(2, "I")
        shape = tuple(tensor.values(0, np.dtype("<i4")).tolist())
        if kind not in FLOAT_TYPES:
            raise _BrokenError(f"{name!r:.200} is of type {kind}; only float32 (0) and float16 (1) are read")
        if not shape or len(shape) > MOST_AXES or min(shape) < 1 or math.prod(shape) > self._left:
            raise _BrokenError(f"{name!r:.200} has the shape {shape[: MOST_AXES + 1]}")
        if buffer >= len(self._buffers):
            raise _BrokenError(f"{name!r:.200} lies in buffer {buffer} of {len(self._buffers)}")
        self._left -= math.prod(shape)
        content = self._buffers[buffer].values(0, np.dtype("u1"))
        sparsity = tensor.table(6)
        places = np.arange(math.prod(shape)) if sparsity is None else _places(sparsity, shape)
        if content.nbytes != len(places) * FLOAT_TYPES[kind].itemsize:
            raise _BrokenError(f"{name!r:.200} has {content.nbytes} bytes for {len(places)} values")
        values = np.zeros(math.prod(shape), np.float32)
        values[places] = content.view(FLOAT_TYPES[kind])
        return name, values.reshape(shape)


def _places(sparsity: _Table, shape: tuple[int, ...]) -> Places:
    """Where the values of a sparse tensor lie in the full one, counted in C order; axis by axis, as they are stored."""
    order = sparsity.values(0, np.dtype("<i4")).tolist()
    axes = sparsity.tables(2)
    if order != list(range(len(shape))) or len(axes) != len(shape) or len(sparsity.values(1, np.dtype("<i4"))):
        raise _BrokenError("a sparse tensor is stored in blocks or in another order of axes, which is not read")
    places: Places = np.zeros(1, np.int64)
    for axis, size in zip(axes, shape, strict=True):
        if axis.number(0, "b") == 0:
            if axis.number(1, "i") != size:
                raise _BrokenError(f"a sparse tensor says {axis.number(1, 'i')} for an axis of {size}")
            places = (places[:, None] * size + np.arange(size)).ravel()
        else:
            # One rising run of indices below `size` for each of the rows.
            ends, indices, rows = _indices(axis, 2), _indices(axis, 4), len(places)
            if len(ends) != rows + 1 or ends[0] != 0 or ends[-1] != len(indices) or (np.diff(ends) < 0).any():
                raise _BrokenError("the rows of a sparse tensor do not fit its indices")
            first = np.zeros(len(indices) + 1, bool)
            first[ends] = True  # a row may begin anywhere
            rising = np.diff(indices, prepend=-1) > 0
            if len(indices) and (indices.min() < 0 or indices.max() >= size or not (rising | first[:-1]).all()):
                raise _BrokenError("the indices of a sparse tensor are out of order or range")
            places = np.repeat(places, np.diff(ends)) * size + indices
    return places


def _indices(axis: _Table, kind: int) -> Places:
    """A list of numbers, stored as one of three types; `kind` is the field that says which, the list comes after it."""
    dtype, table = INDEX_TYPES.get(axis.number(kind, "B")), axis.table(kind + 1)
    if dtype is None or table is None:
        raise _BrokenError("a sparse tensor lacks its indices")
    return table.values(0, dtype).astype(np.int64)


BLOCK = ("dw", "pw", "act")
WITHOUT_SLOPES = ("dw", "pw")
BOTTLENECK = ("first.dw", "first.pw", "second.dw", "second.pw")
# The last part of our name for a layer that is no plain convolution.
KINDS = {"dw": "depthwise_conv2d", "act": "p_re_lu"}


def _run(name: str, count: int, parts: tuple[str, ...] = BLOCK) -> list[str]:
    """The layers of a run of equal blocks."""
    return [f"{name}.{number}.{part}" for number in range(count) for part in parts]


def _levels(name: str, parts: tuple[str, ...], counts: Iterable[int]) -> Iterator[str]:
    """The layers of BlazeFace's resolutions: of each, what changes the resolution, then a run of blocks."""
    for level, count in enumerate(counts):
        yield from (f"{name}.{level}.{part}" for part in parts)
        yield from _run(f"{name}.{level}.blocks", count, BOTTLENECK)


def _head(name: str, blocks: int) -> list[str]:
    """The layers of `nn.face_mesh.Head`, but for the one that gives the output."""
    parts = ("narrow.conv", "narrow.act", *(f"last.{part}" for part in BLOCK))
    return [*_run(f"{name}.blocks", blocks), *(f"{name}.{part}" for part in parts)]


def _numbered(layers: Iterable[str], conv: int = 0, dw: int = 0, act: int = 0) -> dict[str, str]:
    """Our layers by the file's names; the numbers are those of the first one of each kind, and 0 is not written."""
    numbers = {"conv2d": conv, "depthwise_conv2d": dw, "p_re_lu": act}
    named = {}
    for layer in layers:
        kind = KINDS.get(layer.rpartition(".")[2], "conv2d")
        named[f"{kind}_{numbers[kind]}" if numbers[kind] else kind] = layer
        numbers[kind] += 1
    return named


def _eye(side: str, conv: int, dw: int) -> dict[str, str]:
    """The layers of the region of an eye; activations have the numbers of convolutions there."""
    name = f"{side}_eye"
    layers = [*_run(f"{name}.blocks", 6), *_head(f"{name}.contour", 5), *_head(f"{name}.iris", 5)]
    outputs = {f"conv_{name}": f"{name}.contour.out", f"conv_{side}_iris": f"{name}.iris.out"}
    return _numbered(layers, conv, dw, conv) | outputs


_STEM = ("stem.conv", "stem.act")
# By network of `facelandmarks.nn.build` that MediaPipe published.
LAYERS: Mapping[str, Mapping[str, str]] = {
    "face_mesh": {
        **_numbered([*_STEM, *_run("body", 14), *_head("mesh", 3), "mesh.out"], 1, 1, 1),
        **_numbered([*_head("flag", 1), "flag.out"], 28, 23, 26),
    },
    "face_mesh_attention": {
        **_numbered([*_STEM, *_run("near", 3), *_run("body", 11), *_head("mesh", 3)]),
        **_numbered([*_run("lips.blocks", 6), *_head("lips.contour", 5)], 20, 18, 20),
        **_eye("left", 33, 30),
        **_eye("right", 53, 48),
        "output_mesh": "mesh.out",
        "conv_faceflag": "flag",
        "conv_lips": "lips.contour.out",
    },
    "blazeface_short": {
        **_numbered(["stem", *_run("fine", 11, WITHOUT_SLOPES), *_run("coarse", 5, WITHOUT_SLOPES)]),
        "classificator_8": "fine_score",
        "classificator_16": "coarse_score",
        "regressor_8": "fine_box",
        "regressor_16": "coarse_box",
    },
    "blazeface_full": {
        **_numbered(
            [
                "stem",
                *_run("first", 2, BOTTLENECK),
                *_levels("down", BOTTLENECK, (2, 2, 2, 3)),
                *_levels("up", ("below", "beside"), (2, 2, 1)),
                "score.dw",
                "box.dw",
            ]
        ),
        "classifier_face_4_NO_PRUNING": "score.pw",
        "regressor_face_4_NO_PRUNING": "box.pw",
    },
}


def read_mediapipe(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Read the weights of one of the networks in `LAYERS`, under our names; `CheckpointError` for other files."""
    tensors = read_tflite(path)
    found = {name.rpartition(".")[0] for name in tensors}
    names = next((names for names in LAYERS.values() if names.keys() == found), None)
    if names is None:
        raise CheckpointError(f"{path} has the layers of none of MediaPipe's networks: {', '.join(LAYERS)}")
    parts = [name.rpartition(".") for name in tensors]
    return {f"{names[layer]}.{part}": tensors[f"{layer}.{part}"] for layer, _, part in parts}
