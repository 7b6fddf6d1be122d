"""Google's Adam for BERT."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from bert_jax.config import OptimizerConfig, Options
from bert_jax.optim.masks import add_weight_decay

OPTIONS = Options


def transforms(
    config: OptimizerConfig, options: Options
) -> tuple[optax.GradientTransformation, ...]:
    """Returns Adam without bias correction, and decoupled weight decay."""
    return scale_by_bert_adam(config.b1, config.b2, config.epsilon), add_weight_decay(config)


class BertAdamState(NamedTuple):
    """First and second moments, shaped like the parameters."""

    mu: optax.Updates
    nu: optax.Updates


def scale_by_bert_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Adam (Kingma and Ba, 2014) without bias correction: `AdamWeightDecayOptimizer` in Google's
    code.

    Without the correction early updates are larger than Adam's: under a steady gradient 3.2 times
    as large at the first step, 6.6 at the twelfth, 1.3 at the thousandth.

    Args:
        b1, b2: decay rates of the moments.
        eps: added to the square root of the second moment.
    """

    def init(params: optax.Params) -> BertAdamState:
        return BertAdamState(
            jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)
        )

    def update(
        gradients: optax.Updates, state: BertAdamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, BertAdamState]:
        del params
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, gradients)
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * jnp.square(g), state.nu, gradients)
        return jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), mu, nu), BertAdamState(mu, nu)

    return optax.GradientTransformation(init, update)
