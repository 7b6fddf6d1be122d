"""Batches prepared ahead of the step that takes them, by Grain."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import grain

T = TypeVar("T")


def prefetched(
    make: Callable[[int], T], start: int, stop: int, threads: int, ahead: int
) -> Iterator[T]:
    """`make(start)`, `make(start + 1)`, ... `make(stop - 1)` in order, up to `ahead` of them made
    by `threads` before they are asked for.

    Since a batch is a function of its number, nothing has to be remembered to go on from any of
    them.
    """
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
    return iter(grain.MapDataset.range(start, stop).map(make).to_iter_dataset(options))
