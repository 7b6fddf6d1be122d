"""Vectors of texts: the hidden states of their tokens, pooled."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from bert_jax.model.bert import Bert


def mean(hidden: jax.Array, present: jax.Array) -> jax.Array:
    """Returns the mean over all tokens, [CLS] and [SEP] included.

    Args:
        hidden: float32 `[rows, length, hidden]`.
        present: bool `[rows, length]`: true for a token, false for padding.

    Returns:
        float32 `[rows, hidden]`; zeros for a row of padding.
    """
    count = jnp.maximum(present.sum(axis=1), 1)  # [rows]
    return jnp.where(present[..., None], hidden, 0).sum(axis=1) / count[:, None]


def cls(hidden: jax.Array, present: jax.Array) -> jax.Array:
    """Returns the hidden state of [CLS]; see `mean`."""
    return hidden[:, 0]


def maximum(hidden: jax.Array, present: jax.Array) -> jax.Array:
    """Returns the maximum of each dimension over all tokens; see `mean`."""
    return jnp.where(present[..., None], hidden, jnp.finfo(hidden.dtype).min).max(axis=1)


POOLINGS: Mapping[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "mean": mean,
    "cls": cls,
    "max": maximum,
}


def normalized(vectors: jax.Array) -> jax.Array:
    """Returns vectors `[rows, hidden]` scaled to Euclidean length 1; zeros stay zeros."""
    length = jnp.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / jnp.maximum(length, 1e-12)


def text_vectors(
    bert: Bert, params: dict, batch: dict[str, jax.Array], *, pooling: str, normalize: bool
) -> jax.Array:
    """Returns the vector of each row of a batch, float32 `[rows, hidden]`."""
    outputs: Any = bert.apply({"params": params}, batch)
    hidden = outputs["hidden"].astype(jnp.float32)  # [rows, length, hidden]
    vectors = POOLINGS[pooling](hidden, batch["segment_ids"] > 0)
    return normalized(vectors) if normalize else vectors
