"""The packed weights: what comes back, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from packed_files import pack, save_packed

from facelandmarks.errors import CheckpointError
from facelandmarks.weights import packed
from facelandmarks.weights.packed import load_packed


def state() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "conv.weight": (rng.normal(size=(6, 3, 3, 3)) * np.logspace(-4, 2, 6)[:, None, None, None]).astype(np.float32),
        "conv.bias": rng.normal(size=6).astype(np.float32),
        "bn.running_var": np.array([1e-7, 0.3333333, 5e5], np.float32),
        "bn.num_batches_tracked": np.array(7),
        "wide": np.array([1e-9, 1.0], np.float32),
        "zeros": np.zeros((2, 4, 1, 1), np.float32),
        "linear": np.full((2, 4), 0.25, np.float32),
        "scalar": np.array(0.5, np.float32),
    }


def test_what_is_stored() -> None:
    kinds = {name: array.dtype.name for name, array in pack(state()).items()}
    assert kinds == {
        "conv.weight": "int8", "conv.weight.scale": "float32", "conv.bias": "float16", "bn.running_var": "float32",
        "wide": "float32", "zeros": "int8", "zeros.scale": "float32", "linear": "float16", "scalar": "float16",
    }  # fmt: skip


def test_round_trip_is_within_half_a_level(tmp_path: Path) -> None:
    before = state()
    save_packed(tmp_path / "w.npz", before)
    after = load_packed(tmp_path / "w.npz")
    assert set(after) == set(before) - {"bn.num_batches_tracked"}
    assert {array.dtype.name for array in after.values()} == {"float32"}
    assert all(after[name].shape == before[name].shape for name in after)
    error = np.abs(after["conv.weight"] - before["conv.weight"]).reshape(6, -1).max(1)
    level = np.abs(before["conv.weight"]).reshape(6, -1).max(1) / 127
    assert (error <= 0.5001 * level).all()
    np.testing.assert_array_equal(after["bn.running_var"], before["bn.running_var"])
    np.testing.assert_array_equal(after["zeros"], 0)
    np.testing.assert_allclose(after["conv.bias"], before["conv.bias"], rtol=2**-11)


def test_packing_what_was_packed_changes_nothing(tmp_path: Path) -> None:
    save_packed(tmp_path / "a.npz", state())
    once = load_packed(tmp_path / "a.npz")
    save_packed(tmp_path / "b.npz", once)
    for name, array in load_packed(tmp_path / "b.npz").items():
        np.testing.assert_allclose(array, once[name], rtol=1e-6)


def test_a_tensor_named_scale_is_a_tensor(tmp_path: Path) -> None:
    save_packed(tmp_path / "w.npz", {"layer.scale": np.ones(3, np.float32), "layer": np.ones(3, np.float32)})
    assert set(load_packed(tmp_path / "w.npz")) == {"layer", "layer.scale"}


def test_saving_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "w.npz").write_bytes(b"old")
    with pytest.raises(CheckpointError, match="conv"):
        save_packed(tmp_path / "w.npz", {"conv": np.array([np.nan, 1.0])})
    assert (tmp_path / "w.npz").read_bytes() == b"old"
    save_packed(tmp_path / "w.npz", state())
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]


@pytest.mark.parametrize("value", [np.arange(4), np.array(["x"]), np.array([1.0, np.inf])])
def test_what_cannot_be_packed(value: np.ndarray) -> None:
    with pytest.raises(CheckpointError, match="cannot pack key"):
        pack({"key": value})


def test_broken_files(tmp_path: Path) -> None:
    good = tmp_path / "good.npz"
    save_packed(good, state())
    content = good.read_bytes()
    middle = len(content) // 3
    broken = {
        "empty": b"",
        "text": b"not weights at all",
        "cut": content[: len(content) // 2],
        "flipped": content[:middle] + bytes(255 - b for b in content[middle : middle + 40]) + content[middle + 40 :],
    }
    for name, data in broken.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=name):
            load_packed(path)
    with pytest.raises(CheckpointError, match="missing"):
        load_packed(tmp_path / "missing.npz")
    np.save(tmp_path / "single.npy", np.zeros(3))
    with pytest.raises(CheckpointError, match="single"):
        load_packed(tmp_path / "single.npy")


def test_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, weight=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CheckpointError, match="objects"):
        load_packed(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"w": np.ones((2, 3), np.int8)},
        {"w": np.ones((2, 3), np.int8), "w.scale": np.ones(3, np.float32)},
        {"w": np.ones((2, 3), np.int8), "w.scale": np.ones(2, np.float64)},
        {"w": np.array(3, np.int8), "w.scale": np.ones((), np.float32)},
        {"w": np.ones(3, np.int64)},
    ],
)
def test_files_with_other_things_in_them(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(CheckpointError, match="w"):
        load_packed(tmp_path / "w.npz")


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MOST_UNPACKED", 1_000_000)
    np.savez_compressed(tmp_path / "bomb.npz", **{"a.weight": np.zeros(2_000_000, np.int8)})
    assert (tmp_path / "bomb.npz").stat().st_size < 10_000
    with pytest.raises(CheckpointError, match="would unpack to 2000128 bytes"):
        load_packed(tmp_path / "bomb.npz")
