"""What stands on the encoder: one module a head, all called alike and found by name in `HEADS`.

A head is called with what the encoder gave, the batch, and `drop`, the dropout that some heads apply to their input.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model.layers import ACTIVATIONS, dense, layer_norm, precision


class Pooler(nn.Module):
    """The hidden state of each example's [CLS], through a dense layer and tanh."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, hidden: jax.Array, example_positions: jax.Array) -> jax.Array:
        """Maps `[rows, length, hidden]` to `[rows, examples, hidden]`."""
        cls = jnp.take_along_axis(hidden, example_positions[..., None], axis=1)
        return jnp.tanh(dense(self.config, self.compute, self.config.hidden_size, "dense")(cls))


class MlmHead(nn.Module):
    """Predicts the tokens at the masked positions with a transform and the word table, to which it is tied."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, encoded: dict, batch: dict, drop) -> jax.Array:
        """float32 logits `[rows, predictions, vocabulary]`; those of table rows that are padding are very low."""
        config, compute = self.config, self.compute
        table = encoded["word_embeddings"]
        masked = jnp.take_along_axis(encoded["hidden"], batch["masked_positions"][..., None], axis=1)
        masked = ACTIVATIONS[config.activation](dense(config, compute, config.hidden_size, "transform")(masked))
        masked = layer_norm(config, compute, "layer_norm")(masked)
        logits = jnp.einsum("rph,vh->rpv", masked, table.astype(masked.dtype), precision=precision(compute),
                            preferred_element_type=jnp.float32)
        logits += self.param("bias", nn.initializers.zeros, (table.shape[0],))
        if table.shape[0] == config.vocab_size:
            return logits
        return jnp.where(jnp.arange(table.shape[0]) < config.vocab_size, logits, jnp.finfo(logits.dtype).min)


class NspHead(nn.Module):
    """Tells whether segment B follows segment A (0) or is a random one (1)."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, encoded: dict, batch: dict, drop) -> jax.Array:
        """float32 logits `[rows, examples, 2]`."""
        return _scores(self, 2, encoded["pooled"])


class ClassHead(nn.Module):
    """Classifies examples, or gives each a number: a dense layer on the pooled output."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, encoded: dict, batch: dict, drop) -> jax.Array:
        """float32 logits `[rows, examples, labels]`."""
        return _scores(self, self.config.num_labels, drop(encoded["pooled"]))


class ChoiceHead(nn.Module):
    """Scores each choice of a question; the choices are examples of their own."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, encoded: dict, batch: dict, drop) -> jax.Array:
        """float32 scores `[rows, examples]`."""
        return _scores(self, 1, drop(encoded["pooled"]))[..., 0]


class TagHead(nn.Module):
    """Classifies every token."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, encoded: dict, batch: dict, drop) -> jax.Array:
        """float32 logits `[rows, length, labels]`."""
        return _scores(self, self.config.num_labels, drop(encoded["hidden"]))


class SpanHead(nn.Module):
    """Scores every token as the first and as the last of an answer (Devlin et al., 2018, section 4.2)."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, encoded: dict, batch: dict, drop) -> jax.Array:
        """float32 logits `[rows, length, 2]`."""
        return _scores(self, 2, encoded["hidden"])


def _scores(head: nn.Module, outputs: int, x: jax.Array) -> jax.Array:
    exact = dataclasses.replace(head.compute, dtype="float32")  # so small that bfloat16 would gain nothing
    return dense(head.config, exact, outputs, "dense")(x)


HEADS = {"mlm": MlmHead, "nsp": NspHead, "class": ClassHead, "choice": ChoiceHead, "tag": TagHead, "span": SpanHead}
POOLED = ("nsp", "class", "choice")  # read the pooled output
LABELLED = ("class", "tag")  # have `config.num_labels` outputs
