"""Check of a recipe's speed here, beside what preflight says of it, and of the speed of its
data."""

import dataclasses
import time
from pathlib import Path

import jax
from jax.sharding import Mesh
from rich.console import Console

from bert_jax.config import Config
from bert_jax.parallel import mesh as meshes
from bert_jax.parallel.devices import Tpu, device_of
from bert_jax.preflight.estimate import estimate
from bert_jax.preflight.memory import of_shapes
from bert_jax.preflight.trial import prepared
from bert_jax.training.session import Session, check_recipe, open_session
from bert_jax.training.summary import bytes_said, held_bytes
from bert_jax.training.workload import Shape
from bert_jax.verification.findings import Finding

STEPS = 20


def check(config: Config, workdir: Path) -> list[Finding]:
    """Times the recipe's step on this hardware, and its input pipeline.

    Args:
        config: the recipe.
        workdir: gets vocabulary and tokens if they are not there.
    """
    with open_session(check_recipe(config), workdir, Console()) as session:
        shape, batch = session.workload.batch(0)
        rows, _ = shape
        ready = meshes.to_devices(batch, session.mesh, rows)
        state = session.initial_state()
        for many in (3, STEPS):  # the first ones are slower
            began = time.monotonic()
            for _ in range(many):
                state, metrics = session.steps[shape](state, ready)
            jax.block_until_ready(metrics)
    seconds = (time.monotonic() - began) / STEPS
    mesh, model_flops = session.mesh, session.flops[shape]
    config = dataclasses.replace(session.recipe, model=session.plan.model)
    device = device_of(mesh.devices.flat[0].device_kind)
    mfu = f", MFU {model_flops / (seconds * mesh.size * device.peak):.3f}" if device else ""
    found = [
        Finding(
            "a step",
            f"{1e3 * seconds:.2f} ms, {rows / seconds:,.0f} sequences a second, "
            f"{model_flops / seconds:.3g} FLOP/s{mfu}",
        )
    ]
    return (
        found
        + _prediction(config, mesh, device.tpu if device else None, seconds)
        + _memory(config, session, shape)
        + [_pipeline(session, rows, seconds)]
    )


def _prediction(config: Config, mesh: Mesh, chip: Tpu | None, seconds: float) -> list[Finding]:
    if chip is None:
        return [
            Finding(
                "preflight's prediction",
                f"none: {mesh.devices.flat[0].device_kind} is no TPU that it knows",
            )
        ]
    if config.task.name:
        return [
            Finding(
                "preflight's prediction",
                "none: of a task it knows rows of one example; these are packed",
            )
        ]
    told = estimate(prepared(config, mesh.size, 0, 0), chip, list(mesh.devices.flat))
    if not told.fits:
        return [
            Finding("preflight's prediction", "does not fit", "what just ran to fit", passed=False)
        ]
    low, high = 0.8 * told.overlapped, 1.25 * told.serial
    return [
        Finding(
            "preflight's prediction",
            f"{1e3 * told.overlapped:.2f} to {1e3 * told.serial:.2f} ms",
            f"a step of 0.8 to 1.25 of it, here {1e3 * low:.2f} to {1e3 * high:.2f} ms",
            low <= seconds <= high,
        )
    ]


def _memory(config: Config, session: Session, shape: Shape) -> list[Finding]:
    told, mesh = [], session.mesh
    if memory := session.steps[shape].memory_analysis():
        compiled = held_bytes(session.state_shapes) + memory.temp_size_in_bytes
        told.append(f"{bytes_said(compiled)} by the compiler")
    if used := mesh.devices.flat[0].memory_stats():
        told.append(f"{bytes_said(used['peak_bytes_in_use'])} at most in use")
    if not config.task.name:  # whose rows are packed here
        estimated = of_shapes(prepared(config, mesh.size, 0, 0), list(mesh.devices.flat))
        told.append(f"{bytes_said(estimated.total)} by shapes")
    return [Finding("memory a device", ", ".join(told))]


def _pipeline(session: Session, rows: int, seconds: float) -> Finding:
    """Makes batches as a run does, with nothing else to do, and compares their rate with the
    step's."""
    batches = session.batches(0, min(10 * STEPS, session.plan.steps))
    next(batches)  # threads start
    began, made = time.monotonic(), 0
    for _ in batches:
        made += 1
        if time.monotonic() - began > 20:
            break
    rate = made * rows / (time.monotonic() - began)
    times = rate * seconds / rows
    return Finding(
        "the input pipeline",
        f"{rate:,.0f} sequences a second, {times:.1f} times the step's",
        "more than the step's",
        times > 1,
    )
