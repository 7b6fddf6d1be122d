"""Memory of work in a process of its own, as /proc has it."""

import contextlib
import itertools
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np

MB = 1e6


def measured(work: Callable, *args) -> tuple:
    """Runs `work(*args)` in a fresh process.

    Returns:
        Its result, and the peaks of its private bytes and of all its resident bytes, including
        those of its children.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=answer, args=(there, work, args))
    process.start()
    there.close()
    peak = np.zeros(2)
    while process.is_alive():
        peak = np.maximum(peak, sum((resident(pid) for pid in family(process.pid)), np.zeros(2)))
        process.join(0.02)
    if process.exitcode:
        raise SystemExit(f"{work.__name__} failed")
    return here.recv(), *peak


def answer(connection, work: Callable, args: tuple) -> None:
    connection.send(work(*args))


def family(pid: int) -> list[int]:
    """Returns a process and all its descendants."""
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # gone since
            children += map(int, task.read_text().split())
    return [pid, *itertools.chain.from_iterable(map(family, children))]


def resident(pid: int) -> np.ndarray:
    """Returns the private bytes and all resident bytes of a process."""
    try:
        lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        sizes = {
            words[0]: int(words[1]) * 1024 for words in lines if words[0] in ("RssAnon:", "VmRSS:")
        }
    except OSError:  # gone since
        sizes = {}
    return np.array([sizes.get("RssAnon:", 0), sizes.get("VmRSS:", 0)])
