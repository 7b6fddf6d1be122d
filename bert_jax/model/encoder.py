"""Transformer encoder, its layers unrolled or scanned."""

import flax.linen as nn
import jax

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model import NORM_PLACEMENTS
from bert_jax.model.attention import SelfAttention
from bert_jax.model.layers import ACTIVATIONS, Dropout, dense, layer_norm
from bert_jax.parallel.sharding import constrain_rows

REMAT_POLICIES = {
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}


class FeedForward(nn.Module):
    """Two dense layers with an activation between them, position by position."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, hidden: jax.Array) -> jax.Array:
        config = self.config
        inner = dense(config, self.compute, config.intermediate_size, "intermediate")(hidden)
        return dense(config, self.compute, config.hidden_size, "output")(
            ACTIVATIONS[config.activation](inner)
        )


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward layers, each with dropout, a residual connection and
    LayerNorm."""

    config: ModelConfig
    compute: ComputeConfig
    deterministic: bool
    collect: bool

    @nn.compact
    def __call__(
        self,
        hidden: jax.Array,
        segment_ids: jax.Array,
        position_ids: jax.Array,
        rows: jax.Array,
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array | None] | None]:
        """Returns the hidden states `[rows, length, hidden]` and, if `collect`, these and the
        attention probabilities, else None."""
        config, compute = self.config, self.compute
        place = NORM_PLACEMENTS[config.norm.placement]
        attention = SelfAttention(config, compute, name="attention")
        feed_forward = FeedForward(config, compute, name="feed_forward")
        attention_norm = layer_norm(config, compute, "attention_layer_norm")
        feed_forward_norm = layer_norm(config, compute, "feed_forward_layer_norm")
        dropout = Dropout(config.hidden_dropout)
        probabilities = None

        def attend(hidden: jax.Array) -> jax.Array:
            nonlocal probabilities
            attended, probabilities = attention(
                hidden, segment_ids, position_ids, rows, deterministic=self.deterministic
            )
            return dropout(attended, rows, deterministic=self.deterministic)

        def transform(hidden: jax.Array) -> jax.Array:
            return dropout(feed_forward(hidden), rows, deterministic=self.deterministic)

        hidden = place.residual(attention_norm, attend, hidden)
        hidden = constrain_rows(place.residual(feed_forward_norm, transform, hidden))
        return hidden, (hidden, probabilities) if self.collect else None


class Encoder(nn.Module):
    """A stack of encoder layers."""

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
        collect: bool = False,
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array | None] | None]:
        """Encodes `[rows, length, hidden]`.

        Returns:
            The last hidden states, and, if `collect`, those after each layer `[layers, rows,
            length, hidden]` with the attention probabilities `[layers, rows, heads, length,
            length]`, else None.
        """
        config, compute = self.config, self.compute
        layer = EncoderLayer
        if compute.remat != "none":
            # Inside a scan nothing can be shared between forward and backward pass by accident.
            layer = nn.remat(
                layer, policy=REMAT_POLICIES[compute.remat], prevent_cse=not compute.scan_layers
            )
        if compute.scan_layers:
            layers = nn.scan(
                layer,
                variable_axes={"params": 0},
                split_rngs={"params": True, "dropout": True},
                in_axes=nn.broadcast,
                length=config.num_layers,
            )
            return layers(config, compute, deterministic, collect, name="layers")(
                hidden, segment_ids, position_ids, rows
            )
        collected = []
        for i in range(config.num_layers):
            hidden, kept = layer(config, compute, deterministic, collect, name=f"layer_{i}")(
                hidden, segment_ids, position_ids, rows
            )
            collected.append(kept)
        return hidden, jax.tree.map(lambda *x: jax.numpy.stack(x), *collected) if collect else None
