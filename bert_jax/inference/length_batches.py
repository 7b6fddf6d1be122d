"""Batches of texts of similar lengths, in few shapes, so that little is padded and little
compiled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bert_jax.batching import Batch
from bert_jax.inference.text_encoding import EncodedText

SHORTEST = 16  # tokens to which at least every text is padded


@dataclass(frozen=True)
class LengthBatch:
    """Texts that are computed at once.

    Attributes:
        numbers: int64 `[texts]`, the number of the text in each row; rows after these are padding.
        arrays: the input of the model.
    """

    numbers: np.ndarray
    arrays: Batch


def length_batches(
    encoded: Sequence[EncodedText], batch_size: int, shards: int, length: int, pad: int, mask: int
) -> Iterator[LengthBatch]:
    """Groups texts by length, the longest first: where memory is short, it fails at once.

    Args:
        encoded: the texts.
        batch_size: maximum number of texts of a batch; it is rounded up to a multiple of `shards`.
        shards: number of parts over which the mesh divides the rows of a batch.
        length: maximum number of tokens of a text.
        pad, mask: ids of [PAD] and [MASK].
    """
    batch_size = -(-batch_size // shards) * shards
    order = np.argsort([-len(text) for text in encoded], kind="stable")
    for begin in range(0, len(order), batch_size):
        numbers = order[begin : begin + batch_size]
        rows = min(padded_rows(len(numbers), shards), batch_size)
        chosen = [encoded[number] for number in numbers]
        yield LengthBatch(
            numbers, as_arrays(chosen, rows, padded_length(len(chosen[0]), length), pad, mask)
        )


def padded_length(tokens: int, most: int) -> int:
    """Returns the least of 16, 24, 32, 48, 64, 96, ... that is at least `tokens`, but no more than
    `most`."""
    size = SHORTEST
    while size < tokens:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return min(size, most)


def padded_rows(rows: int, shards: int) -> int:
    """Returns the least power of two times `shards` that is at least `rows`."""
    return shards << max(-(-rows // shards) - 1, 0).bit_length()


def as_arrays(encoded: Sequence[EncodedText], rows: int, length: int, pad: int, mask: int) -> Batch:
    """Returns the input of the model, one text a row (see `bert_jax.pretraining.batches`).

    Args:
        encoded: at most `rows` texts of at most `length` tokens each.
        rows, length: shape of the batch.
        pad, mask: ids of [PAD] and [MASK].

    Returns:
        int32 `input_ids`, `token_type_ids`, `position_ids` and `segment_ids` `[rows, length]`,
        `example_positions` `[rows, 1]`, and `masked_positions` `[rows, predictions]`, the positions
        of [MASK] in each row; rows with fewer of them end with zeros.
    """
    shape = (rows, length)
    arrays = dict(
        input_ids=np.full(shape, pad, np.int32),
        token_type_ids=np.zeros(shape, np.int32),
        position_ids=np.zeros(shape, np.int32),
        segment_ids=np.zeros(shape, np.int32),
        example_positions=np.zeros((rows, 1), np.int32),
    )
    for row, text in enumerate(encoded):
        tokens = len(text)
        arrays["input_ids"][row, :tokens] = text.input_ids
        arrays["token_type_ids"][row, :tokens] = text.token_type_ids
        arrays["position_ids"][row, :tokens] = np.arange(tokens)
        arrays["segment_ids"][row, :tokens] = 1
    masked = [np.flatnonzero(row == mask) for row in arrays["input_ids"]]
    predictions = padded_rows(max(map(len, masked), default=1), 1)
    arrays["masked_positions"] = np.zeros((rows, predictions), np.int32)
    for row, positions in enumerate(masked):
        arrays["masked_positions"][row, : len(positions)] = positions
    return arrays
