"""Google's Adam for BERT."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


class BertAdamState(NamedTuple):
    """First and second moments, shaped like the parameters."""

    mu: optax.Updates
    nu: optax.Updates


def scale_by_bert_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Adam (Kingma and Ba, 2014) without bias correction, as `AdamWeightDecayOptimizer` in Google's code.

    Without the correction early updates are larger than Adam's: under a steady gradient 3.2 times as large at the
    first step, 6.6 at the twelfth, 1.3 at the thousandth. Epsilon is added to the root of the second moment as it is.
    """

    def init(params):
        return BertAdamState(jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params))

    def update(gradients, state, params=None):
        del params
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, gradients)
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * jnp.square(g), state.nu, gradients)
        return jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), mu, nu), BertAdamState(mu, nu)

    return optax.GradientTransformation(init, update)
