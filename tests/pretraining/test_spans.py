"""Spans are SpanBERT's: geometric, of whole words, within a segment, as many tokens as wanted."""

import numpy as np
import pytest
from scipy import stats

from bert_jax.batching import randomness
from bert_jax.config import MaskingConfig
from bert_jax.pretraining.masking import mask_tokens, rate_at
from bert_jax.pretraining.spans import SpanOptions, choose_spans, span_lengths
from tests.pretraining.test_masking import DEFAULTS, LIKELY, MASK, VOCAB, keys, some_rows


def test_lengths_are_geometric_and_cut():
    lengths = span_lengths(randomness.uniform(keys(100_000)), 0.2, 10)
    expected = 0.2 * 0.8 ** np.arange(10)
    assert (
        stats.chisquare(
            np.bincount(lengths, minlength=11)[1:], 100_000 * expected / expected.sum()
        ).pvalue
        > LIKELY
    )
    assert lengths.mean() == pytest.approx(3.8, abs=0.02)  # as the paper says
    assert set(span_lengths(np.array([0.0, 1 - 2**-53]), 0.2, 10)) == {1, 10}


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5, 1.0])
def test_spans_are_whole_words_within_segments_and_as_many_as_wanted(share):
    ids, maskable, tokens, words = some_rows(200)
    wanted = np.maximum(np.rint(share * maskable.sum(axis=1)).astype(int), 1)
    span_of = choose_spans(keys(200), maskable, words, wanted, 0.2, 10)
    chosen = span_of >= 0
    np.testing.assert_array_equal(chosen.sum(axis=1), wanted)
    assert not (chosen & ~maskable).any()
    for row in range(200):
        cut = 0
        for begin in np.unique(span_of[row][chosen[row]]):
            at = np.flatnonzero(span_of[row] == begin)
            assert (
                at[0] == begin and maskable[row, at[0] : at[-1] + 1].all()
            )  # no special token within
            assert len(np.unique(words[row, at])) <= 10
            whole = np.isin(words[row], words[row, at]) & maskable[row]
            cut += not np.all(chosen[row][whole])
        assert cut <= 1  # the last one, to the number that is wanted


def test_a_row_depends_on_its_key_alone():
    _, maskable, _, words = some_rows(50)
    wanted = np.full(50, 6)
    whole = choose_spans(keys(50), maskable, words, wanted, 0.2, 10)
    order = np.random.default_rng(0).permutation(50)[:20]
    some = choose_spans(keys(50)[order], maskable[order], words[order], wanted[order], 0.2, 10)
    np.testing.assert_array_equal(some, whole[order])
    assert not np.array_equal(
        choose_spans(keys(50, seed=1), maskable, words, wanted, 0.2, 10), whole
    )


def test_a_span_is_replaced_as_one():
    ids, maskable, tokens, words = some_rows(4000)
    batch = mask_tokens(
        ids,
        maskable,
        tokens,
        keys(4000),
        MaskingConfig(
            scheme="spans",
            options=SpanOptions(),
            **DEFAULTS | dict(mask_share=0.5, random_share=0.0),
        ),
        mask_id=MASK,
        vocab_size=VOCAB,
        words=words,
    )
    wanted = np.clip(np.rint(0.15 * tokens).astype(int), 1, 20)
    np.testing.assert_array_equal(
        batch["masked_weights"].sum(axis=1), np.minimum(wanted, maskable.sum(axis=1))
    )
    span_of = choose_spans(keys(4000), maskable, words, wanted, 0.2, 10)
    hidden = batch["input_ids"] == MASK
    shares, spans = [], 0
    for row in range(4000):
        for begin in np.unique(span_of[row][span_of[row] >= 0]):
            of_span = hidden[row][span_of[row] == begin]
            assert of_span.all() or not of_span.any()
            shares.append(of_span[0])
            spans += 1
    assert stats.binomtest(int(np.sum(shares)), spans, 0.5).pvalue > LIKELY


def test_the_rate_may_change_along_the_run():
    assert [rate_at(step, 100, 0.3, 0.1) for step in (0, 50, 100)] == pytest.approx([0.3, 0.2, 0.1])
    assert rate_at(50, 100, 0.3, 0.0) == 0.3
