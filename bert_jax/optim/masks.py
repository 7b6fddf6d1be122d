"""Parameters selected by regular expressions of their paths: weight decay, and frozen ones."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import optax

from bert_jax.config import OptimizerConfig
from bert_jax.parallel.sharding import path_name


def named(path: tuple, patterns: tuple[str, ...]) -> bool:
    """Returns whether one of the regular expressions matches in the path of a parameter."""
    return any(re.search(pattern, "/" + path_name(path)) for pattern in patterns)


def decay_mask(params: Any, exclude: tuple[str, ...]) -> Any:
    """Returns a tree like the parameters, true where none of the regular expressions matches."""
    return jax.tree.map_with_path(lambda path, _: not named(path, exclude), params)


def add_weight_decay(config: OptimizerConfig) -> optax.GradientTransformation:
    """Adds decoupled weight decay to the updates (Loshchilov and Hutter, 2017)."""
    return optax.add_decayed_weights(
        config.weight_decay, lambda params: decay_mask(params, config.decay_exclude)
    )


def zero_frozen(values: Any, frozen: tuple[str, ...]) -> Any:
    """Returns gradients or updates, with zeros for the parameters that are not trained.

    Args:
        values: a tree like the parameters.
        frozen: regular expressions of those parameters.
    """
    if not frozen:
        return values
    return jax.tree.map_with_path(
        lambda path, x: jnp.zeros_like(x) if named(path, frozen) else x, values
    )
