"""Learned position embeddings, added to the input (Devlin et al., 2018, figure 2)."""

import jax
import jax.numpy as jnp

from bert_jax.config import ModelConfig, Options
from bert_jax.model.layers import Table
from bert_jax.parallel.sharding import constrain

OPTIONS = Options


def embed(config: ModelConfig, position_ids: jax.Array) -> jax.Array:
    """Returns the embeddings `[rows, length, hidden]` of positions `[rows, length]`."""
    size = config.max_position_embeddings
    table = Table(config, size, size, name="position_embeddings")()
    return jnp.take(constrain(table), position_ids, axis=0)


def rotate(
    options: Options, query: jax.Array, key: jax.Array, position_ids: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns queries and keys as they are."""
    return query, key
