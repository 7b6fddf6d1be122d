"""The mesh of devices, and which rows of a batch this host prepares."""

import math

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from bert_jax.config import MeshConfig
from bert_jax.errors import UserError

AXES = ("slice", "data", "fsdp", "tensor")
ROW_AXES = ("slice", "data", "fsdp")  # the axes over which rows of a batch are shared out


def make_mesh(config: MeshConfig, devices: list | None = None) -> Mesh:
    """The mesh that a recipe asks for; all axes are there, most of them of size 1.

    Args:
        config: sizes of the axes; `data` of -1 takes all devices that the others leave.
        devices: all of which are used; by default those of all hosts, of which a single host may
            use fewer.

    Raises:
        UserError: the sizes do not fit the devices.
    """
    some_will_do = devices is None and jax.process_count() == 1
    devices = jax.devices() if devices is None else devices
    sizes = {axis: getattr(config, axis) for axis in AXES}
    asked = "x".join(f"{axis}={size}" for axis, size in sizes.items() if size != 1) or "one device"
    if sizes["data"] == -1:
        others = math.prod(size for axis, size in sizes.items() if axis != "data")
        sizes["data"] = len(devices) // others
        if sizes["data"] * others != len(devices):
            raise _does_not_fit(asked, len(devices))
    used = math.prod(sizes.values())
    if used > len(devices) or (used < len(devices) and not some_will_do):
        raise _does_not_fit(asked, len(devices))
    devices, types = devices[:used], (AxisType.Auto,) * len(AXES)
    slices = len({getattr(device, "slice_index", 0) for device in devices})
    if slices == 1:
        return jax.make_mesh(tuple(sizes.values()), AXES, types, devices=devices)
    if sizes["slice"] == 1 and devices[0].platform != "tpu":  # hosts of GPUs call themselves slices
        return Mesh(
            mesh_utils.create_device_mesh(tuple(sizes.values()), devices), AXES, axis_types=types
        )
    if sizes["slice"] != slices:
        raise UserError(
            "config.mesh.slice is not the number of slices",
            found=f"slice={sizes['slice']}",
            expected=f"{slices}: the slices of these devices",
            hint=f"--config.mesh.slice={slices}",
        )
    within, across = sizes | dict(slice=1), dict.fromkeys(AXES, 1) | dict(slice=slices)
    arranged = mesh_utils.create_hybrid_device_mesh(
        tuple(within.values()), tuple(across.values()), devices, allow_split_physical_axes=True
    )  # as in `jax.make_mesh`
    return Mesh(arranged, AXES, axis_types=types)


def _does_not_fit(asked: str, devices: int) -> UserError:
    return UserError(
        "config.mesh does not fit the devices",
        found=f"{asked} on {devices} device(s)",
        expected="sizes whose product is the number of devices",
        hint="leave --config.mesh.data=-1 to take all that the other axes leave",
    )


def row_shards(mesh: Mesh) -> int:
    """Into how many parts the rows of a batch are shared out."""
    return math.prod(mesh.shape[axis] for axis in ROW_AXES)


def check_rows(mesh: Mesh, rows: int, name: str) -> None:
    """Raises a UserError unless `rows`, the value of key `name`, divides over the mesh."""
    if rows % row_shards(mesh):
        raise UserError(
            f"config.{name} does not divide over the mesh",
            found=f"{rows} rows over {row_shards(mesh)} shards "
            f"({' x '.join(f'{axis}={mesh.shape[axis]}' for axis in ROW_AXES)})",
            expected=f"a multiple of {row_shards(mesh)}",
            hint=f"--config.{name}={-(-rows // row_shards(mesh)) * row_shards(mesh)}, or fewer "
            f"shards with "
            "--config.mesh.data",
        )


def check_heads(mesh: Mesh, heads: int) -> None:
    """Raises a UserError unless whole heads go to each shard: halves would be put together in every
    layer."""
    if heads % mesh.shape["tensor"]:
        raise UserError(
            "config.model.num_heads does not divide over the mesh",
            found=f"{heads} heads over tensor={mesh.shape['tensor']}",
            expected="a divisor of the number of heads",
            hint="a smaller --config.mesh.tensor, and --config.mesh.fsdp for the rest",
        )


def check_parts(mesh: Mesh, rows: int, parts: int) -> None:
    """Raises a UserError unless each of the `parts` in which a batch of `rows` is computed divides
    over the mesh."""
    shards = row_shards(mesh)
    if rows // parts % shards:
        fitting = max(rows // shards // max(rows // parts // shards, 1), 1)
        raise UserError(
            "config.train.accumulation leaves parts that do not divide over the mesh",
            found=f"{parts} parts of {rows // parts} rows over {shards} shards",
            expected=f"parts of a multiple of {shards} rows",
            hint=f"--config.train.accumulation={fitting}",
        )


def row_sharding(mesh: Mesh) -> NamedSharding:
    """Rows over the batch axes, everything else whole."""
    return NamedSharding(mesh, PartitionSpec(ROW_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def host_rows(mesh: Mesh, rows: int) -> np.ndarray:
    """int64: which of a batch's `rows` this host's devices hold, rising; it prepares those and no
    others."""
    held = row_sharding(mesh).addressable_devices_indices_map((rows,)).values()
    return np.unique(np.concatenate([np.arange(rows)[index] for index in held]))


def to_devices(batch: dict, mesh: Mesh, rows: int) -> dict:
    """A host's part of a batch as global arrays of `rows` rows over the mesh."""
    sharding = row_sharding(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, values, (rows, *values.shape[1:]))
        for name, values in batch.items()
    }
