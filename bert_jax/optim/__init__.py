"""The optimiser of a recipe, as one optax transformation."""

import re

import jax
import optax

from bert_jax.config import OptimizerConfig
from bert_jax.optim.adam import scale_by_bert_adam
from bert_jax.optim.schedules import warmup_schedule
from bert_jax.parallel.sharding import path_name


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """Clipping by the global norm, Adam, decoupled weight decay, and the schedule over `steps` steps."""
    adam = scale_by_bert_adam if config.name == "bert_adam" else optax.scale_by_adam
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity(),
        adam(b1=config.b1, b2=config.b2, eps=config.epsilon),
        optax.add_decayed_weights(config.weight_decay, lambda params: decay_mask(params, config.decay_exclude)),
        optax.scale_by_learning_rate(warmup_schedule(config, steps)),
    )


def decay_mask(params, exclude: tuple[str, ...]):
    """True for the parameters that decay: none of the regular expressions is found in their paths."""
    return jax.tree.map_with_path(
        lambda path, _: not any(re.search(pattern, "/" + path_name(path)) for pattern in exclude), params)
