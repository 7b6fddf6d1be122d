"""Instances with their token ids: the batch that model and objectives read.

A batch is a dict of arrays that is ready for packing: a row holds examples numbered from 1.

    input_ids, token_type_ids     int32    [rows, length]
    position_ids, segment_ids     int32    [rows, length]
    example_positions             int32    [rows, examples]      where [CLS] is
    example_weights               float32  [rows, examples]      0: no example there
    masked_positions, masked_ids  int32    [rows, predictions]
    masked_weights                float32  [rows, predictions]   0: no prediction there
    next_sentence_labels          int32    [rows, examples]      1: B is random, or stands before A

Left to right, predictions are at all tokens, of the following one.

`segment_ids` says which example of the row a token belongs to, 0 for padding; attention stays
within a number and `position_ids` restart with it. Weights, not shapes, say what counts.
"""

import numpy as np

from bert_jax.batching import Batch, randomness
from bert_jax.config import Config, MaskingConfig
from bert_jax.pretraining import MASKING_SCHEMES
from bert_jax.pretraining.instances import Instances
from bert_jax.pretraining.masking import mask_tokens
from bert_jax.text.vocabulary import Vocabulary


def predictions_of(config: Config) -> int:
    """Places for predictions in a row of a recipe's batches."""
    return (
        config.instances.length - 1 if "lm" in config.objectives else config.masking.max_predictions
    )


def masked_pairs(
    tokens: np.ndarray,
    instances: Instances,
    keys: np.ndarray,
    length: int,
    vocabulary: Vocabulary,
    masking: MaskingConfig | None,
    rate: float | None = None,
    types: bool = True,
    document_ends: np.ndarray | None = None,
) -> Batch:
    """Rows of one sentence pair each, `[CLS] A [SEP] B [SEP]` and padding, masked; without B `[CLS]
    A [SEP]`.

    Args:
        tokens: the store's token ids, `[tokens]`.
        instances: one a row.
        keys: uint64 `[rows]`, the randomness of each row's masks.
        length: tokens of a row.
        vocabulary: gives the special tokens and, for whole words, which tokens continue a word.
        masking: the recipe's section. None masks nothing: each token predicts the one that follows.
        rate: of masking, if not the recipe's.
        types: B is of type 1; otherwise all is of type 0.
        document_ends: int64, rising, where documents end in the tokens: within B a [SEP] stands
            there. None for none.

    Returns:
        A batch of `len(instances)` rows with one example a row and `masking.max_predictions`
        predictions, or `length - 1` without masking.
    """
    rows, at = np.arange(len(instances)), np.arange(length, dtype=np.int32)
    a_end = instances.a_length + 1  # where A's [SEP] stands
    b_end = a_end + np.where(
        instances.b_length > 0, instances.b_length + 1, 0
    )  # where B's stands, if there is one
    within_b = (
        None if document_ends is None else _ends_within_b(instances, a_end, document_ends, length)
    )
    if within_b is not None:
        b_end += within_b.sum(axis=1)
    after_a, present = at > a_end[:, None], at <= b_end[:, None]
    # Beside the segments it is some other token, or none and clipped: read and overwritten.
    source = np.where(
        after_a, (instances.b_start - a_end - 1)[:, None], (instances.a_start - 1)[:, None]
    )
    source += at if within_b is None else at - np.cumsum(within_b, axis=1)
    ids = np.where(present, tokens.take(source, mode="clip"), vocabulary.pad).astype(np.int32)
    ids[:, 0] = vocabulary.cls
    ids[rows, a_end] = ids[rows, b_end] = vocabulary.sep
    of_all = dict(
        token_type_ids=(after_a & present & types).astype(np.int32),
        position_ids=at * present,
        segment_ids=present.astype(np.int32),
        example_positions=np.zeros((len(rows), 1), np.int32),
        example_weights=np.ones((len(rows), 1), np.float32),
        next_sentence_labels=instances.random_next[:, None].astype(np.int32),
    )
    maskable = at < b_end[:, None]
    maskable[:, 0] = maskable[rows, a_end] = False
    if within_b is not None:
        ids[within_b] = vocabulary.sep
        maskable[within_b] = False
    if masking is None:
        return of_all | following_tokens(ids, maskable)

    words = None
    if MASKING_SCHEMES[masking.scheme].NEEDS_WORDS:
        # A segment that was cut in front may begin in the middle of a word; the rest is a word. It
        # includes the special token before it, which is not maskable and makes no difference.
        words = np.cumsum(~vocabulary.is_continuation[ids], axis=1) - 1
    return of_all | mask_tokens(
        ids,
        maskable,
        b_end + 1,
        keys,
        masking,
        mask_id=vocabulary.mask,
        vocab_size=len(vocabulary),
        words=words,
        rate=rate,
    )


def _ends_within_b(
    instances: Instances, a_end: np.ndarray, document_ends: np.ndarray, length: int
) -> np.ndarray:
    """bool `[rows, length]`: where the [SEP] of a document stands within B, before another
    document."""
    first = np.searchsorted(document_ends, instances.b_start, side="right")
    many = np.maximum(
        np.searchsorted(document_ends, instances.b_start + instances.b_length, side="left") - first,
        0,
    )
    row = np.repeat(np.arange(len(many)), many)
    number = np.arange(len(row)) - np.repeat(
        np.cumsum(many) - many, many
    )  # of the end among those of its row
    within_b = np.zeros((len(many), length), bool)
    within_b[
        row, a_end[row] + 1 + document_ends[first[row] + number] - instances.b_start[row] + number
    ] = True
    return within_b


def following_tokens(ids: np.ndarray, predictable: np.ndarray) -> Batch:
    """At each token the one that follows, as what is predicted.

    Args:
        ids: int32 `[rows, length]`.
        predictable: bool `[rows, length]`, false at special tokens and padding, which are not
            predicted.
    """
    weights = predictable[:, 1:]
    at = np.arange(ids.shape[1] - 1, dtype=np.int32)
    return dict(
        input_ids=ids,
        masked_positions=at * weights,
        masked_ids=ids[:, 1:] * weights,
        masked_weights=weights.astype(np.float32),
    )


def with_padding_rows(batch: Batch, real: np.ndarray, pad_id: int) -> Batch:
    """The rows of `batch` at the places where bool `real` `[rows]` is true, and padding rows
    elsewhere.

    A padding row has no token, no example and no prediction: zeros, and `pad_id` for token ids.
    """
    padded = {}
    for name, values in batch.items():
        full = np.full(
            (len(real), *values.shape[1:]), pad_id if name == "input_ids" else 0, values.dtype
        )
        full[real] = values
        padded[name] = full
    return padded


def mask_keys(seed: int, version: int, instances: np.ndarray) -> np.ndarray:
    """uint64 `[rows]`: the randomness of each instance's masks, a function of seed, version and
    instance."""
    return randomness.bits(randomness.key(seed, "masks"), version, instances)
