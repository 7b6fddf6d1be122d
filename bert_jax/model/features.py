"""Feature-based approach (Devlin et al., 2018, section 5.3): a BiLSTM on the states of a frozen
BERT.

Each kind of features is a row of table 7. Weighted sums have learned weights, a softmax of one
number per layer, as in ELMo; the paper does not give details.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ProbeConfig
from bert_jax.model.layers import precision

# Selected states, embeddings first, and how they are combined.
FEATURES: dict[str, tuple[Callable, str]] = {
    "embeddings": (lambda states: states[:1], "concatenated"),
    "second_to_last": (lambda states: states[-2:-1], "concatenated"),
    "last": (lambda states: states[-1:], "concatenated"),
    "weighted_last_four": (lambda states: states[-4:], "weighted"),
    "concat_last_four": (lambda states: states[-4:], "concatenated"),
    "weighted_all": (lambda states: states[1:], "weighted"),
}


class FeatureReader(nn.Module):
    """Bidirectional LSTM over the states of a frozen encoder."""

    config: ProbeConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, states: jax.Array, batch: dict) -> jax.Array:
        """Returns float32 `[rows, length, 2 * lstm_size]`.

        Args:
            states: `[layers + 1, rows, length, hidden]`, embeddings first.
            batch: its `segment_ids` delimit the examples of a row, which do not see each other.
        """
        chosen, how = FEATURES[self.config.features]
        states = chosen(states).astype(jnp.float32)
        if how == "weighted":
            shares = jax.nn.softmax(
                self.param("layer_weights", nn.initializers.zeros, (len(states),))
            )
            x = jnp.einsum("l,lrth->rth", shares, states)
        else:
            x = jnp.concatenate([*states], axis=-1)
        segments = batch["segment_ids"]
        for number in range(self.config.lstm_layers):
            forward = self._lstm(f"layer_{number}_forward")(x, segments)
            # Read from the end, each example begins with its last token.
            backward = self._lstm(f"layer_{number}_backward")(x[:, ::-1], segments[:, ::-1])[
                :, ::-1
            ]
            x = jnp.concatenate([forward, backward], axis=-1)
        return x

    def _lstm(self, name: str) -> nn.Module:
        return Lstm(self.config.lstm_size, precision(self.compute), name=name)


class Lstm(nn.Module):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; with the forget gate of Gers et
    al., 2000). Gates are in PyTorch's order: input, forget, cell, output. The state is reset at
    the beginning of each example."""

    size: int
    precision: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, segments: jax.Array) -> jax.Array:
        """Maps float32 `[rows, length, in]` to `[rows, length, size]`; `segments` `[rows, length]`
        number examples."""
        kernel = self.param(
            "kernel", nn.initializers.glorot_uniform(), (x.shape[-1], 4 * self.size)
        )
        recurrent = self.param(
            "recurrent_kernel", nn.initializers.orthogonal(), (self.size, 4 * self.size)
        )
        bias = self.param("bias", _initial_bias, (4 * self.size,))
        # One product over all tokens; only the recurrent part is computed token by token.
        gates = jnp.einsum("rti,ig->trg", x, kernel, precision=self.precision) + bias
        begins = jnp.diff(segments, axis=1, prepend=-1).T != 0

        def step(
            carry: tuple[jax.Array, jax.Array], token: tuple[jax.Array, jax.Array]
        ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
            gates, begins = token
            hidden, cell = (jnp.where(begins[:, None], 0, x) for x in carry)
            gates += jnp.matmul(hidden, recurrent, precision=self.precision)
            input_gate, forget_gate, cell_gate, output_gate = jnp.split(gates, 4, axis=-1)
            cell = jax.nn.sigmoid(forget_gate) * cell + jax.nn.sigmoid(input_gate) * jnp.tanh(
                cell_gate
            )
            hidden = jax.nn.sigmoid(output_gate) * jnp.tanh(cell)
            return (hidden, cell), hidden

        start = jnp.zeros((x.shape[0], self.size), jnp.float32)
        return jax.lax.scan(step, (start, start), (gates, begins))[1].swapaxes(0, 1)


def _initial_bias(key: jax.Array, shape: tuple[int], dtype: Any = jnp.float32) -> jax.Array:
    """Returns biases of 0, and of 1 for the forget gate (Jozefowicz et al., 2015)."""
    return jnp.zeros(shape, dtype).at[shape[0] // 4 : shape[0] // 2].set(1)
