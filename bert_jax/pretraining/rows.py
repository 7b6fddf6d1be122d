"""Rows of a batch as masking schemes see them, and random choices that the schemes share."""

from typing import NamedTuple

import numpy as np

from bert_jax.batching import randomness


class Rows(NamedTuple):
    """Rows of a batch among whose tokens a scheme chooses those to predict.

    Attributes:
        maskable: bool `[rows, length]`, false at special tokens and padding.
        keys: uint64 `[rows]`, the randomness of each row.
        wanted: int64 `[rows]`, number of tokens to choose in each row.
        rate: probability with which each token, or word, is chosen independently of the others;
            None to choose exactly as many as wanted.
        max_predictions: maximum number of tokens of a row.
        words: int `[rows, length]`, number of the word that each token is part of, increasing
            along the row; None for schemes that do not need words.
    """

    maskable: np.ndarray
    keys: np.ndarray
    wanted: np.ndarray
    rate: float | None
    max_predictions: int
    words: np.ndarray | None = None


class Choice(NamedTuple):
    """Tokens that a scheme chose.

    Attributes:
        positions: int64 `[rows, max_predictions]`, increasing; `length` where there is none.
        groups: int64 `[rows, length]`; tokens of a row with the same number are replaced alike.
            None if each is replaced by a draw of its own.
    """

    positions: np.ndarray
    groups: np.ndarray | None = None


def random_ranks(present: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.uint64]:
    """Returns random ranks, uint64 `[rows, length]`, the highest where nothing is present.

    A rank's low bits are its column, so that sorting ranks sorts columns along. The second value
    is the mask of these bits, which gives `length` or more where nothing is present.
    """
    length = present.shape[1]
    low_bits = (np.uint64(1) << np.uint64(length.bit_length())) - np.uint64(1)
    rank = randomness.bits(randomness.bits(keys, 0)[:, None], np.arange(length))
    rank &= ~low_bits
    rank |= np.arange(length, dtype=np.uint64)
    np.copyto(rank, np.iinfo(np.uint64).max, where=~present)
    return rank, low_bits


def number_to_choose(rows: Rows, rank: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns int64 `[rows]`, the number of tokens to choose.

    Args:
        rows: the rows.
        rank: of each token or word, as `random_ranks` gives it.
        sizes: number of maskable tokens of each token (1 or 0) or word.
    """
    if rows.rate is None:
        return rows.wanted
    # Independent draws choose the lowest ranks, that is, exactly those that are chosen if as many
    # are wanted.
    drawn = rank < np.uint64(rows.rate * 2.0**64)
    return np.minimum(np.where(drawn, sizes, 0).sum(axis=1), rows.max_predictions)


def rising(positions: np.ndarray, most: int, length: int) -> np.ndarray:
    """Returns the positions of each row sorted, cut or filled with `length` to `most` of them."""
    positions = np.sort(positions, axis=1)[:, :most]
    filled = np.full((len(positions), most), length, np.int64)
    filled[:, : positions.shape[1]] = positions
    return filled
