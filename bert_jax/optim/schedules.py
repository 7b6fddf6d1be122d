"""Learning rates by step."""

import jax.numpy as jnp
import optax

from bert_jax.config import OptimizerConfig


def warmup_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Linear warm-up from 0 to the peak, and then the decay.

    The first step is number 0 and has a learning rate of 0, as in Google's code and in Hugging Face's. With
    `decay_start='zero'` the decay is the line from the peak at step 0 to 0 at the last, of which the warm-up hides
    the beginning; with 'warmup' it is the line from the peak where warm-up ends.
    """
    start = config.warmup_steps if config.decay_start == "warmup" else 0

    def rate(step):
        step = jnp.asarray(step, jnp.float32)
        warm = step / max(config.warmup_steps, 1)
        left = jnp.clip((steps - step) / max(steps - start, 1), 0, 1) if config.decay == "linear" else 1.0
        return config.learning_rate * jnp.where(step < config.warmup_steps, warm, left)

    return rate
