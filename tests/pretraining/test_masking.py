import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks import google_procedure
from bert_jax.batching import randomness
from bert_jax.config import MaskingConfig
from bert_jax.pretraining.masking import mask_tokens

PAD, CLS, SEP, MASK, VOCAB = 0, 1, 2, 3, 50
FIRST_CONTINUATION = 35  # ids from here on go on with a word
DEFAULTS = dict(rate=0.15, max_predictions=20, mask_share=0.8, random_share=0.1)
LIKELY = 1e-4  # sound code falls below this once in ten thousand; the seeds are fixed


def keys(rows: int, seed: int = 0) -> np.ndarray:
    return randomness.bits(randomness.key(seed, "masks"), 0, np.arange(rows))


def rows_of(segments: list[tuple[list[int], list[int]]], length: int):
    """`input_ids`, `maskable`, `tokens` and `words` of [CLS] A [SEP] B [SEP] and padding."""
    ids = np.full((len(segments), length), PAD, np.int32)
    for row, (a, b) in zip(ids, segments, strict=True):
        tokens = [CLS, *a, SEP, *b, SEP]
        row[: len(tokens)] = tokens
    words = np.cumsum(ids < FIRST_CONTINUATION, axis=1) - 1
    return ids, ids > MASK, (ids != PAD).sum(axis=1), words


