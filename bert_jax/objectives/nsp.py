"""Next-sentence prediction (Devlin et al., 2018, section 3.1, task 2): 0 is next, 1 is random, as
in Google's code."""

import jax

from bert_jax.objectives.terms import Terms, choice

HEAD = "nsp"


def weight(batch: dict) -> jax.Array:
    """Examples in the batch."""
    return batch["example_weights"].sum()


def terms(logits: jax.Array, batch: dict) -> Terms:
    """Sums over the examples; `logits` `[rows, examples, 2]`."""
    return choice(logits, batch["next_sentence_labels"], batch["example_weights"])
