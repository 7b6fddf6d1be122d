"""Stopping cleanly when asked to."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils

StopRequest = Callable[[int], bool]  # whether to stop after a step


@contextlib.contextmanager
def stop_requests(minutes: float = 0.0, every: int = 1) -> Iterator[StopRequest]:
    """While it lasts, SIGTERM and SIGINT are noted instead of obeyed; a second SIGINT is obeyed.

    Args:
        minutes: from now on, after which to stop without being asked; 0 for never.
        every: of several hosts the first one's clock counts, and is asked each so many steps.

    Yields:
        `asked(step)`: whether to stop after `step`. All hosts get the same answer at the same step;
        with several hosts it is JAX's preemption service that notes SIGTERM and agrees on the step.
    """
    received: list[int] = []
    ends = time.monotonic() + 60 * minutes

    def late(step: int) -> bool:
        if not minutes:
            return False
        if jax.process_count() == 1:
            return time.monotonic() >= ends
        return step % every == 0 and bool(
            multihost_utils.broadcast_one_to_all(time.monotonic() >= ends)
        )

    def note(number: int, frame: Any) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    if jax.process_count() > 1:
        yield lambda step: multihost_utils.reached_preemption_sync_point(step) or late(step)
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda step: bool(received) or late(step)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
