import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bert_jax.batching.packing import pack, row_counts


@given(st.lists(st.integers(1, 20), max_size=40), st.integers(20, 50))
def test_examples_stand_side_by_side_within_their_rows(lengths, row_length):
    lengths = np.array(lengths, int)
    rows, begins = pack(lengths, row_length)
    count = rows.max(initial=-1) + 1
    taken = np.zeros((count, row_length), int)
    for row, begin, length in zip(rows, begins, lengths):
        taken[row, begin : begin + length] += 1
    assert taken.max(initial=0) <= 1 and taken.sum() == lengths.sum()
    used = taken.sum(axis=1)
    assert all(row[:n].all() for row, n in zip(taken, used))  # from the left, without gaps
    # Of two rows, the later one's first example would not have fitted into the earlier one when it
    # was opened.
    assert sum(2 * n <= row_length for n in used) <= 1


def test_what_fits_exactly_is_packed_exactly():
    rows, _ = pack(np.array([3, 5, 7, 1, 8]), 8)
    assert rows.max() == 2


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 4), st.integers(1, 3))
def test_row_counts_waste_least(needed, most, multiple):
    needed = np.array(needed)
    counts = row_counts(needed, most, multiple)
    assert (
        len(counts) <= most
        and list(counts) == sorted(set(counts))
        and all(n % multiple == 0 for n in counts)
    )

    def rows(counts):
        return sum(min(n for n in counts if n >= k) for k in needed)

    sizes = sorted({-(-int(n) // multiple) * multiple for n in needed})
    assert rows(counts) == min(
        rows(some)
        for k in range(1, most + 1)
        for some in itertools.combinations(sizes, min(k, len(sizes)))
        if some[-1] == sizes[-1]
    )


def test_one_count_is_enough_for_all():
    assert row_counts(np.array([3, 5, 2]), 1, 4) == (8,)
