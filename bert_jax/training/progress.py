"""Progress of a run: a live line with ETA on a terminal, plain lines elsewhere."""

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class TrainingProgress:
    """Shows steps as they are done; used as a context.

    Args:
        start, stop: the first step and the one after the last.
        console: where to; None for silence, as on all hosts but the first.
    """

    def __init__(self, start: int, stop: int, console: Console | None):
        self._console, self._start, self._stop = console, start, stop
        self._began = time.monotonic()
        self._bar = None
        if console and console.is_terminal:
            self._bar = Progress(
                TextColumn("step"),
                MofNCompleteColumn(),
                BarColumn(),
                TextColumn("{task.fields[shown]}"),
                TimeElapsedColumn(),
                TextColumn("ETA"),
                TimeRemainingColumn(),
                console=console,
            )
            self._task = self._bar.add_task("", total=stop, completed=start, shown="")

    def __enter__(self) -> "TrainingProgress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar:
            self._bar.stop()

    def step(self, done: int) -> None:
        """`done` steps are done."""
        if self._bar:
            self._bar.update(self._task, completed=done)

    def metrics(self, done: int, metrics: dict[str, float]) -> None:
        """Shows the latest training metrics."""
        shown = f"loss {metrics['loss']:.3f}" + "".join(
            f"  {name.replace('_accuracy', '')} {value:.3f}"
            for name, value in metrics.items()
            if name.endswith("_accuracy")
        )
        shown += f"  {metrics['tokens_per_second']:,.0f} tokens/s"
        if "mfu" in metrics:
            shown += f"  MFU {metrics['mfu']:.3f}"
        if self._bar:
            self._bar.update(self._task, shown=shown)
        elif self._console:
            left = (
                (time.monotonic() - self._began) / max(done - self._start, 1) * (self._stop - done)
            )
            self.say(f"step {done}/{self._stop}  {shown}  ETA {clock_said(left)}")

    def held_out(self, done: int, metrics: dict[str, float]) -> None:
        """Shows held-out scores, in a line that stays."""
        self.say(
            f"step {done} held out: "
            + "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in metrics.items())
        )

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._console:
            self._console.print(text, highlight=False, soft_wrap=True)


def clock_said(seconds: float) -> str:
    """As hours:minutes:seconds."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
