"""Which tokens are predicted, and what stands in their place: BERT's masking, a batch at a time in numpy."""

import numpy as np

from bert_jax.data import randomness
from bert_jax.data.spans import choose_spans


def mask_tokens(
    input_ids: np.ndarray,
    maskable: np.ndarray,
    tokens: np.ndarray,
    keys: np.ndarray,
    *,
    rate: float,
    max_predictions: int,
    independent: bool = False,
    mask_share: float,
    random_share: float,
    mask_id: int,
    vocab_size: int,
    words: np.ndarray | None = None,
    spans: tuple[float, int] | None = None,
) -> dict[str, np.ndarray]:
    """Chooses the tokens to predict and hides them (Devlin et al., 2018, appendix A.1).

    A row of n tokens gets `min(max_predictions, max(1, round(rate * n)))` predictions, special tokens counted
    in n but never chosen, as in Google's code. If `independent`, each token or word that may be chosen is, with
    probability `rate` and without regard to the others, as in Hugging Face's collator; a row may then have none.

    Args:
        input_ids: int32 `[rows, length]`.
        maskable: bool `[rows, length]`, false at special tokens and padding.
        tokens: `[rows]`, tokens of each row, special tokens included.
        keys: uint64 `[rows]`, the randomness of each row.
        words: int `[rows, length]`, the number of the word that a token is part of, rising along the row; given
            for whole-word masking. Words are then taken in random order and one that would exceed the number of
            predictions is passed over, so that there may be fewer.
        spans: parameter and longest length of SpanBERT's spans, in words, which have to be given; what replaces a
            token is then drawn span by span. Not with `independent`.
        rate, max_predictions, independent: see above.
        mask_share, random_share: shares of predicted tokens replaced by [MASK] and by any token of the
            vocabulary; the rest stays as it is.
        mask_id, vocab_size: of the vocabulary.

    Returns:
        `input_ids` with the replacements, and `masked_positions`, `masked_ids` (int32), `masked_weights`
        (float32: 1, or 0 for the unused places, whose position and id are 0), all `[rows, max_predictions]`,
        positions rising.
    """
    rows, length = input_ids.shape
    across = np.arange(rows)[:, None]
    wanted = np.clip(np.rint(rate * tokens).astype(np.int64), 1, max_predictions)
    if spans:
        span_of = choose_spans(keys, maskable, words, wanted, *spans)
        chosen = _rising(np.where(span_of >= 0, np.arange(length), length), max_predictions, length)
    else:
        sizes = maskable if words is None else _word_sizes(maskable, words)
        rank, low_bits = _random_ranks(sizes > 0, keys)
        if independent:
            # What is drawn has the lowest ranks, so that it is just what is chosen when as many are wanted.
            wanted = np.minimum(np.where(rank < np.uint64(rate * 2.0**64), sizes, 0).sum(axis=1), max_predictions)
        chosen = (_choose_tokens(rank, low_bits, wanted, max_predictions) if words is None else
                  _choose_words(rank, low_bits, wanted, max_predictions, sizes, maskable, words))
    weights = chosen < length
    positions = np.where(weights, chosen, 0)

    masked_ids = np.where(weights, input_ids[across, positions], 0)
    replacement_keys = randomness.bits(keys, 1)[:, None]
    draws = randomness.bits(replacement_keys, positions)
    share = randomness.uniform(randomness.bits(replacement_keys, np.maximum(span_of[across, positions], 0))
                               if spans else draws)
    anything = randomness.below(randomness.bits(draws, 0), vocab_size).astype(input_ids.dtype)
    hidden = np.where(share < mask_share, mask_id, np.where(share < mask_share + random_share, anything, masked_ids))

    replaced = input_ids.copy()
    replaced[np.nonzero(weights)[0], positions[weights]] = hidden[weights]
    return dict(
        input_ids=replaced,
        masked_positions=positions.astype(np.int32),
        masked_ids=masked_ids.astype(np.int32),
        masked_weights=weights.astype(np.float32),
    )


def rate_at(step: int, steps: int, first: float, last: float) -> float:
    """The masking rate at a step: on the line from `first` to `last` at the end of the run; `last` of 0 for none."""
    return first + (last - first) * step / steps if last else first


def _word_sizes(maskable, words) -> np.ndarray:
    """int64 `[rows, length]`: of each word by its number, how many of its tokens may be chosen."""
    rows, length = maskable.shape
    # What is no part of a word is counted in a column of its own, which is then dropped.
    number = np.arange(rows)[:, None] * (length + 1) + np.where(maskable, words, length)
    return np.bincount(number.ravel(), minlength=rows * (length + 1)).reshape(rows, length + 1)[:, :length]


def _choose_tokens(rank, low_bits, wanted, most) -> np.ndarray:
    """int64 `[rows, most]`: positions of the chosen tokens, rising; `length` or more where there is none."""
    length = rank.shape[1]
    few = min(most, length)
    positions = (np.sort(np.partition(rank, few - 1, axis=1)[:, :few], axis=1) & low_bits).astype(np.int64)
    return _rising(np.where(np.arange(few) < wanted[:, None], positions, length), most, length)


def _choose_words(rank, low_bits, wanted, most, sizes, maskable, words) -> np.ndarray:
    """As `_choose_tokens`, by whole words."""
    rows, length = maskable.shape
    across = np.arange(rows)
    sizes = np.pad(sizes, ((0, 0), (0, 1)))  # where there is no word the order says `length`
    order = np.minimum(np.sort(rank, axis=1) & low_bits, np.uint64(length)).astype(np.int64)
    taken = np.zeros((rows, length), bool)
    count = np.zeros(rows, np.int64)
    for word in order.T:
        size = sizes[across, word]
        take = (size > 0) & (count + size <= wanted)
        taken[across[take], word[take]] = True
        count += np.where(take, size, 0)
        if np.all((count >= wanted) | (size == 0)):
            break
    chosen = maskable & taken[across[:, None], words]
    return _rising(np.where(chosen, np.arange(length), length), most, length)


def _random_ranks(present, keys) -> tuple[np.ndarray, np.uint64]:
    """uint64 `[rows, length]`: random ranks, the highest where nothing is present.

    A rank's low bits hold its column, so that sorting ranks sorts columns along: the second value cuts them
    out again, and gives `length` or more where nothing is present.
    """
    length = present.shape[1]
    low_bits = (np.uint64(1) << np.uint64(length.bit_length())) - np.uint64(1)
    rank = randomness.bits(randomness.bits(keys, 0)[:, None], np.arange(length))
    rank &= ~low_bits
    rank |= np.arange(length, dtype=np.uint64)
    np.copyto(rank, np.iinfo(np.uint64).max, where=~present)
    return rank, low_bits


def _rising(positions, most, length) -> np.ndarray:
    """The positions of each row sorted, cut or filled with `length` to `most` of them."""
    positions = np.sort(positions, axis=1)[:, :most]
    filled = np.full((len(positions), most), length, np.int64)
    filled[:, :positions.shape[1]] = positions
    return filled
