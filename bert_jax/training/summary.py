"""What a run is about to do, on one screen."""

import math
import re

import jax
from jax.sharding import Mesh
from rich.console import Console
from rich.table import Table

from bert_jax.config import Config
from bert_jax.parallel.sharding import path_name
from bert_jax.training.budget import operations
from bert_jax.training.state import TrainState


def show(console: Console, config: Config, mesh: Mesh, state_shapes: TrainState, steps: dict, material) -> None:
    """Prints model, data, batch, mesh, sharding, FLOPs and memory.

    Args:
        state_shapes: the state's `jax.ShapeDtypeStruct`s with their shardings.
        steps: the compiled steps by rows and tokens of their batches.
        material: what is learned from, `Pretraining` or `Finetuning`.
    """
    model, train = config.model, config.train
    of_step = operations(config, material)
    in_all = sum(len(numbers) * of_step[shape] for shape, numbers in material.steps_by_shape().items())
    taken = sum(steps * rows for _, rows, steps in config.instances.phases) or train.steps * train.batch_size
    largest = max(of_step, key=of_step.get)
    memory = steps[largest].memory_analysis()  # None where the compiler does not tell
    facts = material.facts()
    if train.accumulation > 1:
        facts["batch"] += f" in {train.accumulation} parts"
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    rows = {
        "model": f"{model.num_layers} layers, hidden {model.hidden_size}, {model.num_heads} heads, "
                 f"feed-forward {model.intermediate_size}, vocabulary {model.vocab_size:,}",
        "parameters": f"{count(state_shapes.params):,}",
        **facts,
        "steps": f"{train.steps:,} ({train.epochs or taken / material.examples:.2f} epochs)",
        "FLOPs a step": f"{_scaled(of_step[largest])}" + (" at most" if len(of_step) > 1 else "")
                        + f", {_scaled(in_all)} in all (matrix products)",
        "devices": f"{mesh.size} x {mesh.devices.flat[0].device_kind}, {jax.process_count()} host(s)" + (
            f"; {jax.device_count() - mesh.size} not used" if mesh.size < jax.device_count() else ""),
        "mesh": " ".join(f"{axis}={size}" for axis, size in mesh.shape.items() if size > 1) or "one device",
        "sharding": _sharding_lines(state_shapes.params, mesh),
        "memory a device": f"{bytes_said(held_bytes(state_shapes))} parameters and optimiser" + (
            f", {bytes_said(memory.temp_size_in_bytes)} temporaries of the step" if memory else ""),
        "compute": f"{config.compute.dtype}, {'scanned' if config.compute.scan_layers else 'unrolled'} layers, "
                   f"remat {config.compute.remat}, {config.compute.prng}",
    }
    for name, text in rows.items():
        table.add_row(name, text)
    console.print(table)


def count(tree) -> int:
    """Numbers in a tree of arrays or shapes."""
    return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))


def held_bytes(tree) -> int:
    """Bytes that a tree of shapes with shardings takes on each device."""
    return sum(math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _sharding_lines(params, mesh) -> str:
    if mesh.size == 1:
        return "none"
    kinds = {}
    for path, x in jax.tree_util.tree_leaves_with_path(params):
        name = re.sub(r"layer_\d+", "layer_*", path_name(path))
        axes = [a if mesh.shape.get(a, 1) > 1 else None for a in x.sharding.spec]
        if any(axes):
            kinds.setdefault(tuple(axes), []).append(name)
    lines = [f"{', '.join(dict.fromkeys(names))}: ({', '.join(str(a) for a in axes)})" for axes, names in kinds.items()]
    return "\n".join(lines + ["everything else: whole on every device"])


def _scaled(n: float) -> str:
    for prefix in ("", "k", "M", "G", "T", "P", "E"):
        if n < 1000:
            return f"{n:.3g} {prefix}"
        n /= 1000
    return f"{n:.3g} Z"


def bytes_said(n: int) -> str:
    return f"{n / 2**30:.2f} GiB" if n >= 2**30 else f"{n / 2**20:.1f} MiB"
