"""How fast a recipe's step is here, beside what preflight says of it, and whether its data comes as fast."""

import time
from pathlib import Path

import jax
from rich.console import Console

from bert_jax.checkpoint import initial
from bert_jax.config import Config
from bert_jax.data.pipeline import prefetched
from bert_jax.model import flops
from bert_jax.parallel import mesh as meshes
from bert_jax.parallel.devices import peak_of
from bert_jax.preflight.chips import CHIPS
from bert_jax.preflight.estimate import estimate
from bert_jax.preflight.memory import of_shapes
from bert_jax.preflight.recipe import prepared
from bert_jax.training import state
from bert_jax.training.finetuning import Finetuning
from bert_jax.training.pretraining import Pretraining
from bert_jax.training.step import compile_train_steps
from bert_jax.training.summary import bytes_said, held_bytes
from bert_jax.verification.findings import Finding

STEPS = 20
# What JAX calls the chips that preflight knows.
KINDS = {"TPU v4": "v4", "TPU v5 lite": "v5e", "TPU v5e": "v5e", "TPU v5": "v5p", "TPU v5p": "v5p",
         "TPU v6 lite": "v6e", "TPU v6e": "v6e"}


def check(config: Config, workdir: Path) -> list[Finding]:
    """Times the recipe's step on this hardware, and its input pipeline.

    Args:
        config: the recipe.
        workdir: gets vocabulary and tokens if they are not there.
    """
    mesh = meshes.make_mesh(config.mesh)
    learning = Finetuning if config.task.name else Pretraining
    learning.check(config, mesh)
    config, source = initial.adopt(config)
    material = learning(config, workdir, source, progress=True)
    config = material.plan(config, mesh, Console(quiet=True))
    with jax.set_mesh(mesh):
        shapes = state.state_shapes(config, mesh)
        steps = compile_train_steps(config, mesh, shapes, material.shapes())
        shape, batch = material.batch(0)
        rows, ready = shape[0], meshes.to_devices(batch, mesh, shape[0])
        train_state = jax.jit(lambda: state.initial_state(config),
                              out_shardings=jax.tree.map(lambda x: x.sharding, shapes))()
        for many in (3, STEPS):  # the first ones are slower
            began = time.monotonic()
            for _ in range(many):
                train_state, metrics = steps[shape](train_state, ready)
            jax.block_until_ready(metrics)
    seconds = (time.monotonic() - began) / STEPS
    model_flops = flops.train_step(config.model, state.make_model(config).heads, material.shapes()[shape])
    kind = KINDS.get(mesh.devices.flat[0].device_kind)
    peak = peak_of(mesh.devices.flat[0].device_kind)
    mfu = f", MFU {model_flops / (seconds * mesh.size * peak):.3f}" if peak else ""
    found = [Finding("a step", f"{1e3 * seconds:.2f} ms, {rows / seconds:,.0f} sequences a second, "
                               f"{model_flops / seconds:.3g} FLOP/s{mfu}")]
    return found + _prediction(config, mesh, kind, seconds) + _memory(config, mesh, shapes, steps[shape]) + [
        _pipeline(config, material, rows, seconds)]


def _prediction(config: Config, mesh, kind: str | None, seconds: float) -> list[Finding]:
    if kind is None:
        return [Finding("preflight's prediction", f"none: {mesh.devices.flat[0].device_kind} is no TPU that it knows")]
    if config.task.name:
        return [Finding("preflight's prediction", "none: of a task it knows rows of one example; these are packed")]
    told = estimate(prepared(config, mesh.size, 0, 0), CHIPS[kind], list(mesh.devices.flat))
    if not told.fits:
        return [Finding("preflight's prediction", "does not fit", "what just ran to fit", passed=False)]
    low, high = 0.8 * told.overlapped, 1.25 * told.serial
    return [Finding("preflight's prediction", f"{1e3 * told.overlapped:.2f} to {1e3 * told.serial:.2f} ms",
                    f"a step of 0.8 to 1.25 of it, here {1e3 * low:.2f} to {1e3 * high:.2f} ms",
                    low <= seconds <= high)]


def _memory(config: Config, mesh, shapes, step) -> list[Finding]:
    told = []
    if memory := step.memory_analysis():
        told.append(f"{bytes_said(held_bytes(shapes) + memory.temp_size_in_bytes)} by the compiler")
    if used := mesh.devices.flat[0].memory_stats():
        told.append(f"{bytes_said(used['peak_bytes_in_use'])} at most in use")
    if not config.task.name:  # whose rows are packed here
        told.append(f"{bytes_said(of_shapes(prepared(config, mesh.size, 0, 0), list(mesh.devices.flat)).total)} "
                    "by shapes")
    return [Finding("memory a device", ", ".join(told))]


def _pipeline(config: Config, material, rows: int, seconds: float) -> Finding:
    """Makes batches as a run does, with nothing else to do, and compares their rate with the step's."""
    steps = min(10 * STEPS, config.train.steps)
    batches = prefetched(material.batch, 0, steps, config.compute.data_threads, config.compute.prefetch)
    next(batches)  # threads start
    began, made = time.monotonic(), 0
    for _ in batches:
        made += 1
        if time.monotonic() - began > 20:
            break
    rate = made * rows / (time.monotonic() - began)
    times = rate * seconds / rows
    return Finding("the input pipeline", f"{rate:,.0f} sequences a second, {times:.1f} times the step's",
                   "more than the step's", times > 1)
