"""Progress bar of long work, on a terminal alone."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

AFTER = 2.0  # seconds before the bar appears: most work is done by then


@contextmanager
def progress_bar(
    description: str, total: int, after: float = AFTER
) -> Iterator[Callable[[int], None]]:
    """Shows a bar on standard error if that is a terminal and the work takes long.

    Args:
        description: text before the bar.
        total: number of things to do.
        after: seconds before the bar appears.

    Yields:
        A function that is called with the number of things that were just done.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn(description),
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=total)
    began, started = time.monotonic(), False

    def advance(count: int) -> None:
        nonlocal started
        bar.advance(task, count)
        if console.is_terminal and not started and time.monotonic() - began >= after:
            bar.start()
            started = True

    try:
        yield advance
    finally:
        if started:
            bar.stop()
