"""Learning rates by step."""

import jax
import jax.numpy as jnp
import optax

from bert_jax.config import OptimizerConfig


def warmup_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Linear warm-up from 0 to the peak, and then the decay.

    The first step is number 0 and has a learning rate of 0, as in Google's code and in Hugging
    Face's. With `decay_start='zero'` the decay is the line from the peak at step 0 to 0 at the
    last, of which the warm-up hides the beginning; with 'warmup' it is the line from the peak where
    warm-up ends. All other ways to fall are functions of that line: its power (polynomial; NVIDIA's
    BERT with LAMB has the square root), half a cosine of it (Loshchilov and Hutter, 2016); and for
    warm-up-stable-decay (Hu et al., 2024) the peak until the last `decay_share` of the steps, in
    which it is a line. All end at `final_share` of the peak.
    """
    start = config.warmup_steps if config.decay_start == "warmup" else 0

    def rate(step: jax.Array | int) -> jax.Array:
        step = jnp.asarray(step, jnp.float32)
        warm = step / max(config.warmup_steps, 1)
        left = jnp.clip((steps - step) / max(steps - start, 1), 0, 1)
        shape = dict(
            linear=lambda: left,
            polynomial=lambda: left**config.decay_power,
            cosine=lambda: (1 - jnp.cos(jnp.pi * left)) / 2,
            stable=lambda: jnp.clip((steps - step) / max(config.decay_share * steps, 1), 0, 1),
        ).get(config.decay)
        fallen = config.final_share + (1 - config.final_share) * shape() if shape else 1.0
        return config.learning_rate * jnp.where(step < config.warmup_steps, warm, fallen)

    return rate
