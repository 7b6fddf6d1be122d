import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bert_jax.batching import randomness

LIKELY = 1e-4  # a sound generator falls below this once in ten thousand; the seeds are fixed
PURPOSES = ["instances", "truncation", "masks", "order"]
N = 100_000
KEY = randomness.key(0, "masks")

counters = st.integers(0, 2**40)


def assert_uniform(bits):
    share = randomness.uniform(bits.ravel())
    assert share.min() >= 0 and share.max() < 1
    assert stats.kstest(share, "uniform").pvalue > LIKELY
    # Low bits too: masks and coins are taken from them.
    low = np.bincount((bits.ravel() & np.uint64(255)).astype(int), minlength=256)
    assert stats.chisquare(low).pvalue > LIKELY


@pytest.mark.parametrize("seed", [0, 1, 2**63])
@pytest.mark.parametrize("purpose", PURPOSES)
def test_bits_are_uniform_in_every_counter(seed, purpose):
    key = randomness.key(seed, purpose)
    assert_uniform(randomness.bits(key, np.arange(N)))
    assert_uniform(randomness.bits(key, np.arange(N), 0))
    assert_uniform(randomness.bits(key, 3, np.arange(N) << 20))
    assert_uniform(randomness.bits(key, np.arange(300)[:, None], np.arange(300)))


def test_every_bit_is_fair():
    bits = randomness.bits(randomness.key(0, "masks"), np.arange(N))
    ones = ((bits[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).sum(axis=0)
    assert all(stats.binomtest(int(n), N, 0.5).pvalue > LIKELY for n in ones)


@pytest.mark.parametrize("step", [1, 2, 64, 1 << 32])
def test_neighbouring_counters_are_independent(step):
    key = randomness.key(0, "order")
    first, second = (randomness.bits(key, np.arange(N) + shift) for shift in (0, step))
    flipped = np.bitwise_count(first ^ second)
    assert abs(flipped.mean() - 32) < 4 * 4 / N**0.5  # 64 fair coins: mean 32, deviation 4
    assert abs(flipped.std() - 4) < 0.05
    grid = np.histogram2d(randomness.uniform(first), randomness.uniform(second), bins=16)[0]
    assert stats.chisquare(grid.ravel()).pvalue > LIKELY


@pytest.mark.parametrize(
    "one, other",
    [
        (
            lambda n: randomness.bits(KEY, n),
            lambda n: randomness.bits(randomness.key(1, "masks"), n),
        ),
        (
            lambda n: randomness.bits(KEY, n),
            lambda n: randomness.bits(randomness.key(0, "order"), n),
        ),
        (lambda n: randomness.bits(KEY, n, 0), lambda n: randomness.bits(KEY, n, 1)),
        (lambda n: randomness.bits(KEY, n, 7), lambda n: randomness.bits(KEY, 7, n)),
    ],
    ids=["seeds", "purposes", "last counters", "order of counters"],
)
def test_other_arguments_give_independent_bits(one, other):
    first, second = one(np.arange(N)), other(np.arange(N))
    assert np.sum(first == second) <= 1  # counters may coincide once: n = 7
    assert abs(np.bitwise_count(first ^ second).mean() - 32) < 4 * 4 / N**0.5


@given(counters, counters)
def test_bits_chain(a, b):
    key = randomness.key(5, "chain")
    assert randomness.bits(randomness.bits(key, a), b) == randomness.bits(key, a, b)


@given(st.lists(counters, min_size=1), counters)
def test_bits_of_arrays_are_those_of_their_elements(many, one):
    key = randomness.key(5, "arrays")
    assert list(randomness.bits(key, one, np.array(many))) == [
        randomness.bits(key, one, n) for n in many
    ]


def test_bits_stay_as_they_are():
    # A change here changes every batch of every run: no run could be resumed or repeated.
    assert randomness.key(0, "masks") == 17141464363117390965
    assert list(randomness.bits(KEY, 1, np.arange(3))) == [
        4026624135377694198,
        12327162151593880930,
        15846572884351992761,
    ]
    assert list(randomness.permutation(randomness.key(1, "order"), 10)) == [
        2,
        8,
        9,
        3,
        6,
        4,
        5,
        0,
        7,
        1,
    ]
    assert list(
        randomness.heads(
            randomness.bits(randomness.key(2, "cut"), np.arange(6)),
            np.array([0, 1, 10, 64, 65, 500]),
        )
    ) == [0, 0, 3, 31, 33, 247]


def test_extreme_bits_stay_within_bounds():
    ends = np.array([0, 2**64 - 1], np.uint64)
    assert list(randomness.uniform(ends)) == [0, 1 - 2**-53]
    for n in [1, 2, 3, 30522, 2**31 + 1, 2**52 + 1]:
        assert list(randomness.below(ends, n)) == [0, n - 1]


@pytest.mark.parametrize("n", [2, 3, 7, 1000])
def test_below_is_uniform(n):
    drawn = randomness.below(randomness.bits(randomness.key(n, "below"), np.arange(N)), n)
    assert drawn.dtype == np.int64
    assert stats.chisquare(np.bincount(drawn, minlength=n)).pvalue > LIKELY


@pytest.mark.parametrize("tosses", [1, 2, 31, 63, 64, 65, 127, 128, 200, 1000])
def test_heads_are_binomial(tosses):
    n = 20_000
    keys = randomness.bits(randomness.key(tosses, "coins"), np.arange(n))
    drawn = randomness.heads(keys, np.full(n, tosses))
    assert drawn.min() >= 0 and drawn.max() <= tosses
    # Bins of the binomial of about equal probability.
    edges = np.unique(stats.binom.ppf(np.linspace(0, 1, 13)[1:-1], tosses, 0.5))
    expected = np.diff([0, *stats.binom.cdf(edges, tosses, 0.5), 1]) * n
    found = np.bincount(np.searchsorted(edges, drawn), minlength=len(expected))
    keep = expected > 0.5
    assert stats.chisquare(found[keep], expected[keep]).pvalue > LIKELY


def test_heads_of_an_element_do_not_depend_on_the_others():
    keys = randomness.bits(randomness.key(0, "coins"), np.arange(1000))
    tosses = np.arange(1000) % 300
    together = randomness.heads(keys, tosses)
    assert np.array_equal(together[:7], randomness.heads(keys[:7], tosses[:7]))
    assert together[0] == 0 and randomness.heads(keys[:0], tosses[:0]).shape == (0,)


def test_permutation():
    orders = np.array(
        [
            randomness.permutation(randomness.bits(randomness.key(0, "order"), epoch), 20)
            for epoch in range(4000)
        ]
    )
    assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(20), (4000, 1)))
    for place in range(20):
        assert stats.chisquare(np.bincount(orders[:, place], minlength=20)).pvalue > LIKELY
    pairs = np.bincount(orders[:, 3] * 20 + orders[:, 4], minlength=400)[
        ~np.eye(20, dtype=bool).ravel()
    ]
    assert stats.chisquare(pairs).pvalue > LIKELY
