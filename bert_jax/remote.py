"""Paths that may be in a bucket, and local copies of files in buckets.

A bucket has no append, no rename and no lock. Code that needs these, or a memory map, works on a
local copy; files are copied whole in both directions.
"""

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from bert_jax.disk import LOCK, locked
from bert_jax.errors import UserError

COPIES = "BERT_JAX_COPIES"  # environment variable that names the directory of local copies


def path_of(text: str | os.PathLike) -> Path:
    """Returns a path on a disk, or one such as gs://bucket/run.

    Raises:
        UserError: the package that reads such paths is not installed.
    """
    if not is_remote(text):
        return Path(text)
    if str(text).startswith("gs://") and not importlib.util.find_spec("gcsfs"):
        raise UserError(
            f"{text} needs gcsfs",
            found="it is not installed",
            expected="gcsfs, which reads buckets",
            hint="pip install gcsfs",
        )
    return epath.Path(text)


def local_path(text: str) -> Path:
    """Returns a path on a disk.

    Raises:
        UserError: the path is in a bucket.
    """
    if is_remote(text):
        raise UserError(
            f"{text} is not on a disk",
            expected="a directory on this machine, or one that it mounts",
            hint="use a local directory, and copy it to the bucket afterwards",
        )
    return Path(text)


def is_remote(path: str | os.PathLike) -> bool:
    """Returns True for a path in a bucket."""
    return "://" in str(path)


def local_place(path: str | os.PathLike) -> Path:
    """Returns the directory for copies of a remote directory, which is the same at each start."""
    root = Path(os.environ.get(COPIES) or Path.home() / ".cache" / "bert_jax")
    return root / hashlib.sha256(str(path).rstrip("/").encode()).hexdigest()[:16]


def local_copy(path: str | os.PathLike) -> Path:
    """Returns a local file itself, or a copy of a remote one, which all processes on this machine
    share.

    Raises:
        UserError: the file cannot be read, or was not copied whole.
    """
    if not is_remote(path):
        return Path(path)
    source, to = epath.Path(path), local_place(os.path.dirname(path)) / os.path.basename(path)
    to.parent.mkdir(parents=True, exist_ok=True)
    with locked(to.with_name(to.name + LOCK)):
        try:
            size = source.stat().length
            if not (to.exists() and to.stat().st_size == size):
                bring(source, to)
        except OSError as error:
            raise UserError(
                f"{path} cannot be copied to {to}",
                found=str(error) or type(error).__name__,
                expected="a file that can be read, and room for it",
                hint=f"check access to the bucket; {COPIES} names another place for copies",
            ) from error
        if to.stat().st_size != size:
            copied = to.stat().st_size
            to.unlink()
            raise UserError(
                f"{path} was not copied whole",
                found=f"{copied} bytes",
                expected=f"{size} bytes",
                hint="run the command again",
            )
    return to


def drop_copies(directory: str | os.PathLike) -> None:
    """Removes the local copies of a remote directory's files."""
    if is_remote(directory):
        shutil.rmtree(local_place(directory), ignore_errors=True)


def files_of(directory: Path, leave_out: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yields all files below a directory, on a disk or in a bucket.

    Args:
        directory: directory to search; may be missing.
        leave_out: names of files and directories to skip.
    """
    for path in sorted(directory.iterdir()) if directory.exists() else ():
        if path.name not in leave_out:
            yield from files_of(path, leave_out) if path.is_dir() else (path,)


def bring(source: Path, to: Path) -> None:
    """Copies a remote file to a disk, where it appears only when it is complete."""
    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    with source.open("rb") as file, part.open("wb") as copy:
        shutil.copyfileobj(file, copy, 1 << 24)
    os.replace(part, to)
