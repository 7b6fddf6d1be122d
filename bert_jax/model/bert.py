"""BERT as published: embeddings, encoder and pooler, and the heads that a run asks for."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model.embeddings import Embeddings
from bert_jax.model.encoder import Encoder
from bert_jax.model.features import FeatureReader
from bert_jax.model.heads import HEADS, Pooler
from bert_jax.model.layers import Dropout
from bert_jax.parallel.sharding import constrain_rows


class Encoding(nn.Module):
    """The part that every head shares; its parameters stand under `bert`."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, batch, rows, *, deterministic: bool, collect: bool) -> dict:
        embedded, words = Embeddings(self.config, self.compute, name="embeddings")(
            batch, rows, deterministic=deterministic)
        embedded = constrain_rows(embedded)
        hidden, collected = Encoder(self.config, self.compute, name="encoder")(
            embedded, batch["segment_ids"], rows, deterministic=deterministic, collect=collect)
        encoded = dict(hidden=hidden, word_embeddings=words)
        if self.config.pooler:
            encoded["pooled"] = Pooler(self.config, self.compute, name="pooler")(hidden, batch)
        if collect:
            states, probabilities = collected
            encoded["hidden_states"] = jnp.concatenate([embedded[None], states])
            encoded["attentions"] = probabilities
        return encoded


class Bert(nn.Module):
    """BERT (Devlin et al., 2018) with any of the heads in `bert_jax.model.heads`.

    Attributes:
        config: the architecture.
        compute: how it is computed; changes no result but for rounding and dropout's bits.
        heads: names of the heads, each of which adds an entry to the output.
    """

    config: ModelConfig
    compute: ComputeConfig
    heads: tuple[str, ...] = ()

    @nn.compact
    def __call__(self, batch: dict, *, rows: jax.Array | None = None, deterministic: bool = True,
                 collect: bool = False) -> dict[str, jax.Array]:
        """Encodes a batch (see `bert_jax.data.batches`).

        Args:
            batch: of which the encoder reads `input_ids`, `token_type_ids`, `position_ids` and `segment_ids`
                `[rows, length]`, the pooler `example_positions` `[rows, examples]`, and each head its own.
            rows: int32 `[rows]`, each row's number in the whole batch, on which its dropout depends; by default
                it is taken for the whole batch.
            deterministic: no dropout; otherwise a key named 'dropout' is needed.
            collect: return every layer's states and attention probabilities too.

        Returns:
            `hidden` `[rows, length, hidden]`, or with `features` what is read of them; with a pooler `pooled`
            `[rows, examples, hidden]`; the logits of each head by its name; and if `collect`: `hidden_states`
            `[layers + 1, rows, length, hidden]`, embeddings first, and `attentions` `[layers, rows, heads, length,
            length]`.
        """
        if rows is None:
            rows = jnp.arange(batch["input_ids"].shape[0])
        reads = bool(self.config.features and self.heads)  # the encoder itself has no such part
        encoded = Encoding(self.config, self.compute, name="bert")(
            batch, rows, deterministic=deterministic or reads, collect=collect or reads)
        if reads:
            encoded = jax.lax.stop_gradient(encoded)
            encoded["hidden"] = FeatureReader(self.config, self.compute, name="features")(
                encoded["hidden_states"], batch)
        dropout = Dropout(self.config.classifier_dropout)
        logits = {
            name: HEADS[name](self.config, self.compute, name=name)(
                encoded, batch, lambda x: dropout(x, rows, deterministic=deterministic))
            for name in self.heads
        }
        del encoded["word_embeddings"]
        return encoded | logits


def initial_params(config: ModelConfig, heads: tuple[str, ...], key: jax.Array) -> dict:
    """Random parameters of a model with these heads, in the canonical layout (see `bert_jax.checkpoint.layout`)."""
    token = jnp.zeros((1, 1), jnp.int32)  # no parameter's shape depends on the batch
    batch = dict.fromkeys(("input_ids", "token_type_ids", "position_ids", "segment_ids", "example_positions",
                           "masked_positions"), token)
    return Bert(config, ComputeConfig(), heads).init(key, batch)["params"]
