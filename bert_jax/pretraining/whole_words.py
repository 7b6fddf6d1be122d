"""Masking of whole words, as in Google's code since 2019."""

import numpy as np

from bert_jax.config import Options
from bert_jax.pretraining.rows import Choice, Rows, number_to_choose, random_ranks, rising

OPTIONS = Options
NEEDS_WORDS = True


def choose(rows: Rows, options: Options) -> Choice:
    """Chooses words in random order, passing over each that would exceed the number of tokens
    that are wanted, so that there may be fewer."""
    maskable, words = rows.maskable, rows.words
    assert words is not None  # NEEDS_WORDS
    sizes = _word_sizes(maskable, words)
    rank, low_bits = random_ranks(sizes > 0, rows.keys)
    wanted = number_to_choose(rows, rank, sizes)
    count, length = maskable.shape
    across = np.arange(count)
    sizes = np.pad(sizes, ((0, 0), (0, 1)))  # where there is no word the order is `length`
    order = np.minimum(np.sort(rank, axis=1) & low_bits, np.uint64(length)).astype(np.int64)
    taken = np.zeros((count, length), bool)
    tokens = np.zeros(count, np.int64)
    for word in order.T:
        size = sizes[across, word]
        take = (size > 0) & (tokens + size <= wanted)
        taken[across[take], word[take]] = True
        tokens += np.where(take, size, 0)
        if np.all((tokens >= wanted) | (size == 0)):
            break
    chosen = maskable & taken[across[:, None], words]
    positions = np.where(chosen, np.arange(length), length)
    return Choice(rising(positions, rows.max_predictions, length))


def _word_sizes(maskable: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Returns int64 `[rows, length]`: the number of maskable tokens of each word, by its number."""
    rows, length = maskable.shape
    # Tokens that are no part of a word are counted in a column of their own, which is dropped.
    number = np.arange(rows)[:, None] * (length + 1) + np.where(maskable, words, length)
    sizes = np.bincount(number.ravel(), minlength=rows * (length + 1))
    return sizes.reshape(rows, length + 1)[:, :length]
