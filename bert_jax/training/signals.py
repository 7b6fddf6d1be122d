"""Stopping cleanly when asked to."""

import contextlib
import signal
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """While it lasts, SIGTERM and SIGINT are noted instead of obeyed; a second SIGINT is obeyed.

    Yields:
        `asked(step)`: whether to stop after `step`. All hosts get the same answer at the same step; with several
        hosts it is JAX's preemption service that notes SIGTERM and agrees on the step.
    """
    received = []

    def note(number, frame):
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda step: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
