"""Lion (Chen et al., 2023, "Symbolic Discovery of Optimization Algorithms").

Its updates are signs, so that learning rates are 3 to 10 times smaller than AdamW's and weight
decay as much larger; the paper has b2 = 0.99.
"""

import optax

from bert_jax.config import OptimizerConfig, Options
from bert_jax.optim.masks import add_weight_decay

OPTIONS = Options


def transforms(
    config: OptimizerConfig, options: Options
) -> tuple[optax.GradientTransformation, ...]:
    """Returns the sign of the interpolated momentum, and decoupled weight decay."""
    return optax.scale_by_lion(b1=config.b1, b2=config.b2), add_weight_decay(config)