def some_rows(rows: int, length: int = 64, seed: int = 0):
    """Rows of any length, some of them of two words; every segment begins with a whole word."""
    draw = random.Random(seed)

    def segment(most):
        return [
            draw.randrange(MASK + 1, FIRST_CONTINUATION),
            *(draw.randrange(MASK + 1, VOCAB) for _ in range(draw.randint(0, most - 1))),
        ]

    return rows_of(
        [(segment((length - 3) // 2), segment((length - 3) // 2)) for _ in range(rows)], length
    )


def masked(rows, row_keys, whole_word=False, **arguments):
    ids, maskable, tokens, words = rows
    return mask_tokens(
        ids,
        maskable,
        tokens,
        row_keys,
        MaskingConfig(scheme="whole_words" if whole_word else "tokens", **DEFAULTS | arguments),
        mask_id=MASK,
        vocab_size=VOCAB,
        words=words if whole_word else None,
    )


def wanted(tokens: int, rate: float, max_predictions: int) -> int:
    return min(max_predictions, max(1, round(int(tokens) * rate)))


@given(
    st.integers(0, 10**6),
    st.integers(5, 70),
    st.sampled_from([0.01, 0.15, 0.5, 0.99]),
    st.integers(1, 80),
    st.booleans(),
)
@settings(deadline=None)
def test_predictions_are_what_they_say(seed, length, rate, most, whole_word):
    rows = some_rows(5, length, seed)
    ids, maskable, tokens, words = rows
    batch = masked(rows, keys(5, seed), whole_word, rate=rate, max_predictions=most)
    positions, labels, weights = (
        batch[f"masked_{name}"] for name in ("positions", "ids", "weights")
    )
    assert positions.shape == labels.shape == weights.shape == (5, most)
    assert batch["input_ids"].dtype == positions.dtype == labels.dtype == np.int32
    assert weights.dtype == np.float32
    assert set(np.unique(weights)) <= {0, 1}
    for i in range(5):
        count = int(weights[i].sum())
        assert np.all(weights[i, :count] == 1)
        assert not positions[i, count:].any() and not labels[i, count:].any()
        chosen = positions[i, :count]
        assert np.all(np.diff(chosen) > 0) and np.all(maskable[i, chosen])
        assert labels[i, :count].tolist() == ids[i, chosen].tolist()
        untouched = np.delete(np.arange(length), chosen)
        assert np.array_equal(batch["input_ids"][i, untouched], ids[i, untouched])
        if whole_word:
            assert count <= wanted(tokens[i], rate, most)
            hidden = set(words[i, chosen])
            assert set(chosen) == set(np.flatnonzero(maskable[i] & np.isin(words[i], list(hidden))))
            left = np.bincount(words[i, maskable[i]])[
                [w for w in set(words[i, maskable[i]]) - hidden]
            ]
            assert not np.any(
                left + count <= wanted(tokens[i], rate, most)
            )  # none that fits was passed over
        else:
            assert count == min(wanted(tokens[i], rate, most), maskable[i].sum())


def test_input_is_left_as_it_was():
    rows = some_rows(20)
    before = [x.copy() for x in rows]
    masked(rows, keys(20)), masked(rows, keys(20), whole_word=True)
    assert all(np.array_equal(x, y) for x, y in zip(rows, before, strict=True))


@pytest.mark.parametrize(
    "tokens, count", [(5, 1), (9, 1), (11, 2), (30, 4), (50, 8), (128, 19), (140, 20), (512, 20)]
)
def test_the_number_is_rounded_as_python_does_and_bounded(tokens, count):
    # 30 * 0.15 is 4.5 and goes to the even side, as in Google's code.
    rows = rows_of([([4] * (tokens // 2 - 1), [5] * (tokens - tokens // 2 - 2))], 512)
    assert rows[2] == tokens and masked(rows, keys(1))["masked_weights"].sum() == count


@pytest.mark.parametrize("whole_word", [False, True])
def test_a_row_without_a_token_to_choose_has_no_prediction(whole_word):
    ids, _, tokens, words = some_rows(2)
    batch = masked((ids, np.zeros_like(ids, bool), tokens, words), keys(2), whole_word)
    assert not batch["masked_weights"].any() and np.array_equal(batch["input_ids"], ids)


@pytest.mark.parametrize("whole_word", [False, True])
def test_a_row_depends_on_its_key_alone(whole_word):
    rows, row_keys = some_rows(50), keys(50)
    whole = masked(rows, row_keys, whole_word)
    order = np.random.default_rng(0).permutation(50)[:20]
    some = masked([x[order] for x in rows], row_keys[order], whole_word)
    assert all(np.array_equal(some[name], whole[name][order]) for name in whole)
    other = masked(rows, keys(50, seed=1), whole_word)
    assert np.mean(np.all(other["masked_positions"] == whole["masked_positions"], axis=1)) < 0.2


@pytest.mark.parametrize("whole_word", [False, True])
def test_shares_of_masks_random_tokens_and_kept_tokens(whole_word):
    rows = some_rows(10_000)
    batch = masked(rows, keys(10_000), whole_word)
    real = batch["masked_weights"] > 0
    across = np.arange(10_000)[:, None]
    hidden = batch["input_ids"][across, batch["masked_positions"]][real]
    kept = hidden == batch["masked_ids"][real]
    n = real.sum()
    # A random token is the token itself, or [MASK], once in a vocabulary.
    for found, share in ((hidden == MASK, 0.8 + 0.1 / VOCAB), (kept, 0.1 + 0.1 / VOCAB)):
        assert stats.binomtest(int(found.sum()), int(n), share).pvalue > LIKELY
    # Random tokens are of the whole vocabulary, special ones included, each as often.
    replaced = hidden[~kept & (hidden != MASK)]
    special = np.bincount(replaced, minlength=VOCAB)[[PAD, CLS, SEP]]
    assert (
        stats.chisquare(
            [*special, len(replaced) - special.sum()],
            len(replaced) / (VOCAB - 2) * np.array([1, 1, 1, VOCAB - 5]),
        ).pvalue
        > LIKELY
    )


@pytest.mark.parametrize(
    "mask_share, random_share", [(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (0.5, 0.5)]
)
def test_other_shares(mask_share, random_share):
    batch = masked(some_rows(2000), keys(2000), mask_share=mask_share, random_share=random_share)
    hidden = np.take_along_axis(batch["input_ids"], batch["masked_positions"], 1)[
        batch["masked_weights"] > 0
    ]
    labels = batch["masked_ids"][batch["masked_weights"] > 0]
    assert abs(np.mean(hidden == MASK) - mask_share - random_share / VOCAB) < 0.02
    assert (
        abs(np.mean(hidden == labels) - (1 - mask_share - random_share) - random_share / VOCAB)
        < 0.02
    )


def test_every_token_of_a_row_is_as_likely_and_pairs_are_independent():
    rows = rows_of([([4] * 10, [5] * 7)] * 20_000, 24)
    batch = masked(rows, keys(20_000), max_predictions=3, rate=0.15)
    positions = batch["masked_positions"]
    maskable = np.flatnonzero(rows[1][0])
    assert stats.chisquare(np.bincount(positions.ravel(), minlength=24)[maskable]).pvalue > LIKELY
    triples = np.unique(positions, axis=0, return_counts=True)[1]
    assert len(triples) == 17 * 16 * 15 // 6 and stats.chisquare(triples).pvalue > LIKELY
    # What becomes of a token does not depend on which tokens are chosen beside it, nor on their
    # fate.
    fate = np.take_along_axis(batch["input_ids"], positions, 1) == MASK
    table = np.histogram2d(fate[:, 0], fate[:, 1], bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > LIKELY


@pytest.mark.parametrize("whole_word", [False, True])
def test_distributions_are_those_of_googles_procedure(whole_word):
    n, (ids, maskable, tokens, words) = 20_000, some_rows(1, length=40, seed=5)
    ours = masked(
        [np.repeat(x, n, axis=0) for x in (ids, maskable, tokens, words)],
        keys(n),
        whole_word,
        rate=0.3,
    )
    draw, row = random.Random(0), ids[0, : tokens[0]].tolist()
    continuations = range(FIRST_CONTINUATION, VOCAB) if whole_word else None
    theirs = [
        google_procedure.mask(
            row,
            special=(CLS, SEP),
            mask_id=MASK,
            vocab_size=VOCAB,
            draw=draw,
            continuations=continuations,
            **DEFAULTS | dict(rate=0.3),
        )
        for _ in range(n)
    ]

    def alike(one, other):
        table = np.stack([np.bincount(x, minlength=64) for x in (one, other)])
        assert stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue > LIKELY

    real = ours["masked_weights"] > 0
    alike(real.sum(axis=1), [len(positions) for _, positions, _ in theirs])
    alike(ours["masked_positions"][real], [p for _, chosen, _ in theirs for p in chosen])
    alike(
        np.take_along_axis(ours["input_ids"], ours["masked_positions"], 1)[real],
        [hidden[p] for hidden, chosen, _ in theirs for p in chosen],
    )
    # Which tokens are chosen together.
    alike(ours["masked_positions"].sum(axis=1) % 61, [sum(chosen) % 61 for _, chosen, _ in theirs])


@pytest.mark.parametrize("whole_word", [False, True])
def test_independent_draws_are_bernoulli(whole_word):
    """Hugging Face's way: each token, or word, by itself at the rate; never a special token; rows
    may have none."""
    n, (ids, maskable, tokens, words) = 20_000, some_rows(1, length=40, seed=5)
    batch = masked(
        [np.repeat(x, n, axis=0) for x in (ids, maskable, tokens, words)],
        keys(n),
        whole_word,
        rate=0.1,
        max_predictions=40,
        draw="independent",
    )
    real = batch["masked_weights"] > 0
    chosen = np.zeros((n, 40), bool)
    chosen[np.nonzero(real)[0], batch["masked_positions"][real]] = True
    assert not chosen[:, ~maskable[0]].any() and (real.sum(axis=1) == 0).any()
    units = (
        [
            np.flatnonzero(maskable[0] & (words[0] == word))
            for word in np.unique(words[0][maskable[0]])
        ]
        if whole_word
        else [[at] for at in np.flatnonzero(maskable[0])]
    )
    assert all((chosen[:, unit] == chosen[:, unit[:1]]).all() for unit in units)
    drawn = chosen[:, [unit[0] for unit in units]]
    for column in drawn.T:
        assert stats.binomtest(int(column.sum()), n, 0.1).pvalue > LIKELY
    expected = stats.binom.pmf(np.arange(len(units) + 1), len(units), 0.1) * n
    counts = np.bincount(drawn.sum(axis=1), minlength=len(units) + 1)
    often = expected > 5
    assert (
        stats.chisquare(
            [*counts[often], counts[~often].sum()], [*expected[often], expected[~often].sum()]
        ).pvalue
        > LIKELY
    )


def test_independent_draws_beyond_the_places_are_cut_at_random():
    rows = rows_of([([4] * 10, [5] * 7)] * 20_000, 24)
    batch = masked(rows, keys(20_000), max_predictions=2, rate=0.9, draw="independent")
    assert batch["masked_weights"].sum(axis=1).max() == 2
    counts = np.bincount(batch["masked_positions"][batch["masked_weights"] > 0], minlength=24)
    assert stats.chisquare(counts[np.flatnonzero(rows[1][0])]).pvalue > LIKELY
