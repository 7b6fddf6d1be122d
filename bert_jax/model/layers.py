"""The small parts that every room of the model uses: dense layers, LayerNorm, activations, dropout."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig

ACTIVATIONS = {
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "gelu_erf": lambda x: jax.nn.gelu(x, approximate=False),
    "relu": jax.nn.relu,
}


def weights(config: ModelConfig):
    """Initialiser of all weights: a normal truncated at two deviations, as Google's code has it."""
    return jax.nn.initializers.truncated_normal(config.initializer_range)


def dense(config: ModelConfig, compute: ComputeConfig, features: int | tuple[int, ...], name: str | None = None):
    """A dense layer on the last axis; parameters are float32, the product is in `compute.dtype`."""
    return nn.DenseGeneral(
        features, dtype=compute.dtype, kernel_init=weights(config), precision=precision(compute), name=name)


def layer_norm(config: ModelConfig, compute: ComputeConfig, name: str | None = None):
    """LayerNorm over the last axis with float32 statistics; the variance is not taken as a difference of squares."""
    return nn.LayerNorm(config.layer_norm_epsilon, dtype=compute.dtype, use_fast_variance=False, name=name)


def precision(compute: ComputeConfig) -> str | None:
    """What JAX calls the precision of a product."""
    return None if compute.matmul_precision == "default" else compute.matmul_precision


def keep_mask(key: jax.Array, rows: jax.Array, shape: tuple[int, ...], rate: float) -> jax.Array:
    """bool `shape`: true where dropout at `rate` keeps a value.

    With threefry, what a row keeps is a function of the key and of the row's number in the batch: it is the
    same on every mesh and however the batch is computed in parts. The faster generators cannot promise that
    and draw for all rows at once.

    Args:
        key: of this dropout in this step.
        rows: int32 `[shape[0]]`, each row's number in the whole batch.
    """
    threshold = jnp.uint32(min(round(rate * 2**32), 2**32 - 1))
    if str(jax.random.key_impl(key)) == "threefry2x32":
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, rows)
        bits = jax.vmap(lambda k: jax.random.bits(k, shape[1:]))(keys)
    else:
        bits = jax.random.bits(jax.random.fold_in(key, rows[0]), shape)
    return bits >= threshold


class Dropout(nn.Module):
    """Zeroes a share `rate` of the values and scales up the rest (Srivastava et al., 2014)."""

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, rows: jax.Array, *, deterministic: bool) -> jax.Array:
        if deterministic or self.rate == 0:
            return x
        keep = keep_mask(self.make_rng("dropout"), rows, x.shape, self.rate)
        return jnp.where(keep, x / (1 - self.rate), 0).astype(x.dtype)
