"""Regression of examples: one number each, by its squared error, as Google's and Hugging Face's
code do STS-B."""

import jax
import jax.numpy as jnp

from bert_jax.objectives.terms import Terms

HEAD = "class"


def weight(batch: dict) -> jax.Array:
    """Examples in the batch."""
    return batch["example_weights"].sum()


def terms(logits: jax.Array, batch: dict) -> Terms:
    """Sums over the examples; `logits` `[rows, examples, 1]`."""
    return Terms(jnp.sum(jnp.square(logits[..., 0] - batch["labels"]) * batch["example_weights"]))
