"""Masked language modelling (Devlin et al., 2018, section 3.1, task 1)."""

import jax

from bert_jax.objectives.terms import Terms, choice

HEAD = "mlm"


def weight(batch: dict) -> jax.Array:
    """Predictions in the batch."""
    return batch["masked_weights"].sum()


def terms(logits: jax.Array, batch: dict) -> Terms:
    """Sums over the predictions; `logits` `[rows, predictions, vocabulary]`."""
    return choice(logits, batch["masked_ids"], batch["masked_weights"])
