"""What is scaled layer by layer, whichever way the layers lie.

A layout may stack the layers along a leading axis, and query, key and value along the axis before the last. Each is an
array of its own all the same: the same updates in every layout.
"""

import re

import jax
import jax.numpy as jnp
import optax

from bert_jax.parallel.sharding import path_name


def named(path: tuple, patterns: tuple[str, ...]) -> bool:
    """Whether one of these regular expressions is found in the path of a parameter."""
    return any(re.search(pattern, "/" + path_name(path)) for pattern in patterns)


def scale_by_trust_ratio(exclude: tuple[str, ...]) -> optax.GradientTransformation:
    """Updates as large as their parameters, array by array: LAMB's layer-wise adaptation (You et al., 2019, algorithm
    2 with the identity for phi). The ratio is 1 where either norm is 0.

    Args:
        exclude: regular expressions of parameters whose updates stay as they are.
    """

    def scaled(path, update, parameter):
        if named(path, exclude):
            return update
        stacked = _stacked("/" + path_name(path), update.ndim)
        axes = tuple(axis for axis in range(update.ndim) if axis not in stacked)
        ours, theirs = (jnp.sqrt(jnp.sum(jnp.square(x), axes, keepdims=True)) for x in (parameter, update))
        ratio = jnp.where((ours > 0) & (theirs > 0), ours / jnp.where(theirs > 0, theirs, 1), 1)
        return update * ratio

    return optax.stateless(lambda updates, params: jax.tree.map_with_path(scaled, updates, params))


def scale_by_depth(decay: float) -> optax.GradientTransformation:
    """Layer-wise decay of the learning rate: 1 for what stands on the encoder, `decay` for its last layer, one power
    more for each layer below it, and the most for the embeddings (Clark et al., 2020, appendix; there each a power
    more).
    """

    def update(updates, params):
        del params
        layers = _number_of_layers(updates)

        def scaled(path, x):
            name = "/" + path_name(path)
            if "/embeddings/" in name:
                return x * decay ** (layers + 1)
            if "/encoder/layers/" in name:
                return x * (decay ** jnp.arange(layers, 0, -1, dtype=x.dtype)).reshape(-1, *[1] * (x.ndim - 1))
            number = re.search(r"/encoder/layer_(\d+)/", name)
            return x * decay ** (layers - int(number[1])) if number else x

        return jax.tree.map_with_path(scaled, updates)

    return optax.stateless(update)


def _stacked(name: str, ndim: int) -> set[int]:
    """The axes of an array along which others lie that are arrays of their own."""
    return ({0} if "/encoder/layers/" in name else set()) | ({ndim - 2} if "/attention/qkv/" in name else set())


def _number_of_layers(params) -> int:
    encoder = params["bert"]["encoder"]
    return jax.tree.leaves(encoder["layers"])[0].shape[0] if "layers" in encoder else len(encoder)
