"""BERT as Flax modules.

Position encodings and placements of LayerNorm are registered here, one file each.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax

from bert_jax.config import ComputeConfig, ModelConfig, Options, Schema
from bert_jax.model import absolute, post_norm, pre_norm, rotary


class Position(Protocol):
    """Module of a position encoding.

    Attributes:
        OPTIONS: dataclass of its own keys, `model.position.NAME.KEY` in a recipe.
    """

    OPTIONS: type[Options]

    def embed(self, config: ModelConfig, position_ids: jax.Array) -> jax.Array | None:
        """Returns what is added to the word embeddings, `[rows, length, hidden]`, or None.

        It is called in a Flax module, to which its parameters belong.
        """
        ...

    def rotate(
        self, options: Any, query: jax.Array, key: jax.Array, position_ids: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns queries and keys `[rows, length, heads, head_size]` as attention takes them.

        Args:
            options: its `OPTIONS`.
            query, key: of the same shape.
            position_ids: int32 `[rows, length]`; they restart with each example of a row.
        """
        ...


class NormPlacement(Protocol):
    """Module of a placement of LayerNorm.

    Attributes:
        OPTIONS: dataclass of its own keys, `model.norm.PLACEMENT.KEY` in a recipe.
    """

    OPTIONS: type[Options]

    def residual(
        self, norm: nn.Module, sublayer: Callable[[jax.Array], jax.Array], hidden: jax.Array
    ) -> jax.Array:
        """Returns a sub-layer's output with its residual connection, `[rows, length, hidden]`."""
        ...

    def final(self, config: ModelConfig, compute: ComputeConfig, hidden: jax.Array) -> jax.Array:
        """Returns the output of the encoder from its last hidden states.

        It is called in a Flax module, to which its parameters belong.
        """
        ...


POSITIONS: Mapping[str, Position] = {"absolute": absolute, "rotary": rotary}
NORM_PLACEMENTS: Mapping[str, NormPlacement] = {"post": post_norm, "pre": pre_norm}

# The keys of what is registered, by the section of `model` that selects it.
REGISTRIES: Mapping[str, Mapping[str, type[Options]]] = {
    "position": {name: position.OPTIONS for name, position in POSITIONS.items()},
    "norm": {name: placement.OPTIONS for name, placement in NORM_PLACEMENTS.items()},
}
_SCHEMA = Schema(ModelConfig, REGISTRIES, prefix="model.")


def architecture(values: Mapping[str, Any]) -> ModelConfig:
    """Returns the section `model` of nested plain values; missing keys take their defaults.

    Raises:
        UserError: a key is unknown, or its value has the wrong type.
    """
    return _SCHEMA.build(values)
