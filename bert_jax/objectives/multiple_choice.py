"""One of several texts that goes with another (Devlin et al., 2018, section 4.4): a softmax over
their scores.

The choices of a question are examples that stand together in a row, of which the first has the
question's weight.
"""

import jax

from bert_jax.objectives.terms import Terms, choice

HEAD = "choice"


def weight(batch: dict) -> jax.Array:
    """Questions in the batch."""
    return batch["example_weights"].sum()


def terms(logits: jax.Array, batch: dict) -> Terms:
    """Sums over the questions; `logits` `[rows, examples, 1]`."""
    of_questions = (*batch["labels"].shape, -1)  # [rows, questions, choices]
    weights = batch["example_weights"].reshape(of_questions)[..., 0]
    return choice(logits.reshape(of_questions), batch["labels"], weights)
