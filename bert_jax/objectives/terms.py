"""Weighted sums and the softmax cross-entropy, which objectives share."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Terms(NamedTuple):
    """Weighted sums over a batch, float32 scalars; `correct` is None where nothing is right or
    wrong."""

    loss: jax.Array
    correct: jax.Array | None = None


def choice(logits: jax.Array, labels: jax.Array, weights: jax.Array) -> Terms:
    """Cross-entropy, in nats, of `logits` `[..., classes]` with `labels` `[...]`, weighted and
    summed."""
    logits = logits.astype(jnp.float32)
    highest = jax.lax.stop_gradient(logits.max(axis=-1))
    log_sum = highest + jnp.log(jnp.exp(logits - highest[..., None]).sum(axis=-1))
    chosen = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    # The label is the argmax unless a class before it scores as much or one after it more: on CPUs
    # many times as fast as an argmax.
    before = jnp.arange(logits.shape[-1]) < labels[..., None]
    wins = jnp.where(before, logits >= chosen[..., None], logits > chosen[..., None])
    correct = ~wins.any(axis=-1)
    return Terms(jnp.sum((log_sum - chosen) * weights), jnp.sum(correct * weights))
