"""Stopwatches of a run."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

import jax
import numpy as np

T = TypeVar("T")


class Stopwatch:
    """Seconds spent, by name."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = defaultdict(float)
        self._began = time.monotonic()

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.add(name, time.monotonic() - began)

    def add(self, name: str, seconds: float) -> None:
        """Adds to what is spent on `name`."""
        self._spent[name] += seconds

    def seconds(self) -> dict[str, float]:
        """Seconds by name, and those since the watch was made under 'all'."""
        return {name: round(spent, 2) for name, spent in self._spent.items()} | {
            "all": round(time.monotonic() - self._began, 2)
        }


class Window:
    """The metrics of the steps since the last line of metrics, and the time they took.

    Args:
        peak: operations a second of all devices together; None if that is not known.
    """

    def __init__(self, peak: float | None = None) -> None:
        self._peak = peak
        self._reset()

    def add(self, metrics: dict, flops: int = 0) -> None:
        """Takes a step's metrics, and waits for those of the step before: the host stays one step
        ahead, no more.

        Args:
            metrics: of the step.
            flops: operations of the model in it.
        """
        self._metrics.append(metrics)
        self._flops += flops
        if len(self._metrics) > 1:
            jax.block_until_ready(self._metrics[-2])

    def waits(self, batches: Iterator[T]) -> Iterator[T]:
        """Yields the batches, and times the waits for them."""
        while True:
            began = time.monotonic()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._waited += time.monotonic() - began
            yield batch

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves out what is not training."""
        jax.block_until_ready(self._metrics)
        began = time.monotonic()
        yield
        self._paused += time.monotonic() - began

    def close(self) -> dict[str, float]:
        """Means over the steps, with rates; a new window begins."""
        steps = jax.device_get(self._metrics)
        means = {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}
        means["learning_rate"] = float(
            steps[-1]["learning_rate"]
        )  # it is no measurement: the latest is what is asked
        seconds = time.monotonic() - self._began - self._paused
        tokens, examples = means.pop("tokens"), means.pop("examples")
        means |= dict(
            seconds=seconds,
            steps_per_second=len(steps) / seconds,
            sequences_per_second=len(steps) * examples / seconds,
            tokens_per_second=len(steps) * tokens / seconds,
            data_wait_share=self._waited / seconds,
        )
        if self._peak:
            means["mfu"] = self._flops / seconds / self._peak
        self._reset()
        return means

    def _reset(self) -> None:
        self._metrics: list[dict] = []
        self._waited = self._paused = 0.0
        self._flops = 0
        self._began = time.monotonic()
