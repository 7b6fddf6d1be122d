"""Learning rates by layer, in every layout of the parameters.

A layout may stack the layers along a leading axis, and query, key and value along the axis before
the last. Each of them counts as an array of its own, so that updates are the same in every layout.
"""

import re

import jax
import jax.numpy as jnp
import optax

from bert_jax.parallel.sharding import path_name


def scale_by_depth(decay: float) -> optax.GradientTransformation:
    """Scales updates by the depth of their layer: by 1 above the encoder, by `decay` in its last
    layer, by one power more in each layer below it, and by one more in the embeddings (Clark et
    al., 2020, appendix; there each kind of embedding has a power of its own).
    """

    def update(updates: optax.Updates, params: optax.Params | None) -> optax.Updates:
        del params
        layers = _number_of_layers(updates)

        def scaled(path: tuple, x: jax.Array) -> jax.Array:
            name = "/" + path_name(path)
            if "/embeddings/" in name:
                return x * decay ** (layers + 1)
            if "/encoder/layers/" in name:
                return x * (decay ** jnp.arange(layers, 0, -1, dtype=x.dtype)).reshape(
                    -1, *[1] * (x.ndim - 1)
                )
            number = re.search(r"/encoder/layer_(\d+)/", name)
            return x * decay ** (layers - int(number[1])) if number else x

        return jax.tree.map_with_path(scaled, updates)

    return optax.stateless(update)


def stacked_axes(name: str, ndim: int) -> set[int]:
    """Returns the axes along which a parameter stacks several arrays.

    Args:
        name: path of the parameter, with a leading slash.
        ndim: its number of dimensions.
    """
    axes = set()
    if "/encoder/layers/" in name:
        axes.add(0)
    if "/attention/qkv/" in name:
        axes.add(ndim - 2)
    return axes


def _number_of_layers(params: optax.Params) -> int:
    encoder = params["bert"]["encoder"]
    return jax.tree.leaves(encoder["layers"])[0].shape[0] if "layers" in encoder else len(encoder)
