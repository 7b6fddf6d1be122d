"""Several classes an example, each decided by itself: binary cross-entropy, the mean over the
classes."""

import jax
import jax.numpy as jnp

from bert_jax.objectives.terms import Terms

HEAD = "class"


def weight(batch: dict) -> jax.Array:
    """Examples in the batch."""
    return batch["example_weights"].sum()


def terms(logits: jax.Array, batch: dict) -> Terms:
    """Sums over the examples; `logits` `[rows, examples, classes]`. An example is correct if all
    its classes are."""
    labels, weights = batch["labels"], batch["example_weights"]
    # log(1 + exp(x)) - x * label, which does not overflow.
    losses = jax.nn.softplus(logits) - logits * labels
    correct = ((logits > 0) == (labels > 0)).all(axis=-1)
    return Terms(jnp.sum(losses.mean(axis=-1) * weights), jnp.sum(correct * weights))
