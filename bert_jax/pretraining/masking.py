"""BERT's masking: which tokens are predicted and what replaces them, a batch at a time in numpy."""

import numpy as np

from bert_jax.batching import randomness
from bert_jax.config import MaskingConfig
from bert_jax.pretraining import MASKING_SCHEMES
from bert_jax.pretraining.rows import Rows


def mask_tokens(
    input_ids: np.ndarray,
    maskable: np.ndarray,
    tokens: np.ndarray,
    keys: np.ndarray,
    masking: MaskingConfig,
    *,
    mask_id: int,
    vocab_size: int,
    words: np.ndarray | None = None,
    rate: float | None = None,
) -> dict[str, np.ndarray]:
    """Chooses the tokens to predict and replaces them (Devlin et al., 2018, appendix A.1).

    A row of n tokens gets `min(max_predictions, max(1, round(rate * n)))` predictions; special
    tokens count in n but are never chosen, as in Google's code. With draw='independent' each token
    or word is chosen with probability `rate`, independently of the others, as in Hugging Face's
    collator; a row may then have no prediction.

    Args:
        input_ids: int32 `[rows, length]`.
        maskable: bool `[rows, length]`, false at special tokens and padding.
        tokens: `[rows]`, number of tokens of each row, special tokens included.
        keys: uint64 `[rows]`, the randomness of each row.
        masking: the recipe's section.
        mask_id, vocab_size: of the vocabulary.
        words: int `[rows, length]`, number of the word that each token is part of, increasing
            along the row; only for schemes that need words.
        rate: masking rate, if not the section's.

    Returns:
        `input_ids` with the replacements, and `masked_positions`, `masked_ids` (int32) and
        `masked_weights` (float32: 1, or 0 for unused places, whose position and id are 0), all
        `[rows, max_predictions]`, positions increasing.
    """
    count, length = input_ids.shape
    across = np.arange(count)[:, None]
    rate, most = rate or masking.rate, masking.max_predictions
    wanted = np.clip(np.rint(rate * tokens).astype(np.int64), 1, most)
    independent = rate if masking.draw == "independent" else None
    rows = Rows(maskable, keys, wanted, independent, most, words)
    chosen, groups = MASKING_SCHEMES[masking.scheme].choose(rows, masking.options)
    weights = chosen < length
    positions = np.where(weights, chosen, 0)

    masked_ids = np.where(weights, input_ids[across, positions], 0)
    if groups is not None:
        groups = np.maximum(groups[across, positions], 0)
    replacements = _replacements(masked_ids, positions, groups, keys, masking, mask_id, vocab_size)
    replaced = input_ids.copy()
    replaced[np.nonzero(weights)[0], positions[weights]] = replacements[weights]
    return dict(
        input_ids=replaced,
        masked_positions=positions.astype(np.int32),
        masked_ids=masked_ids.astype(np.int32),
        masked_weights=weights.astype(np.float32),
    )


def _replacements(
    masked_ids: np.ndarray,
    positions: np.ndarray,
    groups: np.ndarray | None,
    keys: np.ndarray,
    masking: MaskingConfig,
    mask_id: int,
    vocab_size: int,
) -> np.ndarray:
    """Returns what stands in place of each predicted token, `[rows, predictions]`: [MASK], a random
    token or itself. Tokens of one group, such as a span, share the draw between these three."""
    keys = randomness.bits(keys, 1)[:, None]
    draws = randomness.bits(keys, positions)
    share = randomness.uniform(draws if groups is None else randomness.bits(keys, groups))
    anything = randomness.below(randomness.bits(draws, 0), vocab_size).astype(masked_ids.dtype)
    at_random = share < masking.mask_share + masking.random_share
    kept_or_random = np.where(at_random, anything, masked_ids)
    return np.where(share < masking.mask_share, mask_id, kept_or_random)


def rate_at(step: int, steps: int, first: float, last: float) -> float:
    """Returns the masking rate at a step, linear from `first` to `last` at the end of the run; a
    `last` of 0 keeps `first`."""
    return first + (last - first) * step / steps if last else first
