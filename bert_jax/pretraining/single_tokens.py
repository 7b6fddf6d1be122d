"""Masking of single tokens (Devlin et al., 2018, section 3.1)."""

import numpy as np

from bert_jax.config import Options
from bert_jax.pretraining.rows import Choice, Rows, number_to_choose, random_ranks, rising

OPTIONS = Options
NEEDS_WORDS = False


def choose(rows: Rows, options: Options) -> Choice:
    """Chooses tokens at random; fewer than wanted if the row has fewer."""
    rank, low_bits = random_ranks(rows.maskable, rows.keys)
    wanted = number_to_choose(rows, rank, rows.maskable)
    length = rank.shape[1]
    few = min(rows.max_predictions, length)
    lowest = np.sort(np.partition(rank, few - 1, axis=1)[:, :few], axis=1)
    positions = (lowest & low_bits).astype(np.int64)
    chosen = np.where(np.arange(few) < wanted[:, None], positions, length)
    return Choice(rising(chosen, rows.max_predictions, length))
