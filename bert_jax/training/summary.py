"""The start-up summary of a run, on one screen."""

import math
import re
from typing import Any

import jax
from jax.sharding import Mesh
from rich.console import Console
from rich.table import Table

from bert_jax.parallel.sharding import path_name
from bert_jax.training.session import Session
from bert_jax.training.workload import Shape


def show(console: Console, session: Session) -> None:
    """Prints model, data, batch, mesh, sharding, operations and memory of a run."""
    plan, mesh, workload = session.plan, session.mesh, session.workload
    model, recipe, compute = plan.model, plan.recipe, plan.compute
    total = 0
    for shape, numbers in workload.steps_by_shape().items():
        total += len(numbers) * session.flops[shape]
    examples = plan.steps * recipe.train.batch_size
    if recipe.instances.phases:
        examples = sum(steps * rows for _, rows, steps in recipe.instances.phases)
    largest = max(session.flops, key=lambda shape: session.flops[shape])
    at_most = " at most" if len(session.flops) > 1 else ""
    description = workload.description()
    if recipe.train.accumulation > 1:
        description["batch"] += f" in {recipe.train.accumulation} parts"
    rows = {
        "model": f"{model.num_layers} layers, hidden {model.hidden_size}, {model.num_heads} heads, "
        f"feed-forward {model.intermediate_size}, vocabulary {model.vocab_size:,}",
        "parameters": f"{count(session.state_shapes.params):,}",
        **description,
        "steps": f"{plan.steps:,} ({recipe.train.epochs or examples / plan.examples:.2f} epochs)",
        "FLOPs a step": f"{_scaled(session.flops[largest])}{at_most}, {_scaled(total)} in all "
        "(matrix products)",
        "devices": _devices(mesh),
        "mesh": _axes(mesh),
        "sharding": _sharding_lines(session.state_shapes.params, mesh),
        "memory a device": _memory(session, largest),
        "compute": f"{compute.dtype}, {'scanned' if compute.scan_layers else 'unrolled'} layers, "
        f"remat {compute.remat}, {compute.prng}",
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    for name, text in rows.items():
        table.add_row(name, text)
    console.print(table)


def _devices(mesh: Mesh) -> str:
    text = f"{mesh.size} x {mesh.devices.flat[0].device_kind}, {jax.process_count()} host(s)"
    unused = jax.device_count() - mesh.size
    return text + (f"; {unused} not used" if unused else "")


def _axes(mesh: Mesh) -> str:
    return " ".join(f"{axis}={size}" for axis, size in mesh.shape.items() if size > 1) or (
        "one device"
    )


def _memory(session: Session, shape: Shape) -> str:
    text = f"{bytes_said(held_bytes(session.state_shapes))} parameters and optimiser"
    memory = session.steps[shape].memory_analysis()  # None where the compiler does not tell
    if memory:
        text += f", {bytes_said(memory.temp_size_in_bytes)} temporaries of the step"
    return text


def count(tree: Any) -> int:
    """Numbers in a tree of arrays or shapes."""
    return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))


def held_bytes(tree: Any) -> int:
    """Bytes that a tree of shapes with shardings takes on each device."""
    return sum(
        math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(tree)
    )


def _sharding_lines(params: dict, mesh: Mesh) -> str:
    if mesh.size == 1:
        return "none"
    kinds: dict[tuple, list[str]] = {}
    for path, x in jax.tree_util.tree_leaves_with_path(params):
        name = re.sub(r"layer_\d+", "layer_*", path_name(path))
        axes = [a if mesh.shape.get(a, 1) > 1 else None for a in x.sharding.spec]
        if any(axes):
            kinds.setdefault(tuple(axes), []).append(name)
    lines = [
        f"{', '.join(dict.fromkeys(names))}: ({', '.join(str(a) for a in axes)})"
        for axes, names in kinds.items()
    ]
    return "\n".join(lines + ["everything else: whole on every device"])


def _scaled(n: float) -> str:
    for prefix in ("", "k", "M", "G", "T", "P", "E"):
        if n < 1000:
            return f"{n:.3g} {prefix}"
        n /= 1000
    return f"{n:.3g} Z"


def bytes_said(n: int) -> str:
    return f"{n / 2**30:.2f} GiB" if n >= 2**30 else f"{n / 2**20:.1f} MiB"
