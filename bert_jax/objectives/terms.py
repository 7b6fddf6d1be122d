"""What objectives have in common: weighted sums, and the cross-entropy of a choice."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Terms(NamedTuple):
    """Weighted sums over a batch, float32 scalars."""

    loss: jax.Array
    correct: jax.Array


def choice(logits: jax.Array, labels: jax.Array, weights: jax.Array) -> Terms:
    """Cross-entropy, in nats, of `logits` `[..., classes]` with `labels` `[...]`, weighted and summed."""
    logits = logits.astype(jnp.float32)
    highest = jax.lax.stop_gradient(logits.max(axis=-1))
    log_sum = highest + jnp.log(jnp.exp(logits - highest[..., None]).sum(axis=-1))
    chosen = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    correct = logits.argmax(axis=-1) == labels
    return Terms(jnp.sum((log_sum - chosen) * weights), jnp.sum(correct * weights))
