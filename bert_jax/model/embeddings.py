"""Input of the encoder: the sum of word, position and token-type embeddings."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model import POSITIONS
from bert_jax.model.layers import Dropout, Table, layer_norm, precision
from bert_jax.parallel.sharding import constrain


def padded_size(vocab_size: int, multiple: int) -> int:
    """Returns the rows of the word embeddings: `vocab_size` rounded up to a multiple."""
    return -(-vocab_size // multiple) * multiple


class Embeddings(nn.Module):
    """Word, position and token-type embeddings, LayerNorm and dropout (Devlin et al., 2018, figure
    2)."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(
        self, batch: dict, rows: jax.Array, *, deterministic: bool
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the embedded tokens `[rows, length, hidden]` and the word embeddings, to which
        the MLM head is tied."""
        config, compute = self.config, self.compute
        size = padded_size(config.vocab_size, compute.vocab_multiple)
        words = Table(config, config.vocab_size, size, name="word_embeddings")()
        types = Table(config, *[config.type_vocab_size] * 2, name="token_type_embeddings")()
        # Sharded over `fsdp` the tables are gathered here, as every parameter is; only the
        # vocabulary stays in shards.
        words, types = constrain(words, "tensor"), constrain(types)
        # There are so few types that a product is faster than a look-up, whose gradient is a
        # scatter.
        one_hot = jax.nn.one_hot(batch["token_type_ids"], config.type_vocab_size, dtype=types.dtype)
        embedded = jnp.take(words, batch["input_ids"], axis=0)
        positions = POSITIONS[config.position.name].embed(config, batch["position_ids"])
        if positions is not None:
            embedded += positions
        embedded += jnp.matmul(one_hot, types, precision=precision(compute))
        embedded = layer_norm(config, compute, "layer_norm")(embedded)
        return Dropout(config.hidden_dropout)(embedded, rows, deterministic=deterministic), words
