"""Shardings of parameters and activations over the mesh."""

import math
import re
from typing import Any

import jax
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from bert_jax.errors import UserError
from bert_jax.parallel.mesh import ROW_AXES


def constrain(x: jax.Array, *axes: str | tuple[str, ...] | None) -> jax.Array:
    """Says how an array inside the step lies on the mesh, dimension by dimension; the rest of them
    are whole.

    Does nothing where no mesh is set, and leaves whole a dimension that its axes do not divide.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*_fitting(x.shape, axes, mesh)))


def constrain_rows(x: jax.Array) -> jax.Array:
    """Keeps an activation's rows over the batch axes and the rest whole.

    Without it the compiler may follow a sharded parameter instead and gather the batch.
    """
    return constrain(x, ROW_AXES)


def _parts(axis: str | tuple[str, ...] | None, mesh: Mesh | AbstractMesh) -> int:
    return math.prod(mesh.shape[a] for a in ((axis,) if isinstance(axis, str) else axis or ()))


def _fitting(shape: tuple[int, ...], axes: tuple, mesh: Mesh | AbstractMesh) -> list:
    """The axes, with None for those that do not divide their dimension."""
    return [axis if size % _parts(axis, mesh) == 0 else None for size, axis in zip(shape, axes)]


def path_name(path: tuple) -> str:
    """A pytree path as `bert/encoder/layer_0/attention/query/kernel`."""
    return "/".join(str(getattr(k, "key", getattr(k, "name", getattr(k, "idx", k)))) for k in path)


def partition_spec(
    name: str, shape: tuple[int, ...], mesh: Mesh, rules: tuple, strict: bool = True
) -> PartitionSpec:
    """The spec of the first rule whose expression is found in `name`.

    Scanned layers carry a leading axis that no rule names; it is not sharded.

    Args:
        name: path of an array; in the optimiser's state it ends with its parameter's path.
        shape: of the array; a scalar is never sharded.
        rules: (regular expression, axes of the dimensions), as in `MeshConfig.rules`.
        strict: a dimension that its axes do not divide is an error; otherwise it is not sharded.

    Raises:
        UserError: `strict`, and a dimension does not divide.
    """
    axes = next((axes for pattern, axes in rules if re.search(pattern, name)), ())
    if not shape or not axes:
        return PartitionSpec()
    if "/layers/" in name:
        axes = (None, *axes)
    if len(axes) > len(shape):
        raise UserError(
            f"a rule of config.mesh.rules does not fit {name}",
            found=f"axes {axes} for {list(shape)}",
            expected=f"at most {len(shape)} axes",
        )
    fitted = _fitting(shape, axes, mesh)
    for size, axis, fits in zip(shape, axes, fitted):
        if fits != axis and strict:
            vocabulary = "word_embeddings" in name or name.endswith("mlm/bias")
            raise UserError(
                f"{name} {list(shape)} does not divide over the mesh",
                found=f"a dimension of {size} over {axis}={_parts(axis, mesh)}",
                expected=f"a multiple of {_parts(axis, mesh)}",
                hint=f"--config.compute.vocab_multiple={_parts(axis, mesh)}"
                if vocabulary
                else f"another --config.mesh.{axis}, or a rule of config.mesh.rules that leaves "
                f"this dimension whole",
            )
    return PartitionSpec(*fitted)


def shardings(tree: Any, mesh: Mesh, rules: tuple, strict: bool = True) -> Any:
    """A NamedSharding for every array of `tree` (arrays or their shapes), by its path."""
    return jax.tree.map_with_path(
        lambda path, x: NamedSharding(
            mesh, partition_spec(path_name(path), x.shape, mesh, rules, strict)
        ),
        tree,
    )
