"""Optimisers: one file each, registered here, and what they share."""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import optax

from bert_jax.config import OptimizerConfig, Options
from bert_jax.optim import adamw, bert_adam, lamb, lion, muon
from bert_jax.optim.layerwise import scale_by_depth
from bert_jax.optim.masks import decay_mask, zero_frozen
from bert_jax.optim.schedules import warmup_schedule

__all__ = ["OPTIMIZERS", "Optimizer", "clipped", "decay_mask", "make_optimizer", "zero_frozen"]


class Optimizer(Protocol):
    """Module of an optimiser.

    Attributes:
        OPTIONS: dataclass of its own keys, `optimizer.NAME.KEY` in a recipe.
    """

    OPTIONS: type[Options]

    def transforms(
        self, config: OptimizerConfig, options: Any
    ) -> tuple[optax.GradientTransformation, ...]:
        """Returns what makes updates of gradients, weight decay included, before the learning rate
        is applied.

        Args:
            config: the section `optimizer` of a recipe.
            options: its `OPTIONS`.
        """
        ...


OPTIMIZERS: Mapping[str, Optimizer] = {
    "bert_adam": bert_adam,
    "adamw": adamw,
    "lamb": lamb,
    "lion": lion,
    "muon": muon,
}


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """Returns the optimiser of a recipe as one optax transformation; gradients are clipped before.

    Args:
        config: the section `optimizer` of a recipe.
        steps: number of steps of the run, over which the schedule extends.
    """
    parts = list(OPTIMIZERS[config.name].transforms(config, config.options))
    if config.layer_decay < 1:
        parts.append(scale_by_depth(config.layer_decay))
    parts.append(optax.scale_by_learning_rate(warmup_schedule(config, steps)))
    if config.frozen:
        parts.append(optax.stateless(lambda updates, _: zero_frozen(updates, config.frozen)))
    # One flat chain: checkpoints hold its state, a tuple with an entry for each part.
    return optax.chain(*parts)


def clipped(gradients: Any, norm: jax.Array, largest: float) -> Any:
    """Returns gradients of a global norm scaled down to at most `largest`; 0 is no limit."""
    if not largest:
        return gradients
    scale = largest / jnp.maximum(norm, largest)
    return jax.tree.map(lambda gradient: gradient * scale, gradients)
