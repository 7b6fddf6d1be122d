import threading
import time

import numpy as np
import pytest

from bert_jax.batching.prefetch import prefetched


def make(number: int) -> dict:
    time.sleep(0.002 * (number % 3))  # the later ones may be done first
    return dict(number=np.array([number]))


def numbers(batches) -> list[int]:
    return [int(batch["number"][0]) for batch in batches]


@pytest.mark.parametrize("threads, ahead", [(1, 1), (2, 4), (8, 2), (4, 64)])
def test_batches_come_in_order(threads, ahead):
    assert numbers(prefetched(make, 0, 30, threads, ahead)) == list(range(30))


@pytest.mark.parametrize("start", [0, 1, 7, 29, 30])
def test_it_starts_anywhere(start):
    assert numbers(prefetched(make, start, 30, 2, 4)) == list(range(start, 30))


def test_far_into_a_long_run():
    batches = prefetched(make, 10**9, 2 * 10**9, 2, 4)
    assert [int(next(batches)["number"][0]) for _ in range(3)] == [10**9, 10**9 + 1, 10**9 + 2]


def test_some_are_made_ahead_and_no_more():
    made, enough = [], threading.Semaphore(0)

    def counted(number: int) -> dict:
        made.append(number)
        enough.release()
        return make(number)

    batches = prefetched(counted, 0, 100, 2, 4)
    next(batches)
    for _ in range(4):
        assert enough.acquire(timeout=10)  # made although nobody asked
    time.sleep(0.1)
    assert set(range(4)) <= set(made) and len(made) <= 1 + 4 + 2


def test_an_error_reaches_the_one_who_takes_the_batch():
    def broken(number: int) -> dict:
        if number == 5:
            raise OSError("the disk is gone")
        return make(number)

    batches = prefetched(broken, 3, 30, 2, 4)
    assert [int(next(batches)["number"][0]) for _ in range(2)] == [3, 4]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
