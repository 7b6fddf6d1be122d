"""Masking of spans of words (Joshi et al., 2020, "SpanBERT"), a batch at a time in numpy."""

from dataclasses import dataclass

import numpy as np

from bert_jax.batching import randomness
from bert_jax.config import Config, Options, key, out_of_range
from bert_jax.pretraining.rows import Choice, Rows, rising


@dataclass(frozen=True)
class SpanOptions(Options):
    p: float = key(
        0.2, "Parameter of the geometric distribution of span lengths, in words", above=0, below=1
    )
    longest: int = key(10, "Maximum length of a span, in words", at_least=1)

    def check(self, config: Config) -> None:
        draw = config.masking.draw
        if draw != "exact":
            raise out_of_range("masking.draw", draw, "'exact' with masking.scheme='spans'")


OPTIONS: type[Options] = SpanOptions
NEEDS_WORDS = True


def choose(rows: Rows, options: SpanOptions) -> Choice:
    """Chooses spans; what replaces a token is drawn once per span."""
    assert rows.words is not None  # NEEDS_WORDS
    span_of = choose_spans(
        rows.keys, rows.maskable, rows.words, rows.wanted, options.p, options.longest
    )
    length = span_of.shape[1]
    positions = np.where(span_of >= 0, np.arange(length), length)
    return Choice(rising(positions, rows.max_predictions, length), span_of)


def span_lengths(uniform: np.ndarray, p: float, longest: int) -> np.ndarray:
    """Returns int64 geometric lengths from 1 to `longest`: the probability of k is proportional to
    `p (1 - p)^(k - 1)`.

    Args:
        uniform: float64 in [0, 1), of any shape.
        p, longest: 0.2 and 10 in SpanBERT (Joshi et al., 2020, section 3.1), with a mean of 3.8.
    """
    within = 1 - (1 - p) ** longest
    return np.minimum(
        1 + np.floor(np.log1p(-uniform * within) / np.log1p(-p)).astype(np.int64), longest
    )


def choose_spans(
    keys: np.ndarray,
    maskable: np.ndarray,
    words: np.ndarray,
    wanted: np.ndarray,
    p: float,
    longest: int,
) -> np.ndarray:
    """Chooses spans of whole words until there are as many tokens as wanted; the last span is cut
    to that number.

    A span begins with the word of a token that is drawn from all maskable ones; the draw is
    repeated if that token is chosen already. Spans end at special tokens, and tokens of an earlier
    span stay part of that one.

    Args:
        keys: uint64 `[rows]`, the randomness of each row.
        maskable: bool `[rows, length]`.
        words: int `[rows, length]`, number of each token's word, increasing along the row.
        wanted: int `[rows]`, number of tokens to choose; all if fewer are maskable.
        p, longest: of the lengths, in words.

    Returns:
        int64 `[rows, length]`: the position where the span of each chosen token begins, and -1 for
        other tokens.
    """
    rows, length = maskable.shape
    present = maskable.sum(axis=1)
    wanted = np.minimum(wanted, present)
    places = np.argsort(~maskable, axis=1, kind="stable")  # maskable tokens first, in order
    stretch = np.cumsum(~maskable, axis=1)
    span_of = np.full((rows, length), -1, np.int64)
    left, turn = wanted.copy(), 0
    while (row := np.flatnonzero(left)).size:
        draws = randomness.bits(keys[row], 2, turn)
        start = places[row, randomness.below(randomness.bits(draws, 0), present[row])]
        words_long = span_lengths(randomness.uniform(randomness.bits(draws, 1)), p, longest)
        fresh = span_of[row, start] < 0
        row, start, words_long = row[fresh], start[fresh], words_long[fresh]
        past = words[row] - words[row, start][:, None]
        inside = (
            (past >= 0)
            & (past < words_long[:, None])
            & maskable[row]
            & (stretch[row] == stretch[row, start][:, None])
            & (span_of[row] < 0)
        )
        inside &= np.cumsum(inside, axis=1) <= left[row][:, None]
        span_of[row] = np.where(inside, np.argmax(inside, axis=1)[:, None], span_of[row])
        left[row] -= inside.sum(axis=1)
        turn += 1
    return span_of
