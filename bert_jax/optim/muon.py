"""Muon (Jordan et al., 2024) for the matrices of the encoder, and AdamW for everything else.

Muon replaces the momentum of a matrix by a nearly orthogonal one. A layout may stack matrices in
one array; each of them is orthogonalised by itself, so that updates are the same in every layout.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, scale_by_muon

from bert_jax.config import OptimizerConfig, Options, key
from bert_jax.optim import adamw
from bert_jax.optim.layerwise import stacked_axes
from bert_jax.optim.masks import add_weight_decay
from bert_jax.parallel.sharding import path_name

# Root mean square of AdamW's updates, to which Muon's are scaled (Liu et al., 2025, "Muon is
# Scalable for LLM Training", section 2.2).
RMS = 0.2


@dataclass(frozen=True)
class MuonOptions(Options):
    learning_rate_scale: float = key(
        1.0,
        "Learning rate of the encoder's matrices as a multiple of that of all other parameters; "
        "updates are scaled such that 1 suits a learning rate of AdamW",
    )
    momentum: float = key(0.95, "Decay rate of the momentum", below=1)
    nesterov: bool = key(True, "Use Nesterov momentum")
    newton_schulz_steps: int = key(
        5, "Number of Newton-Schulz iterations that orthogonalise the momentum", at_least=1
    )


OPTIONS: type[Options] = MuonOptions


def transforms(
    config: OptimizerConfig, options: MuonOptions
) -> tuple[optax.GradientTransformation, ...]:
    """Returns one transformation with a state for each of the two groups of parameters."""
    muon = optax.chain(
        scale_by_muon(
            ns_steps=options.newton_schulz_steps,
            beta=options.momentum,
            nesterov=options.nesterov,
            weight_dimension_numbers=_dimension_numbers,
        ),
        optax.stateless(lambda updates, _: _scaled(updates)),
        add_weight_decay(config),
        optax.scale(options.learning_rate_scale),
    )
    rest = optax.chain(*adamw.transforms(config, adamw.OPTIONS()))
    return (optax.partition(dict(muon=muon, adamw=rest), _groups),)


def matrix_axes(name: str, ndim: int) -> tuple[int, int] | None:
    """Returns the axes (input, output) of the matrices in a parameter, or None if AdamW updates it.

    Args:
        name: path of the parameter, with a leading slash.
        ndim: its number of dimensions.
    """
    if "/encoder/" not in name or not name.endswith("/kernel"):
        return None
    stacked = stacked_axes(name, ndim)
    axes = [axis for axis in range(ndim) if axis not in stacked]
    return axes[0], axes[1]


def _axes(path: tuple, x: jax.Array) -> Any:
    return matrix_axes("/" + path_name(path), x.ndim)


def _groups(params: Any) -> Any:
    """Returns the name of the group of each parameter."""
    return jax.tree.map_with_path(lambda path, x: "muon" if _axes(path, x) else "adamw", params)


def _dimension_numbers(matrices: Any) -> Any:
    return jax.tree.map_with_path(lambda path, x: MuonDimensionNumbers(*_axes(path, x)), matrices)


def _scaled(updates: optax.Updates) -> optax.Updates:
    """Returns orthogonal updates scaled to a root mean square of `RMS`."""

    def scaled(path: tuple, x: jax.Array) -> jax.Array:
        rows, columns = (x.shape[axis] for axis in _axes(path, x))
        return x * (RMS * math.sqrt(max(rows, columns)))

    return jax.tree.map_with_path(scaled, updates)
