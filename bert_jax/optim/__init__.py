"""The optimiser of a recipe, as one optax transformation."""

import jax
import jax.numpy as jnp
import optax

from bert_jax.config import OptimizerConfig
from bert_jax.optim.adam import scale_by_bert_adam
from bert_jax.optim.layerwise import named, scale_by_depth, scale_by_trust_ratio
from bert_jax.optim.schedules import warmup_schedule


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """Adam, decoupled weight decay, LAMB's trust ratio, the layers' own rates, and the schedule over `steps` steps, as
    far as the recipe has them; the step clips gradients before that."""
    adam = scale_by_bert_adam if config.name == "bert_adam" else optax.scale_by_adam
    return optax.chain(
        adam(b1=config.b1, b2=config.b2, eps=config.epsilon),
        optax.add_decayed_weights(config.weight_decay, lambda params: decay_mask(params, config.decay_exclude)),
        *[scale_by_trust_ratio(config.trust_exclude)] * (config.name == "lamb"),
        *[scale_by_depth(config.layer_decay)] * (config.layer_decay < 1),
        optax.scale_by_learning_rate(warmup_schedule(config, steps)),
        *[optax.stateless(lambda updates, _: held(updates, config.frozen))] * bool(config.frozen),
    )


def held(values, frozen: tuple[str, ...]):
    """Gradients or updates, of parameters in whose paths one of the regular expressions is found 0."""
    if not frozen:
        return values
    return jax.tree.map_with_path(lambda path, x: jnp.zeros_like(x) if named(path, frozen) else x, values)


def clipped(gradients, norm: jax.Array, largest: float):
    """Gradients of this global norm scaled down to the largest that is allowed; 0 allows any."""
    if not largest:
        return gradients
    scale = largest / jnp.maximum(norm, largest)
    return jax.tree.map(lambda gradient: gradient * scale, gradients)


def decay_mask(params, exclude: tuple[str, ...]):
    """True for the parameters that decay: none of the regular expressions is found in their paths."""
    return jax.tree.map_with_path(lambda path, _: not named(path, exclude), params)
