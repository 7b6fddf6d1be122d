import math

from hypothesis import given
from hypothesis import strategies as st

from bert_jax.training.stopping import EarlyStopping


def test_it_waits_as_long_as_it_was_told():
    early = EarlyStopping(2, [(1, 0.5)])
    early.add(2, 0.5)
    assert not early.exhausted
    early.add(3, 0.6)
    early.add(4, math.nan)
    assert not early.exhausted
    early.add(5, 0.1)
    assert early.exhausted and early.best_step == 3


def test_a_number_is_better_than_none():
    assert EarlyStopping(1, [(1, math.nan), (2, -5.0)]).best_step == 2
    assert EarlyStopping(1, [(1, math.nan), (2, math.nan)]).best_step == 1


@given(st.lists(st.integers(0, 3), min_size=1), st.integers(0, 4))
def test_the_best_is_the_first_of_the_highest(scores, patience):
    early = EarlyStopping(patience, list(enumerate(scores)))
    assert early.best_step == scores.index(max(scores))
    assert early.exhausted == (0 < patience <= len(scores) - 1 - early.best_step)
