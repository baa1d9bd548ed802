"""Work done ahead: in order, never more than asked for, and nothing after an end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from facelandmarks.stream import in_order


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.mark.parametrize("ahead", [1, 2, 50])
def test_results_come_in_order(pool, ahead):
    assert list(in_order(pool, lambda n: n * n, range(20), ahead)) == [n * n for n in range(20)]
    assert list(in_order(pool, lambda n: n, [], ahead)) == []


def test_no_more_is_taken_than_asked_for(pool):
    taken = []
    with closing(in_order(pool, lambda n: n, (taken.append(n) or n for n in range(100)), 4)) as results:
        assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert taken == list(range(7))


def test_an_error_comes_in_its_turn_and_ends_the_work(pool):
    begun, gate = [], threading.Event()

    def work(n):
        begun.append(n)
        if n == 2:
            raise KeyError(n)
        if n > 2:
            gate.wait(10)
        return n

    results = in_order(pool, work, range(100), 10)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError):
        next(results)
    gate.set()
    pool.shutdown()
    assert max(begun) < 12
    assert list(results) == []
