"""Classification of words, at the first piece of each (Devlin et al., 2018, section 5.3)."""

import jax

from bert_jax.objectives.terms import Terms, choice

HEAD = "tag"


def weight(batch: dict) -> jax.Array:
    """Words in the batch."""
    return batch["label_weights"].sum()


def terms(logits: jax.Array, batch: dict) -> Terms:
    """Sums over the words; `logits` `[rows, length, classes]`."""
    return choice(logits, batch["labels"], batch["label_weights"])
