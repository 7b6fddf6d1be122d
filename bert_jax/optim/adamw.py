"""AdamW (Loshchilov and Hutter, 2017)."""

import optax

from bert_jax.config import OptimizerConfig, Options
from bert_jax.optim.masks import add_weight_decay

OPTIONS = Options


def transforms(
    config: OptimizerConfig, options: Options
) -> tuple[optax.GradientTransformation, ...]:
    """Returns Adam with bias correction, and decoupled weight decay."""
    return (
        optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.epsilon),
        add_weight_decay(config),
    )
