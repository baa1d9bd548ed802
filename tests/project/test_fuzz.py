"""A slice of `fuzz.py`: damaged files of every kind are read or refused; nothing crashes, hangs or grows."""

import pytest
from fuzz import run
from fuzz_mutations import INTERESTING, mutated
from fuzz_targets import TARGETS

NEEDS = {"images": "PIL.Image", "mat73": "h5py", "graph": "onnxruntime"}
CASES = 200


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_files_are_read_or_refused(target):
    if target in NEEDS:
        pytest.importorskip(NEEDS[target])
    outcome = run(target, 0, CASES)
    assert outcome.bad == []
    assert outcome.cases == CASES
    assert min(outcome.counts[result] for result in EXPECTED.get(target, ("ok", "refused"))) > 0


EXPECTED = {
    "bundle": ("refused",),  # its one file is not the published one
    "list_of_pictures": ("ok",),  # rows say what is wrong with a picture
    "graph": ("ok",),  # built anew
}


def test_the_search_sees_crashes_hangs_and_other_exceptions(monkeypatch):
    """Targets that misbehave on purpose: the search goes on after each."""
    import fuzz

    monkeypatch.setattr(fuzz, "MOST_WALL", 5.0)
    outcome = run("misbehaving", 0, 6)
    results = [record["result"] for record in outcome.bad]
    assert results[0].startswith("crash")
    assert results[1:] == ["exception", "hang"]
    assert outcome.cases == 6
    assert outcome.counts["ok"] == 2
    assert outcome.counts["refused"] == 1


def test_memory_of_a_child_is_its_own():
    """`ru_maxrss` of a child begins with its parent's: a large test process failed every target once."""
    import numpy as np

    held = np.ones(1 << 27)  # 1 GiB
    assert run("faces_pts", 0, 2).peak_mib < held.nbytes / 2**20


def test_mutations_are_the_same_each_time():
    import numpy as np

    data = bytes(range(256)) * 4
    first, again = ([mutated(data, data[::-1], np.random.default_rng([2026, n])) for n in range(50)] for _ in range(2))
    assert first == again
    assert sum(changed != data for changed in first) > 45
    assert max(INTERESTING) < 1 << 32
