"""LAMB (You et al., 2019): AdamW with layer-wise adaptation, for large batches."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from bert_jax.config import OptimizerConfig, Options, key
from bert_jax.optim import adamw
from bert_jax.optim.layerwise import stacked_axes
from bert_jax.optim.masks import named
from bert_jax.parallel.sharding import path_name


@dataclass(frozen=True)
class LambOptions(Options):
    trust_exclude: tuple = key(
        (r"/bias$", r"layer_norm/scale$"),
        "Regular expressions of parameters whose updates are not scaled (Google's code: those "
        "without weight decay; the paper: none)",
        items=str,
        patterns=True,
    )


OPTIONS: type[Options] = LambOptions


def transforms(
    config: OptimizerConfig, options: LambOptions
) -> tuple[optax.GradientTransformation, ...]:
    """Returns AdamW's transformations and the trust ratio."""
    return *adamw.transforms(config, options), scale_by_trust_ratio(options.trust_exclude)


def scale_by_trust_ratio(exclude: tuple[str, ...]) -> optax.GradientTransformation:
    """Scales each update to the norm of its parameter: LAMB's layer-wise adaptation (You et al.,
    2019, algorithm 2 with the identity for phi). The ratio is 1 where either norm is 0.

    Arrays that a layout stacks are scaled one by one.

    Args:
        exclude: regular expressions of parameters whose updates stay as they are.
    """

    def scaled(path: tuple, update: jax.Array, parameter: jax.Array) -> jax.Array:
        if named(path, exclude):
            return update
        stacked = stacked_axes("/" + path_name(path), update.ndim)
        axes = tuple(axis for axis in range(update.ndim) if axis not in stacked)
        parameter_norm, update_norm = (
            jnp.sqrt(jnp.sum(jnp.square(x), axes, keepdims=True)) for x in (parameter, update)
        )
        ratio = jnp.where(
            (parameter_norm > 0) & (update_norm > 0),
            parameter_norm / jnp.where(update_norm > 0, update_norm, 1),
            1,
        )
        return update * ratio

    return optax.stateless(lambda updates, params: jax.tree.map_with_path(scaled, updates, params))
