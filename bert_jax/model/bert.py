"""BERT: embeddings, encoder, pooler, and the heads of a run."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig, ProbeConfig
from bert_jax.model import NORM_PLACEMENTS
from bert_jax.model.embeddings import Embeddings
from bert_jax.model.encoder import Encoder
from bert_jax.model.features import FeatureReader
from bert_jax.model.heads import HEADS, Pooler
from bert_jax.model.layers import Dropout
from bert_jax.parallel.sharding import constrain_rows


class Encoding(nn.Module):
    """Part that all heads share; its parameters are under `bert`."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, batch: dict, rows: jax.Array, *, deterministic: bool, collect: bool) -> dict:
        embedded, words = Embeddings(self.config, self.compute, name="embeddings")(
            batch, rows, deterministic=deterministic
        )
        embedded = constrain_rows(embedded)
        hidden, collected = Encoder(self.config, self.compute, name="encoder")(
            embedded,
            batch["segment_ids"],
            batch["position_ids"],
            rows,
            deterministic=deterministic,
            collect=collect,
        )
        hidden = NORM_PLACEMENTS[self.config.norm.placement].final(
            self.config, self.compute, hidden
        )
        encoded: dict[str, Any] = dict(hidden=hidden, word_embeddings=words)
        if self.config.pooler:
            encoded["pooled"] = Pooler(self.config, self.compute, name="pooler")(hidden, batch)
        if collected is not None:
            states, probabilities = collected
            # The last ones are those that heads read.
            encoded["hidden_states"] = jnp.concatenate([embedded[None], states[:-1], hidden[None]])
            encoded["attentions"] = probabilities
        return encoded


class Bert(nn.Module):
    """BERT (Devlin et al., 2018) with any of the heads in `bert_jax.model.heads`.

    Attributes:
        config: the architecture.
        compute: implementation settings, which change no result but for rounding and dropout's
            bits.
        heads: names of the heads, each of which adds an entry to the output.
        probe: features that the heads read instead of the hidden states, if any.
    """

    config: ModelConfig
    compute: ComputeConfig
    heads: tuple[str, ...] = ()
    probe: ProbeConfig = ProbeConfig()

    @nn.compact
    def __call__(
        self,
        batch: dict,
        *,
        rows: jax.Array | None = None,
        deterministic: bool = True,
        collect: bool = False,
    ) -> dict[str, jax.Array]:
        """Encodes a batch (see `bert_jax.pretraining.batches`).

        Args:
            batch: of which the encoder reads `input_ids`, `token_type_ids`, `position_ids` and
                `segment_ids` `[rows, length]`, the pooler `example_positions` `[rows, examples]`,
                and each head its own.
            rows: int32 `[rows]`, each row's number in the whole batch, on which its dropout
                depends; by default it is taken for the whole batch.
            deterministic: no dropout; otherwise a key named 'dropout' is needed.
            collect: return every layer's states and attention probabilities too.

        Returns:
            `hidden` `[rows, length, hidden]`, or the output of the probe; with a
            pooler `pooled` `[rows, examples, hidden]`; the logits of each head by its name; and if
            `collect`: `hidden_states` `[layers + 1, rows, length, hidden]`, embeddings first, and
            `attentions` `[layers, rows, heads, length, length]`.
        """
        if rows is None:
            rows = jnp.arange(batch["input_ids"].shape[0])
        reads = bool(self.probe.features and self.heads)  # without heads nothing reads features
        encoded = Encoding(self.config, self.compute, name="bert")(
            batch, rows, deterministic=deterministic or reads, collect=collect or reads
        )
        if reads:
            encoded = jax.lax.stop_gradient(encoded)
            encoded["hidden"] = FeatureReader(self.probe, self.compute, name="features")(
                encoded["hidden_states"], batch
            )
        dropout = Dropout(self.config.classifier_dropout)
        logits = {
            name: HEADS[name](self.config, self.compute, name=name)(
                encoded, batch, lambda x: dropout(x, rows, deterministic=deterministic)
            )
            for name in self.heads
        }
        del encoded["word_embeddings"]
        return encoded | logits


def initial_params(
    config: ModelConfig,
    heads: tuple[str, ...],
    key: jax.Array,
    probe: ProbeConfig = ProbeConfig(),
) -> dict:
    """Returns random parameters of a model with these heads, in the canonical layout (see
    `bert_jax.checkpoint.layout`)."""
    token = jnp.zeros((1, 1), jnp.int32)  # no parameter's shape depends on the batch
    batch = dict.fromkeys(
        (
            "input_ids",
            "token_type_ids",
            "position_ids",
            "segment_ids",
            "example_positions",
            "masked_positions",
        ),
        token,
    )
    return Bert(config, ComputeConfig(), heads, probe).init(key, batch)["params"]
