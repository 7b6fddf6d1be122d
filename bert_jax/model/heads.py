"""Heads on the encoder: one module each, all called alike and found by name in `HEADS`.

A head is called with what the encoder gave, the batch, and `drop`, the dropout that some heads
apply to their input.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model.layers import ACTIVATIONS, dense, layer_norm, precision


class Pooler(nn.Module):
    """The hidden state of each example's [CLS], or of its last token if attention is causal,
    through a dense layer and tanh."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, hidden: jax.Array, batch: dict) -> jax.Array:
        """Maps `[rows, length, hidden]` to `[rows, examples, hidden]`."""
        at = batch["example_positions"]
        if self.config.causal:
            of_example = batch["segment_ids"][:, None, :] == jnp.arange(1, at.shape[1] + 1)[:, None]
            at = jnp.max(of_example * jnp.arange(hidden.shape[1]), axis=-1)
        read = jnp.take_along_axis(hidden, at[..., None], axis=1)
        return jnp.tanh(dense(self.config, self.compute, self.config.hidden_size, "dense")(read))


class MlmHead(nn.Module):
    """Predicts the tokens at the masked positions with a transform and the word table, to which it
    is tied."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(
        self, encoded: dict, batch: dict, drop: Callable[[jax.Array], jax.Array]
    ) -> jax.Array:
        """float32 logits `[rows, predictions, vocabulary]`; those of table rows that are padding
        are very low."""
        config, compute = self.config, self.compute
        table = encoded["word_embeddings"]
        masked = jnp.take_along_axis(
            encoded["hidden"], batch["masked_positions"][..., None], axis=1
        )
        masked = ACTIVATIONS[config.activation](
            dense(config, compute, config.hidden_size, "transform")(masked)
        )
        masked = layer_norm(config, compute, "layer_norm")(masked)
        logits = jnp.einsum(
            "rph,vh->rpv",
            masked,
            table.astype(masked.dtype),
            precision=precision(compute),
            preferred_element_type=jnp.float32,
        )
        logits += self.param("bias", nn.initializers.zeros, (table.shape[0],))
        if table.shape[0] == config.vocab_size:
            return logits
        return jnp.where(
            jnp.arange(table.shape[0]) < config.vocab_size, logits, jnp.finfo(logits.dtype).min
        )


class ScoreHead(nn.Module):
    """Scores examples or tokens by a dense layer on the pooled output or on the hidden states."""

    config: ModelConfig
    compute: ComputeConfig
    reads: str
    outputs: int | None
    drops: bool

    @nn.compact
    def __call__(
        self, encoded: dict, batch: dict, drop: Callable[[jax.Array], jax.Array]
    ) -> jax.Array:
        """float32 `[rows, examples, outputs]`, or `[rows, length, outputs]`."""
        exact = dataclasses.replace(
            self.compute, dtype="float32"
        )  # so small that bfloat16 would gain nothing
        x = drop(encoded[self.reads]) if self.drops else encoded[self.reads]
        return dense(self.config, exact, outputs_of(self.outputs, self.config), "dense")(x)


def outputs_of(outputs: int | None, config: ModelConfig) -> int:
    """Returns the number of scores of a head; `outputs` None stands for one a label."""
    return config.num_labels if outputs is None else outputs


# What each reads, how many scores it gives, and whether dropout stands before it: as in the code of
# both.
SCORES: dict[str, dict[str, Any]] = {
    "nsp": dict(reads="pooled", outputs=2, drops=False),  # B follows A (0) or is a random one (1)
    "class": dict(reads="pooled", outputs=None, drops=True),
    "choice": dict(
        reads="pooled", outputs=1, drops=True
    ),  # each choice of a question is an example
    "tag": dict(reads="hidden", outputs=None, drops=True),
    "span": dict(
        reads="hidden", outputs=2, drops=False
    ),  # the first and the last token of an answer
}
HEADS: dict[str, Any] = {"mlm": MlmHead} | {
    name: functools.partial(ScoreHead, **of) for name, of in SCORES.items()
}
POOLED = tuple(name for name, of in SCORES.items() if of["reads"] == "pooled")
LABELLED = tuple(name for name, of in SCORES.items() if of["outputs"] is None)
