"""LayerNorm after each residual connection (Vaswani et al., 2017; Devlin et al., 2018)."""

from collections.abc import Callable

import flax.linen as nn
import jax

from bert_jax.config import ComputeConfig, ModelConfig, Options

OPTIONS = Options


def residual(norm: nn.Module, sublayer: Callable, hidden: jax.Array) -> jax.Array:
    """Returns `norm(hidden + sublayer(hidden))`."""
    return norm(hidden + sublayer(hidden))


def final(config: ModelConfig, compute: ComputeConfig, hidden: jax.Array) -> jax.Array:
    """Returns the last hidden states as they are: they are normalised already."""
    return hidden
