"""A bucket to test with: an object store in memory, with what one lacks: no append, no rename, no
lock."""

import fsspec
from etils.epath import backend, gpath
from fsspec.implementations.memory import MemoryFileSystem

from bert_jax import remote


class Bucket(MemoryFileSystem):
    protocol = ("gcs", "gs")
    cachable = False
    written: list[str] = []  # every object that was written, in order

    @classmethod
    def _strip_protocol(cls, path):
        return MemoryFileSystem._strip_protocol(path.replace("gs://", "memory://"))

    def unstrip_protocol(self, name):
        return "gs://" + name.lstrip("/")

    def _open(self, path, mode="rb", **kwargs):
        if "a" in mode or "+" in mode:
            raise OSError(f"no object can be changed: {path}, {mode}")
        if "w" in mode:
            self.written.append(path)
        return super()._open(path, mode, **kwargs)

    def mv(self, *args, **kwargs):
        raise OSError("no object can be renamed")

    rename = move = mv


def install(monkeypatch, copies):
    """Makes gs:// an empty bucket in memory, whose copies lie in a directory of the test's own."""
    monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)
    monkeypatch.setattr(remote.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setenv(remote.COPIES, str(copies))
    monkeypatch.setattr(
        backend.fsspec_backend,
        "_get_filesystem",
        lambda name: Bucket() if name == "gcs" else fsspec.filesystem(name),
    )
    Bucket.store.clear()
    Bucket.pseudo_dirs[:] = [""]
    Bucket.written.clear()
    return Bucket
