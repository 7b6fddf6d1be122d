"""Rotary position embeddings (Su et al., 2021, "RoFormer"), in place of learned ones."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from bert_jax.config import Config, ModelConfig, Options, key, out_of_range


@dataclass(frozen=True)
class RotaryOptions(Options):
    base: float = key(10_000.0, "Base of the wavelengths, in positions", above=0)

    def check(self, config: Config) -> None:
        model = config.model
        if model.hidden_size // model.num_heads % 2:
            raise out_of_range(
                "model.num_heads",
                model.num_heads,
                "heads of even size with model.position.name='rotary', not "
                f"{model.hidden_size // model.num_heads}",
            )


OPTIONS: type[Options] = RotaryOptions


def embed(config: ModelConfig, position_ids: jax.Array) -> None:
    """Returns None: nothing is added to the word embeddings."""
    return None


def rotate(
    options: RotaryOptions, query: jax.Array, key: jax.Array, position_ids: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns queries and keys, each pair of features turned by an angle in proportion to the
    position: products of the two then depend on the distance of their positions alone.

    Feature i is paired with feature i + head_size / 2, as in GPT-NeoX and Llama; the paper pairs
    neighbours, which is a permutation of the features. Angles are float32.
    """
    half = query.shape[-1] // 2
    frequencies = options.base ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = position_ids[..., None, None].astype(jnp.float32) * frequencies
    cos, sin = jnp.cos(angles), jnp.sin(angles)  # [rows, length, 1, head_size / 2]

    def turned(x: jax.Array) -> jax.Array:
        first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
        parts = [first * cos - second * sin, second * cos + first * sin]
        return jnp.concatenate(parts, axis=-1).astype(x.dtype)

    return turned(query), turned(key)
