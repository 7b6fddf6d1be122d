"""Spans of words to predict, as SpanBERT chooses them, a batch at a time in numpy."""

import numpy as np

from bert_jax.data import randomness


def span_lengths(uniform: np.ndarray, p: float, longest: int) -> np.ndarray:
    """int64: geometric lengths from 1 to `longest`, the probability of k being proportional to `p (1 - p)^(k - 1)`.

    Args:
        uniform: float64 in [0, 1), of any shape.
        p, longest: 0.2 and 10 in SpanBERT (Joshi et al., 2020, section 3.1), a mean of 3.8.
    """
    within = 1 - (1 - p) ** longest
    return np.minimum(1 + np.floor(np.log1p(-uniform * within) / np.log1p(-p)).astype(np.int64), longest)


def choose_spans(keys: np.ndarray, maskable: np.ndarray, words: np.ndarray, wanted: np.ndarray, p: float,
                 longest: int) -> np.ndarray:
    """Chooses spans of whole words until there are as many tokens as wanted; the last span is cut to that number.

    A span begins with the word of a token that is drawn from all that may be chosen, and again if that one is chosen
    already; it ends at special tokens, and what it shares with an earlier one stays that one's.

    Args:
        keys: uint64 `[rows]`, the randomness of each row.
        maskable: bool `[rows, length]`.
        words: int `[rows, length]`, the number of each token's word, rising along the row.
        wanted: int `[rows]`, tokens of each row; where fewer may be chosen, these are.
        p, longest: of the lengths, in words.

    Returns:
        int64 `[rows, length]`: of each chosen token the position where its span begins, and -1 of the others.
    """
    rows, length = maskable.shape
    present = maskable.sum(axis=1)
    wanted = np.minimum(wanted, present)
    places = np.argsort(~maskable, axis=1, kind="stable")  # what may be chosen comes first, in order
    stretch = np.cumsum(~maskable, axis=1)
    span_of = np.full((rows, length), -1, np.int64)
    left, turn = wanted.copy(), 0
    while (at := np.flatnonzero(left)).size:
        draws = randomness.bits(keys[at], 2, turn)
        start = places[at, randomness.below(randomness.bits(draws, 0), present[at])]
        words_long = span_lengths(randomness.uniform(randomness.bits(draws, 1)), p, longest)
        fresh = span_of[at, start] < 0
        at, start, words_long = at[fresh], start[fresh], words_long[fresh]
        past = words[at] - words[at, start][:, None]
        inside = (past >= 0) & (past < words_long[:, None]) & maskable[at] & (
            stretch[at] == stretch[at, start][:, None]) & (span_of[at] < 0)
        inside &= np.cumsum(inside, axis=1) <= left[at][:, None]
        span_of[at] = np.where(inside, np.argmax(inside, axis=1)[:, None], span_of[at])
        left[at] -= inside.sum(axis=1)
        turn += 1
    return span_of
