"""Traces of JAX's profiler, for TensorBoard, XProf or Perfetto."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import jax

DIRECTORY = "profile"


@contextlib.contextmanager
def profiled(workdir: Path, first: int, steps: int) -> Iterator[Callable[[int, object], None]]:
    """Traces steps into `WORKDIR/profile`.

    Args:
        workdir: of the run.
        first: the step after which the trace begins; 0 for no trace.
        steps: that are traced.

    Yields:
        `trace(done, metrics)`, to be called after each step: waits for what belongs into the trace.
    """
    tracing = False

    def trace(done: int, metrics: object) -> None:
        nonlocal tracing
        if first and done == first:
            jax.block_until_ready(metrics)
            jax.profiler.start_trace(workdir / DIRECTORY)
            tracing = True
        elif tracing and done == first + steps:
            jax.block_until_ready(metrics)
            jax.profiler.stop_trace()
            tracing = False

    yield trace
    if tracing:
        jax.profiler.stop_trace()
