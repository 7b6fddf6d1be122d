"""LayerNorm before each sub-layer, and once more after the last layer (Xiong et al., 2020)."""

from collections.abc import Callable

import flax.linen as nn
import jax

from bert_jax.config import ComputeConfig, ModelConfig, Options
from bert_jax.model.layers import layer_norm

OPTIONS = Options


def residual(norm: nn.Module, sublayer: Callable, hidden: jax.Array) -> jax.Array:
    """Returns `hidden + sublayer(norm(hidden))`."""
    return hidden + sublayer(norm(hidden))


def final(config: ModelConfig, compute: ComputeConfig, hidden: jax.Array) -> jax.Array:
    """Returns the last hidden states through a LayerNorm of their own."""
    return layer_norm(config, compute, "final_layer_norm")(hidden)
