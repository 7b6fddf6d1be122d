"""Small parts that all modules of the model use: dense layers, embeddings, LayerNorm, dropout."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.random import threefry2x32_p

from bert_jax.config import ComputeConfig, ModelConfig

ACTIVATIONS = {
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "gelu_erf": lambda x: jax.nn.gelu(x, approximate=False),
    "relu": jax.nn.relu,
}


def weights(config: ModelConfig) -> nn.initializers.Initializer:
    """Returns the initialiser of all weights. Truncation makes the standard deviation an eighth
    smaller, as in Google's code."""
    kinds = dict(
        truncated_normal=jax.nn.initializers.truncated_normal, normal=jax.nn.initializers.normal
    )
    return kinds[config.initializer](config.initializer_range)


def dense(
    config: ModelConfig,
    compute: ComputeConfig,
    features: int | tuple[int, ...],
    name: str | None = None,
) -> nn.DenseGeneral:
    """Returns a dense layer on the last axis, with float32 parameters and a product in
    `compute.dtype`."""
    return nn.DenseGeneral(
        features,
        dtype=compute.dtype,
        kernel_init=weights(config),
        precision=precision(compute),
        name=name,
    )


def layer_norm(
    config: ModelConfig, compute: ComputeConfig, name: str | None = None
) -> nn.LayerNorm:
    """Returns LayerNorm over the last axis, with float32 statistics and a variance that is not
    computed as a difference of squares."""
    return nn.LayerNorm(
        config.layer_norm_epsilon, dtype=compute.dtype, use_fast_variance=False, name=name
    )


def precision(compute: ComputeConfig) -> str | None:
    """Returns JAX's name of the precision of matrix products."""
    return None if compute.matmul_precision == "default" else compute.matmul_precision


def keep_mask(key: jax.Array, rows: jax.Array, shape: tuple[int, ...], rate: float) -> jax.Array:
    """bool `shape`, of at least two dimensions: true where dropout keeps a value.

    With threefry, what a row keeps is a function of the key and of the row's number in the batch:
    the counter of the generator is (row, place in the row). So it is the same on every mesh and
    however the batch is computed in parts. The faster generators cannot promise that and draw for
    all rows at once.

    Args:
        key: of this dropout in this step.
        rows: int32 `[shape[0]]`, each row's number in the whole batch.
        shape: of what is dropped; the first dimension is the rows.
        rate: share that is dropped, to the nearest 1 / 65536.
    """
    threshold = round(rate * 2**16)
    if str(jax.random.key_impl(key)) != "threefry2x32":
        return jax.random.bits(jax.random.fold_in(key, rows[0]), shape, jnp.uint16) >= threshold
    # A block of threefry gives 64 bits, enough for four places. They are put together along the
    # dimension before the last, which costs no device a shuffle within vectors.
    block = (*shape[:-2], -(-shape[-2] // 4), shape[-1])
    place = jnp.arange(math.prod(block[1:]), dtype=jnp.uint32).reshape(1, *block[1:])
    row = rows.astype(jnp.uint32).reshape(-1, *[1] * (len(block) - 1))
    words = threefry2x32_p.bind(*jax.random.key_data(key), *jnp.broadcast_arrays(row, place))
    first, second = words
    quarters = [first & 0xFFFF, first >> 16, second & 0xFFFF, second >> 16]
    kept = jnp.concatenate([quarter >= threshold for quarter in quarters], axis=-2)
    return kept[..., : shape[-2], :]


class Table(nn.Module):
    """Float32 embeddings `[size, hidden]`; rows after the first `used` ones are zeros."""

    config: ModelConfig
    used: int
    size: int

    @nn.compact
    def __call__(self) -> jax.Array:
        def initial(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            rows = weights(self.config)(key, (self.used, self.config.hidden_size))
            return jnp.pad(rows, ((0, shape[0] - self.used), (0, 0)))

        return self.param("embedding", initial, (self.size, self.config.hidden_size))


class Dropout(nn.Module):
    """Zeroes a share `rate` of the values and scales up the rest (Srivastava et al., 2014)."""

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, rows: jax.Array, *, deterministic: bool) -> jax.Array:
        if deterministic or self.rate == 0:
            return x
        keep = keep_mask(self.make_rng("dropout"), rows, x.shape, self.rate)
        return jnp.where(keep, x / (1 - self.rate), 0).astype(x.dtype)
