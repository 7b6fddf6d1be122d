"""Classification of examples: one class each (Devlin et al., 2018, section 4.1)."""

import jax

from bert_jax.objectives.terms import Terms, choice

HEAD = "class"


def weight(batch: dict) -> jax.Array:
    """Examples in the batch."""
    return batch["example_weights"].sum()


def terms(logits: jax.Array, batch: dict) -> Terms:
    """Sums over the examples; `logits` `[rows, examples, classes]`."""
    return choice(logits, batch["labels"], batch["example_weights"])
