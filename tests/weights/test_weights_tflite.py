"""Weights of TensorFlow Lite files: read strictly, whatever is in them."""

import hashlib
import struct

import numpy as np
import pytest
from golden_files import document, find_shared
from tflite_files import CONV_2D, PRELU, Graph, Table, half, small_file, sparse_rows, write

from facelandmarks.errors import CheckpointError
from facelandmarks.weights.tflite import MOST_BYTES, read_mediapipe, read_tflite

FILES = (
    "face_landmark_fp16",
    "face_landmark_with_attention",
    "face_detection_short_range",
    "face_detection_full_range_sparse",
)


def read(tmp_path, content):
    path = tmp_path / "a.tflite"
    path.write_bytes(content)
    return read_tflite(path)


def test_all_kinds_of_layers_are_read(tmp_path):
    content, expected = small_file()
    found = read(tmp_path, content)
    assert list(found) == list(expected)
    for name, values in found.items():
        assert values.dtype == np.float32
        assert values.flags.c_contiguous
        np.testing.assert_array_equal(values, expected[name])


def test_files_of_other_networks_are_refused(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(small_file()[0])
    with pytest.raises(CheckpointError, match="none of MediaPipe's networks: face_mesh, "):
        read_mediapipe(path)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_sparse_kernels_with_indices_of_every_width(tmp_path, kind):
    graph = Graph()
    values = np.zeros((5, 1, 1, 7), np.float32)
    values[[0, 2, 2, 4], 0, 0, [6, 0, 3, 1]] = 1, 2, 3, 4  # rows 1 and 3 are empty
    stored, sparsity = sparse_rows(values, kind)
    kernel = graph.constant("a/Kernel", stored, values.shape, sparsity=sparsity)
    graph.run(CONV_2D, graph.input(), kernel, half(graph, "a/Bias", np.zeros(5, np.float16)))
    np.testing.assert_array_equal(read(tmp_path, write(graph.model()))["a.weight"][..., 0, 0], values[:, 0, 0])


def one_layer(kernel=None, bias=None, **sparsity):
    graph = Graph()
    values = np.ones((2, 1, 1, 3), np.float32) if kernel is None else kernel
    number = graph.constant("a/Kernel", values, (2, 1, 1, 3), **sparsity)
    biases = graph.constant("a/Bias", np.zeros(2, np.float32) if bias is None else bias)
    graph.run(CONV_2D, graph.input(), number, biases)
    return graph


def axes_with(ends, indices):
    dense = [Table({1: ("i", 2)}), Table({1: ("i", 1)}), Table({1: ("i", 1)})]
    lists = {2: ("B", 1), 3: Table({0: np.int32(ends)}), 4: ("B", 1), 5: Table({0: np.int32(indices)})}
    return {"sparsity": Table({0: np.arange(4, dtype=np.int32), 2: [*dense, Table({0: ("b", 1), **lists})]})}


REFUSED = {
    "rows that do not end": (np.ones(2, np.float32), axes_with([0, 1, 3], [0, 1]), "do not fit"),
    "too few rows": (np.ones(2, np.float32), axes_with([0, 2], [0, 1]), "do not fit"),
    "rows backwards": (np.ones(2, np.float32), axes_with([0, 3, 2], [0, 1]), "do not fit"),
    "index too large": (np.ones(2, np.float32), axes_with([0, 1, 2], [0, 3]), "out of order or range"),
    "index below 0": (np.ones(2, np.float32), axes_with([0, 1, 2], [-1, 2]), "out of order or range"),
    "index twice": (np.ones(2, np.float32), axes_with([0, 2, 2], [1, 1]), "out of order or range"),
    "too few values": (np.ones(1, np.float32), axes_with([0, 1, 2], [0, 1]), "has 4 bytes for 2 values"),
    "dense and short": (np.ones(5, np.float32), {}, "has 20 bytes for 6 values"),
    "whole numbers": (np.ones(6, np.int8), {}, "is of type 9"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_kernels_that_do_not_fit_are_refused(tmp_path, case):
    kernel, sparsity, reason = REFUSED[case]
    with pytest.raises(CheckpointError, match=reason):
        read(tmp_path, write(one_layer(kernel, **sparsity).model()))


def test_first_and_empty_rows_are_no_mistake(tmp_path):
    found = read(tmp_path, write(one_layer(np.ones(2, np.float32), **axes_with([0, 0, 2], [0, 2])).model()))
    np.testing.assert_array_equal(found["a.weight"][:, :, 0, 0], [[0, 0, 0], [1, 0, 1]])


def change(model, **fields):
    return Table({**model.fields, **{int(key[1:]): value for key, value in fields.items()}})


def damaged_models():
    graph = one_layer()
    model = graph.model()
    (inner,) = model.fields[2]
    (operator,) = graph.operators
    yield "two graphs", change(model, f2=[inner, inner]), "2 graphs"
    yield "no graph", change(model, f2=[]), "0 graphs"
    yield "kind", change(model, f1=[]), "of kind 0 of 0"
    yield "buffer", change(model, f4=[Table({})]), "lies in buffer 1 of 1"
    for name, numbers, reason in (
        ("tensor", [0, 99, 1], "tensor 99 of"),
        ("negative", [0, -1, 1], "tensor -1 of"),
        ("inputs", [0, 1], "has 2 inputs"),
        ("bias as kernel", [2, 1, 1], "names no layer"),
        ("input as kernel", [2, 2, 1], "has the shape"),
    ):
        wrong = change(operator, f1=np.int32(numbers))
        yield name, change(model, f2=[change(inner, f3=[wrong])]), reason
    flat = [change(graph.tensors[0], f0=np.int32([2, 3])), *graph.tensors[1:]]
    yield "flat", change(model, f2=[change(inner, f0=flat)]), "kernel of a has"
    yield "twice", change(model, f2=[change(inner, f3=[operator, operator])]), "two layers have the name a"
    for name, shape in (
        ("no axes", []),
        ("empty axis", [2, 0, 1, 3]),
        ("many axes", [1] * 7),
        ("huge", [2**30, 2**30]),
    ):
        wrong = [change(tensor, f0=np.int32(shape)) if n == 0 else tensor for n, tensor in enumerate(graph.tensors)]
        yield name, change(model, f2=[change(inner, f0=wrong)]), "has the shape"
    wrong = [change(graph.tensors[0], f3=np.uint8([0xFF, 0xFE])), *graph.tensors[1:]]
    yield "name", change(model, f2=[change(inner, f0=wrong)]), "a name is not text"
    wrong = [change(graph.tensors[0], f3="x" * 5000), *graph.tensors[1:]]
    yield "long name", change(model, f2=[change(inner, f0=wrong)]), "a name has 5000 bytes"


@pytest.mark.parametrize(("model", "reason"), [pytest.param(*case[1:], id=case[0]) for case in damaged_models()])
def test_graphs_that_do_not_fit_are_refused(tmp_path, model, reason):
    with pytest.raises(CheckpointError, match=reason):
        read(tmp_path, write(model))


def test_slopes_take_two_inputs(tmp_path):
    graph = Graph()
    graph.run(PRELU, graph.input())
    with pytest.raises(CheckpointError, match="has 1 inputs"):
        read(tmp_path, write(graph.model()))


@pytest.mark.parametrize("length", [0, 3, 7, 8, 11, 12, 40])
def test_short_files_are_refused(tmp_path, length):
    with pytest.raises(CheckpointError, match="TensorFlow Lite file"):
        read(tmp_path, small_file()[0][:length])


def test_every_cut_is_refused(tmp_path):
    content, expected = small_file()
    for length in range(0, len(content), 37):
        with pytest.raises(CheckpointError):
            read(tmp_path, content[:length])
    assert len(read(tmp_path, content)) == len(expected)


def test_offsets_out_of_the_file_are_refused(tmp_path):
    content = bytearray(small_file()[0])
    struct.pack_into("<I", content, 0, 0xFFFFFFF0)
    with pytest.raises(CheckpointError, match="points to byte"):
        read(tmp_path, bytes(content))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="not b'TFL3'"):
        read(tmp_path, b"PK\x03\x04" + bytes(100))
    with pytest.raises(CheckpointError, match="cannot read"):
        read_tflite(tmp_path / "missing.tflite")
    large = tmp_path / "large.tflite"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(CheckpointError, match="more than"):
        read_tflite(large)


def test_many_layers_cannot_fill_the_memory(tmp_path):
    """One stored kernel that many operators use: what they say together is bounded."""
    graph = Graph()
    kernel = graph.constant("a/Kernel", np.zeros(0, np.float32), (1, 1, 1, 1 << 24), **nothing_stored(1 << 24))
    bias = half(graph, "a/Bias", np.zeros(1, np.float16))
    for _ in range(3):
        graph.run(CONV_2D, graph.input(), kernel, bias)
    with pytest.raises(CheckpointError, match="has the shape"):
        read(tmp_path, write(graph.model()))


def nothing_stored(size):
    _, sparsity = sparse_rows(np.zeros((1, 1, 1, size), np.float32), 1)
    return {"sparsity": sparsity}


@pytest.mark.parametrize("name", FILES)
def test_published_files_hold_what_the_table_says(name):
    """Names, shapes and bytes of all tensors of MediaPipe's own files."""
    folder = find_shared() / "goldens" / "mediapipe"
    table = document(folder / "layer_table.json")["models"][name]
    found = read_mediapipe(folder / "files" / f"{name}.tflite")
    assert sum(values.size for values in found.values()) == table["parameters"]
    digest = hashlib.sha256()
    for values in found.values():
        digest.update(values.astype("<f4").tobytes())
    assert digest.hexdigest() == table["sha256_all_tensors"]
