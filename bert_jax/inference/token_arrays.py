"""Hidden states and attention of a text, beside its tokens."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bert_jax.model.bert import Bert


class TokenArrays(NamedTuple):
    """Hidden states or attention of the tokens of a text.

    Attributes:
        tokens: tokens as the model reads them, [CLS] and [SEP] included.
        values: float32; `hidden_states` `[layers + 1, tokens, hidden]`, embeddings first, or
            `attentions` `[layers, heads, tokens, tokens]`.
    """

    tokens: list[str]
    values: np.ndarray


def layer_outputs(bert: Bert, params: dict, batch: dict[str, jax.Array], *, name: str) -> jax.Array:
    """Returns float32 `[layers + 1, rows, length, hidden]`, or of attention `[layers, rows, heads,
    length, length]`."""
    outputs: Any = bert.apply({"params": params}, batch, collect=True)
    return outputs[name].astype(jnp.float32)


def without_padding(tokens: list[str], values: np.ndarray) -> TokenArrays:
    """Returns the values of a text alone.

    Args:
        tokens: the tokens of the text.
        values: `[layers + 1, length, hidden]`, or `[layers, heads, length, length]`.
    """
    count = len(tokens)
    kept = values[:, :count] if values.ndim == 3 else values[..., :count, :count]
    return TokenArrays(tokens, kept.copy())  # a copy, so that the batch can be freed
