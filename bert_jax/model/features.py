"""The feature-based approach (Devlin et al., 2018, section 5.3): what a frozen BERT says, read by a BiLSTM.

Each kind of features is a row of table 7. Weighted sums have weights that are learned, a softmax of one number a layer,
as ELMo's; the paper does not say.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model.layers import precision

FEATURES: dict[str, tuple[Callable, str]] = {  # which of the states, embeddings first, and how they become one
    "embeddings": (lambda states: states[:1], "concatenated"),
    "second_to_last": (lambda states: states[-2:-1], "concatenated"),
    "last": (lambda states: states[-1:], "concatenated"),
    "weighted_last_four": (lambda states: states[-4:], "weighted"),
    "concat_last_four": (lambda states: states[-4:], "concatenated"),
    "weighted_all": (lambda states: states[1:], "weighted"),
}


class FeatureReader(nn.Module):
    """Layers of a bidirectional LSTM over the states of a frozen encoder."""

    config: ModelConfig
    compute: ComputeConfig

    @nn.compact
    def __call__(self, states: jax.Array, batch: dict) -> jax.Array:
        """float32 `[rows, length, 2 * lstm_size]`.

        Args:
            states: `[layers + 1, rows, length, hidden]`, embeddings first.
            batch: of which `segment_ids` say where examples begin and end: none sees its neighbours in a row.
        """
        chosen, how = FEATURES[self.config.features]
        states = chosen(states).astype(jnp.float32)
        if how == "weighted":
            shares = jax.nn.softmax(self.param("layer_weights", nn.initializers.zeros, (len(states),)))
            x = jnp.einsum("l,lrth->rth", shares, states)
        else:
            x = jnp.concatenate([*states], axis=-1)
        segments = batch["segment_ids"]
        for number in range(self.config.lstm_layers):
            forward = self._lstm(f"layer_{number}_forward")(x, segments)
            # Read from the end, each example begins with its last token.
            backward = self._lstm(f"layer_{number}_backward")(x[:, ::-1], segments[:, ::-1])[:, ::-1]
            x = jnp.concatenate([forward, backward], axis=-1)
        return x

    def _lstm(self, name: str) -> nn.Module:
        return Lstm(self.config.lstm_size, precision(self.compute), name=name)


class Lstm(nn.Module):
    """A long short-term memory (Hochreiter and Schmidhuber, 1997; the forget gate of Gers et al., 2000), the gates in
    PyTorch's order: input, forget, cell, output. It starts anew where another example begins."""

    size: int
    precision: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, segments: jax.Array) -> jax.Array:
        """Maps float32 `[rows, length, in]` to `[rows, length, size]`; `segments` `[rows, length]` number examples."""
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (x.shape[-1], 4 * self.size))
        recurrent = self.param("recurrent_kernel", nn.initializers.orthogonal(), (self.size, 4 * self.size))
        bias = self.param("bias", _forget_nothing, (4 * self.size,))
        # The inputs' part of all gates is one product; only the rest waits for the token before.
        gates = jnp.einsum("rti,ig->trg", x, kernel, precision=self.precision) + bias
        begins = jnp.diff(segments, axis=1, prepend=-1).T != 0

        def step(carry: tuple[jax.Array, jax.Array], of_token: tuple[jax.Array, jax.Array]):
            gates, begins = of_token
            hidden, cell = (jnp.where(begins[:, None], 0, x) for x in carry)
            gates += jnp.matmul(hidden, recurrent, precision=self.precision)
            enter, keep, new, leave = jnp.split(gates, 4, axis=-1)
            cell = jax.nn.sigmoid(keep) * cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
            hidden = jax.nn.sigmoid(leave) * jnp.tanh(cell)
            return (hidden, cell), hidden

        start = jnp.zeros((x.shape[0], self.size), jnp.float32)
        return jax.lax.scan(step, (start, start), (gates, begins))[1].swapaxes(0, 1)


def _forget_nothing(key: jax.Array, shape: tuple[int], dtype=jnp.float32) -> jax.Array:
    """Biases that begin at 0, but at 1 for the forget gate (Jozefowicz et al., 2015)."""
    return jnp.zeros(shape, dtype).at[shape[0] // 4:shape[0] // 2].set(1)
