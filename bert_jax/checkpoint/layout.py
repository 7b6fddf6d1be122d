"""The canonical parameter tree, and the layouts in which a model computes with it.

The canonical tree, version 1, is what checkpoints hold: layers `layer_0`, `layer_1`, ... one by
one; `query`, `key` and `value` apart; the vocabulary unpadded. A layout (`ComputeConfig`) may stack
the layers, fuse the projections and pad the vocabulary. Both ways are pure functions on parameters
and on anything shaped like them, such as an optimiser's moments, which are found in its state by
their key `bert`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model.embeddings import padded_size

CANONICAL_VERSION = 1
CANONICAL = ComputeConfig()

_QKV = ("query", "key", "value")


def is_canonical(config: ModelConfig, compute: ComputeConfig) -> bool:
    """Returns True if the layout of `compute` is the canonical one, so that nothing needs
    converting."""
    padded = padded_size(config.vocab_size, compute.vocab_multiple) != config.vocab_size
    return not (compute.scan_layers or compute.fused_qkv or padded)


def to_canonical(state: Any, config: ModelConfig, compute: ComputeConfig) -> Any:
    """A state in the layout of `compute`, with every parameter-like tree in it made canonical."""
    if is_canonical(config, compute):
        return state

    def convert(params: dict) -> dict:
        bert = dict(params["bert"])
        layers = bert["encoder"]
        if compute.scan_layers:
            stacked = layers["layers"]
            layers = {
                f"layer_{i}": jax.tree.map(lambda x: x[i], stacked)
                for i in range(config.num_layers)
            }
        if compute.fused_qkv:
            layers = {name: _split_qkv(layer) for name, layer in layers.items()}
        bert["encoder"] = layers
        return _resize_vocabulary(params | {"bert": bert}, config.vocab_size)

    return _map_params(convert, state)


def from_canonical(state: Any, config: ModelConfig, compute: ComputeConfig) -> Any:
    """The inverse of `to_canonical`; what pads the vocabulary is zero."""
    if is_canonical(config, compute):
        return state

    def convert(params: dict) -> dict:
        bert = dict(params["bert"])
        layers = bert["encoder"]
        if compute.fused_qkv:
            layers = {name: _fuse_qkv(layer) for name, layer in layers.items()}
        if compute.scan_layers:
            in_order = [layers[f"layer_{i}"] for i in range(config.num_layers)]
            layers = {"layers": jax.tree.map(lambda *x: jnp.stack(x), *in_order)}
        bert["encoder"] = layers
        return _resize_vocabulary(
            params | {"bert": bert}, padded_size(config.vocab_size, compute.vocab_multiple)
        )

    return _map_params(convert, state)


def _map_params(convert: Callable[[dict], dict], state: Any) -> Any:
    def is_params(node: Any) -> bool:
        return isinstance(node, dict) and "bert" in node

    return jax.tree.map(
        lambda node: convert(node) if is_params(node) else node, state, is_leaf=is_params
    )


def _fuse_qkv(layer: dict) -> dict:
    attention = dict(layer["attention"])
    parts = [attention.pop(name) for name in _QKV]
    # kernels [hidden, 3, hidden], biases [3, hidden]
    attention["qkv"] = jax.tree.map(lambda *x: jnp.stack(x, axis=-2), *parts)
    return layer | {"attention": attention}


def _split_qkv(layer: dict) -> dict:
    attention = dict(layer["attention"])
    fused = attention.pop("qkv")
    for i, name in enumerate(_QKV):
        attention[name] = jax.tree.map(lambda x: x[..., i, :], fused)
    return layer | {"attention": attention}


def _resize_vocabulary(params: dict, size: int) -> dict:
    def resize(x: jax.Array) -> jax.Array:
        return jnp.pad(x, [(0, max(size - x.shape[0], 0))] + [(0, 0)] * (x.ndim - 1))[:size]

    # Trees and not arrays: in the state of an optimiser of some parameters others are left out.
    embeddings = params["bert"]["embeddings"]
    words = jax.tree.map(resize, embeddings["word_embeddings"])
    params = params | {
        "bert": params["bert"] | {"embeddings": embeddings | {"word_embeddings": words}}
    }
    if "mlm" in params:
        bias = jax.tree.map(resize, params["mlm"]["bias"])
        params["mlm"] = params["mlm"] | {"bias": bias}
    return params
