"""TensorFlow Lite files of our own: just enough of the format for networks with weights, and for damaged ones."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, PRELU, DENSIFY = 3, 4, 6, 54, 124
CODES = (CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, PRELU, DENSIFY)
TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int8): 9}


@dataclass
class Table:
    """Fields by number: `("I", 7)` is a number, an array a list of them; text and tables are as they are."""

    fields: Mapping[int, object]


def write(root: Table) -> bytes:
    """The bytes of a flatbuffer."""
    data = bytearray(struct.pack("<I4s", 0, b"TFL3"))
    struct.pack_into("<I", data, 0, _table(data, root))
    return bytes(data)


def _table(data: bytearray, table: Table) -> int:
    """Append a table and what it points to; its position."""
    kinds = {number: value[0] if isinstance(value, tuple) else "I" for number, value in table.fields.items()}
    sizes = {number: struct.calcsize(kind) for number, kind in kinds.items()}
    places, end = {}, 4
    for number, size in sizes.items():
        places[number], end = end, end + size
    count = max(table.fields, default=-1) + 1
    data += struct.pack(f"<HH{count}H", 4 + 2 * count, end, *(places.get(number, 0) for number in range(count)))
    start = len(data)
    data += struct.pack("<i", 4 + 2 * count) + bytes(end - 4)
    for number, value in table.fields.items():
        place = start + places[number]
        if isinstance(value, tuple):
            struct.pack_into("<" + value[0], data, place, value[1])
        else:
            struct.pack_into("<I", data, place, _target(data, value) - place)
    return start


def _target(data: bytearray, value: object) -> int:
    """Append what a field points to; its position."""
    if isinstance(value, Table):
        return _table(data, value)
    start = len(data)
    if isinstance(value, list):
        data += struct.pack("<I", len(value)) + bytes(4 * len(value))
        for number, table in enumerate(value):
            place = start + 4 + 4 * number
            struct.pack_into("<I", data, place, _table(data, table) - place)
        return start
    content = np.frombuffer(value.encode(), np.uint8) if isinstance(value, str) else np.asarray(value)
    data += struct.pack("<I", len(content)) + content.tobytes()
    return start


@dataclass
class Graph:
    """A graph that grows operator by operator."""

    tensors: list[Table] = field(default_factory=list)
    buffers: list[Table] = field(default_factory=lambda: [Table({})])
    operators: list[Table] = field(default_factory=list)

    def input(self) -> int:
        """A tensor without values."""
        self.tensors.append(Table({3: f"made_{len(self.tensors)}"}))
        return len(self.tensors) - 1

    def constant(self, name: str, values: NDArray, shape: Sequence[int] | None = None, **more: object) -> int:
        """A tensor with values; `sparsity` says how they are stored."""
        self.buffers.append(Table({0: np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)}))
        fields: dict[int, object] = {
            0: np.array(values.shape if shape is None else shape, np.int32),
            1: ("b", TYPES[values.dtype]),
            2: ("I", len(self.buffers) - 1),
            3: name,
        }
        if "sparsity" in more:
            fields[6] = more["sparsity"]
        self.tensors.append(Table(fields))
        return len(self.tensors) - 1

    def run(self, code: int, *inputs: int) -> int:
        """An operator; the tensor that it gives."""
        made = self.input()
        numbers = {1: np.array(inputs, np.int32), 2: np.array([made], np.int32)}
        self.operators.append(Table({0: ("I", CODES.index(code)), **numbers}))
        return made

    def model(self) -> Table:
        """All of it."""
        codes = [Table({0: ("b", code), 3: ("i", code)}) for code in CODES]
        graph = Table({0: self.tensors, 3: self.operators})
        return Table({0: ("I", 3), 1: codes, 2: [graph], 4: self.buffers})


def sparse_rows(values: NDArray, kind: int = 2) -> tuple[NDArray, Table]:
    """What is stored of a kernel (out, 1, 1, in) whose zeros are left out, and how it says so."""
    dtype = {1: np.int32, 2: np.uint16, 3: np.uint8}[kind]
    rows = values.reshape(len(values), -1)
    there = rows != 0
    ends = np.concatenate([[0], np.cumsum(there.sum(1))])
    indices = np.concatenate([np.flatnonzero(row) for row in there])
    dense = [Table({0: ("b", 0), 1: ("i", size)}) for size in values.shape[:-1]]
    lists = {2: ("B", kind), 3: Table({0: ends.astype(dtype)}), 4: ("B", kind), 5: Table({0: indices.astype(dtype)})}
    order = np.arange(values.ndim, dtype=np.int32)
    return rows[there], Table({0: order, 2: [*dense, Table({0: ("b", 1), **lists})]})


def small_file(seed: int = 0) -> tuple[bytes, dict[str, NDArray]]:
    """A file with a convolution, a depthwise one, a sparse one and a PReLU, and what should be read from it."""
    rng = np.random.default_rng(seed)
    graph = Graph()
    x = graph.run(PRELU, graph.input(), graph.constant("p_re_lu/Alpha", np.arange(3, dtype=np.float32)[None, None]))
    expected: dict[str, NDArray] = {}
    stem = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    deep = rng.normal(size=(1, 3, 3, 4)).astype(np.float16)
    thin = rng.normal(size=(6, 1, 1, 4)).astype(np.float16) * (rng.random((6, 1, 1, 4)) < 0.4)
    bias = {name: rng.normal(size=size).astype(np.float16) for name, size in (("a", 4), ("b", 4), ("c", 6))}
    x = graph.run(CONV_2D, x, graph.constant("conv2d/Kernel", stem), half(graph, "conv2d/Bias", bias["a"]))
    kernel = half(graph, "depthwise_conv2d/Kernel", deep)
    x = graph.run(DEPTHWISE_CONV_2D, x, kernel, half(graph, "depthwise_conv2d/Bias", bias["b"]))
    stored, sparsity = sparse_rows(thin)
    kernel = graph.constant("m/conv2d_1/Conv2D_dequantize;m/conv2d_9/Conv2D", stored, thin.shape, sparsity=sparsity)
    kernel = graph.run(DEQUANTIZE, graph.run(DENSIFY, kernel))
    graph.run(CONV_2D, x, kernel, half(graph, "fused", bias["c"]))
    expected["p_re_lu.weight"] = np.arange(3, dtype=np.float32)
    expected["conv2d.weight"], expected["conv2d.bias"] = stem.transpose(0, 3, 1, 2), bias["a"]
    expected["depthwise_conv2d.weight"], expected["depthwise_conv2d.bias"] = deep.transpose(3, 0, 1, 2), bias["b"]
    expected["conv2d_1.weight"], expected["conv2d_1.bias"] = thin.transpose(0, 3, 1, 2), bias["c"]
    return write(graph.model()), expected


def half(graph: Graph, name: str, values: NDArray) -> int:
    """A constant of half precision, widened by an operator as in MediaPipe's files."""
    return graph.run(DEQUANTIZE, graph.constant(name, values))


def network_file(state: Mapping[str, NDArray], layers: Mapping[str, str]) -> bytes:
    """A file with the weights of one of our networks, under MediaPipe's names, in half precision."""
    graph = Graph()
    x = graph.input()
    for name, layer in layers.items():
        weight = np.asarray(state[f"{layer}.weight"], np.float16)
        if weight.ndim == 1:
            x = graph.run(PRELU, x, half(graph, f"{name}/Alpha", weight[None, None]))
            continue
        deep = name.startswith("depthwise")
        kernel = half(graph, f"{name}/Kernel", weight.transpose((1, 2, 3, 0) if deep else (0, 2, 3, 1)))
        bias = half(graph, f"{name}/Bias", np.asarray(state[f"{layer}.bias"], np.float16))
        x = graph.run(DEPTHWISE_CONV_2D if deep else CONV_2D, x, kernel, bias)
    return write(graph.model())
