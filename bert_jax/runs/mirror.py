"""Local copy of a directory in a bucket, where nothing can be appended to, renamed or mapped."""

import shutil
from pathlib import Path

from bert_jax.disk import LOCK, TEMPORARY
from bert_jax.remote import bring, files_of, is_remote, local_place


class Mirror:
    """A directory to work in: a local one itself, or the local copy of a remote one.

    Args:
        directory: local or remote.
        copy: distinguishes copies of processes that share a machine.
        stores: name of the directory in it whose parts are large and have a manifest each; empty
            if there is none.
        manifest: name of the file that is the last one of a store to be written and that says what
            the others hold.
        unfinished: name of directories that stay local.
    """

    def __init__(
        self,
        directory: Path,
        copy: str = "",
        stores: str = "",
        manifest: str = "",
        unfinished: str = "",
    ):
        self.remote = directory if is_remote(directory) else None
        self.local = local_place(directory) / f"run{copy}" if self.remote else directory
        self._stores = f"{stores}/" if stores else None
        self._manifest, self._unfinished = manifest, unfinished
        self._pushed: dict[str, tuple[int, int]] = {}

    def pull(self, leave_out: tuple[str, ...] = ()) -> None:
        """Makes the local copy equal to the remote directory.

        A store whose manifest is here already is not copied again. Local files that the remote
        directory lacks are removed, except those of stores, which take hours to make and whose
        manifests say what they hold.

        Args:
            leave_out: names of directories that stay remote.
        """
        if not self.remote:
            return
        self.local.mkdir(parents=True, exist_ok=True)
        there = {_relative(path, self.remote): path for path in files_of(self.remote, leave_out)}
        complete = tuple(
            name.removesuffix(self._manifest)
            for name, path in there.items()
            if self._is_manifest(name) and _same_bytes(path, self.local / name)
        )
        for name, path in there.items():
            to = self.local / name
            if not (name.startswith(complete) and to.exists()):
                to.parent.mkdir(parents=True, exist_ok=True)
                bring(path, to)
            self._pushed[name] = _state(to)
        for path in list(files_of(self.local)):
            name = _relative(path, self.local)
            if name not in there and not self._in_store(name) and not name.startswith(LOCK):
                path.unlink()

    def push(self) -> None:
        """Writes the files that have changed since the last push to the remote directory, each as a
        whole; manifests come last."""
        if not self.remote:
            return
        left_out = (self._unfinished,) if self._unfinished else ()
        paths = [path for path in files_of(self.local, left_out) if not path.name.startswith(".")]
        for path in sorted(paths, key=lambda path: path.name == self._manifest):
            name, state = _relative(path, self.local), _state(path)
            if self._pushed.get(name) != state and path.suffix not in (TEMPORARY, LOCK):
                to = self.remote / name
                to.parent.mkdir(parents=True, exist_ok=True)
                with path.open("rb") as file, to.open("wb") as copy:
                    shutil.copyfileobj(file, copy, 1 << 24)
                self._pushed[name] = state

    def _in_store(self, name: str) -> bool:
        return self._stores is not None and name.startswith(self._stores)

    def _is_manifest(self, name: str) -> bool:
        return self._in_store(name) and name.endswith(self._manifest)


def _same_bytes(path: Path, local: Path) -> bool:
    return local.exists() and local.read_bytes() == path.read_bytes()


def _relative(path: Path, directory: Path) -> str:
    return str(path).removeprefix(str(directory)).lstrip("/")


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
