"""Paths that may be in a bucket, and what is brought from there to this machine's disk.

A bucket has no append, no rename and no lock. What needs them, or a memory map, works on a local copy: files go up and
come down whole.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from bert_jax.errors import UserError

COPIES = "BERT_JAX_COPIES"  # an environment variable: where local copies lie


def path_of(text: str | os.PathLike) -> Path:
    """A path on a disk, or one such as gs://bucket/run.

    Raises:
        UserError: what reads such a path is not installed.
    """
    if not is_remote(text):
        return Path(text)
    if str(text).startswith("gs://") and not importlib.util.find_spec("gcsfs"):
        raise UserError(f"{text} needs gcsfs", found="it is not installed", expected="gcsfs, which reads buckets",
                        hint="pip install gcsfs")
    return epath.Path(text)


def local_path(text: str) -> Path:
    """A path on a disk.

    Raises:
        UserError: it is another one.
    """
    if is_remote(text):
        raise UserError(f"{text} is not on a disk", expected="a directory of this machine, or one that it mounts",
                        hint="copy what it gets to the bucket afterwards")
    return Path(text)


def is_remote(path: str | os.PathLike) -> bool:
    return "://" in str(path)


def local_place(path: str | os.PathLike) -> Path:
    """Where copies of a remote directory lie on this machine: the same place at each start."""
    root = Path(os.environ.get(COPIES) or Path.home() / ".cache" / "bert_jax")
    return root / hashlib.sha256(str(path).rstrip("/").encode()).hexdigest()[:16]


def local_copy(path: str | os.PathLike) -> Path:
    """A file as it lies on a disk: itself, or a whole copy that all processes of this machine share.

    Raises:
        UserError: it cannot be read, or less of it came than there is.
    """
    if not is_remote(path):
        return Path(path)
    source, to = epath.Path(path), local_place(os.path.dirname(path)) / os.path.basename(path)
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.with_name(to.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            size = source.stat().length
            if not (to.exists() and to.stat().st_size == size):
                _bring(source, to)
        except OSError as error:
            raise UserError(f"{path} cannot be copied to {to}", found=str(error) or type(error).__name__,
                            expected="a file that can be read, and room for it",
                            hint=f"check access to the bucket; {COPIES} names another place for copies") from error
        if to.stat().st_size != size:
            found = to.stat().st_size
            to.unlink()
            raise UserError(f"{path} was not copied whole", found=f"{found} bytes", expected=f"{size} bytes",
                            hint="run the command again")
    return to


def drop_copies(directory: str | os.PathLike) -> None:
    """Removes the local copies of a remote directory's files."""
    if is_remote(directory):
        shutil.rmtree(local_place(directory), ignore_errors=True)


def files_of(directory: Path, leave_out: tuple[str, ...] = ()) -> Iterator[Path]:
    """All files below a directory, of a disk or a bucket, but for those below names that are left out."""
    for path in sorted(directory.iterdir()) if directory.exists() else ():
        if path.name not in leave_out:
            yield from files_of(path, leave_out) if path.is_dir() else (path,)


def _bring(source: Path, to: Path) -> None:
    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    with source.open("rb") as file, part.open("wb") as copy:
        shutil.copyfileobj(file, copy, 1 << 24)
    os.replace(part, to)


class Mirror:
    """A directory to work in: a local one itself, or the local copy of a remote one.

    Args:
        directory: local or remote.
        copy: tells copies apart that processes of one machine would share.
    """

    def __init__(self, directory: Path, copy: str = ""):
        self.remote = directory if is_remote(directory) else None
        self.local = local_place(directory) / f"run{copy}" if self.remote else directory
        self._pushed: dict[str, tuple[int, int]] = {}

    def pull(self, leave_out: tuple[str, ...] = ()) -> None:
        """Makes the local copy what the remote directory is.

        Args:
            leave_out: directories that stay remote; other local files that are not there are removed, but for those of
                token stores, which cost hours and say themselves what they are of.
        """
        if not self.remote:
            return
        self.local.mkdir(parents=True, exist_ok=True)
        there = {_relative(path, self.remote): path for path in files_of(self.remote, leave_out)}
        # A token store whose manifest is here already is here: its files may be large.
        stores = tuple(name.removesuffix("manifest.json") for name, path in there.items()
                       if name.startswith("store/") and name.endswith("manifest.json")
                       and (self.local / name).exists() and (self.local / name).read_bytes() == path.read_bytes())
        for name, path in there.items():
            to = self.local / name
            if not (stores and name.startswith(stores) and to.exists()):
                to.parent.mkdir(parents=True, exist_ok=True)
                _bring(path, to)
            self._pushed[name] = _state(to)
        for path in list(files_of(self.local)):
            name = _relative(path, self.local)
            if name not in there and not name.startswith(("store/", ".lock")):
                path.unlink()

    def push(self) -> None:
        """Writes what has changed since the last time to the remote directory, file by file; manifests come last."""
        if not self.remote:
            return
        paths = [path for path in files_of(self.local, ("building",)) if not path.name.startswith(".")]
        for path in sorted(paths, key=lambda path: path.name == "manifest.json"):
            name, state = _relative(path, self.local), _state(path)
            if self._pushed.get(name) != state and path.suffix not in (".tmp", ".new", ".lock"):
                to = self.remote / name
                to.parent.mkdir(parents=True, exist_ok=True)
                with path.open("rb") as file, to.open("wb") as copy:
                    shutil.copyfileobj(file, copy, 1 << 24)
                self._pushed[name] = state


def _relative(path: Path, directory: Path) -> str:
    return str(path).removeprefix(str(directory)).lstrip("/")


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
