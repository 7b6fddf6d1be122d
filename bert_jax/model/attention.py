"""Multi-head self-attention."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model import POSITIONS
from bert_jax.model.layers import Dropout, dense, precision


def attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    segment_ids: jax.Array,
    *,
    causal: bool = False,
    drop: Callable[[jax.Array], jax.Array] = lambda probabilities: probabilities,
    precision: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Softmax attention within the examples of a row (Vaswani et al., 2017, section 3.2.1).

    Args:
        query, key, value: `[rows, length, heads, head_size]`.
        segment_ids: int `[rows, length]`; a token attends to the tokens of its own number. 0 is
            padding, to which nothing else attends.
        causal: a token attends only to itself and to what stands before it.
        drop: dropout, applied to the probabilities.
        precision: of the products, as JAX names it.

    Returns:
        The attended values, shaped like `query`, and the probabilities before dropout, float32
        `[rows, heads, length, length]`.
    """
    query, key, value = (
        x.swapaxes(1, 2) for x in (query, key, value)
    )  # heads first: plain batched products
    query = query / jnp.sqrt(query.shape[-1]).astype(query.dtype)
    scores = jnp.einsum(
        "rhqd,rhkd->rhqk", query, key, precision=precision, preferred_element_type=jnp.float32
    )
    together = segment_ids[:, None, :, None] == segment_ids[:, None, None, :]
    if causal:
        together &= jnp.tri(scores.shape[-1], dtype=bool)
    # Finite, so that no row gives NaN; after the softmax what it masks is 0 to the bit.
    probabilities = jax.nn.softmax(jnp.where(together, scores, jnp.finfo(jnp.float32).min), axis=-1)
    weights = drop(probabilities.astype(value.dtype))
    return jnp.einsum("rhqk,rhkd->rhqd", weights, value, precision=precision).swapaxes(
        1, 2
    ), probabilities


class SelfAttention(nn.Module):
    """Queries, keys and values of one input, attention among them, and the output projection."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(
        self,
        hidden: jax.Array,
        segment_ids: jax.Array,
        position_ids: jax.Array,
        rows: jax.Array,
        *,
        deterministic: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the output `[rows, length, hidden]` and the attention probabilities `[rows,
        heads, length, length]`."""
        config, compute = self.config, self.compute
        size = config.hidden_size
        if compute.fused_qkv:
            fused = dense(config, compute, (3, size), "qkv")(hidden)
            query, key, value = (fused[..., i, :] for i in range(3))
        else:
            query, key, value = (
                dense(config, compute, size, name)(hidden) for name in ("query", "key", "value")
            )
        heads = (*hidden.shape[:-1], config.num_heads, size // config.num_heads)
        query, key, value = query.reshape(heads), key.reshape(heads), value.reshape(heads)
        query, key = POSITIONS[config.position.name].rotate(
            config.position.options, query, key, position_ids
        )
        dropout = Dropout(config.attention_dropout)
        mixed, probabilities = attention(
            query,
            key,
            value,
            segment_ids,
            causal=config.causal,
            drop=lambda p: dropout(p, rows, deterministic=deterministic),
            precision=precision(compute),
        )
        return dense(config, compute, size, "output")(mixed.reshape(hidden.shape)), probabilities
