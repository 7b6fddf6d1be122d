"""Files that are written whole or not at all, and locks between processes on one machine."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

TEMPORARY = ".tmp"  # suffix of a file that is being written
LOCK = ".lock"  # suffix, or name, of a file that a process locks


def write_json(path: Path, values: Any, indent: int = 1, ascii_only: bool = True) -> None:
    """Writes a JSON file on a disk; after a crash the file is either the old or the new one.

    Args:
        path: the file; its directory exists.
        values: values that JSON can hold.
        indent: number of spaces by which nested values are indented.
        ascii_only: write other characters as escapes.
    """
    with written_whole(path, "w") as file:
        json.dump(values, file, indent=indent, ensure_ascii=ascii_only)
        file.write("\n")


def flush_to_disk(file: IO) -> None:
    """Waits until the bytes written to an open file are on the disk.

    Without this, a rename could survive a power cut that the bytes do not.
    """
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def written_whole(path: Path, mode: str = "wb") -> Iterator[IO]:
    """Opens a file to write, which takes the place of an older one once all is written.

    Args:
        path: the file; its directory exists.
        mode: "wb", or "w" for UTF-8 text.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as file:
        yield file
        flush_to_disk(file)
    os.replace(temporary, path)


@contextmanager
def locked(
    path: Path, wait: bool = True, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Holds an exclusive lock, which ends with the process at the latest.

    Args:
        path: the file to lock; it is made if it does not exist.
        wait: wait for another process that holds the lock.
        on_wait: called once before waiting.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is False.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            if on_wait:
                on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
