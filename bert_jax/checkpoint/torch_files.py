"""Tensors of a `pytorch_model.bin`, without PyTorch and without executing what is pickled in it.

Such a file is a pickle, which may name any function to be called. Here a name means something only
if it stands in a short list, and what it means is code of ours that makes a description of a
tensor. Both of PyTorch's formats are read: the zip archive of 1.6 and later, and the sequence of
pickles before it.
"""

import functools
import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from bert_jax.checkpoint.pretrained import Tensor
from bert_jax.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C  # how the older format begins
_VERSION = 1001

_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class _Refused(Exception):
    """The file is not what it should be."""


class _Storage(NamedTuple):
    dtype: np.dtype
    key: str
    size: int  # numbers in it


class _Array(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


# A pickle may set attributes of whatever it can name, so what it can name has none that could be
# set.


class _RebuildTensor:
    """Stands in for PyTorch's function of that name; all counts are of numbers, not of bytes."""

    __slots__ = ()

    def __call__(
        self,
        storage: _Storage,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        *_: Any,
    ) -> _Array:
        shape, strides = tuple(shape), tuple(strides)
        if (
            not isinstance(storage, _Storage)
            or len(shape) != len(strides)
            or not all(type(n) is int and n >= 0 for n in (offset, *shape, *strides))
        ):
            raise _Refused("a tensor without a proper storage, shape and strides")
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
        if math.prod(shape) and last >= storage.size:
            raise _Refused(
                f"a tensor of {list(shape)} that reaches beyond its storage of {storage.size} "
                f"numbers"
            )
        return _Array(storage, offset, shape, strides)


class _RebuildParameter:
    __slots__ = ()

    def __call__(self, data: _Array, *_: Any) -> _Array:
        return data


_MEANINGS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
    **{("torch", name): name for name in _DTYPES},
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        _check_memo(file)
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _MEANINGS:
            raise _Refused(f"it asks for {module}.{name}, which tensors do not need")
        return _MEANINGS[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, size, *view = pid
        if kind != "storage" or dtype not in _DTYPES or type(size) is not int or any(view):
            raise _Refused(f"a reference to {kind!r} that is no whole storage")
        return _Storage(_DTYPES[dtype], str(key), size)


def _check_memo(file: BinaryIO) -> None:
    """Refuses a pickle that numbers what it remembers otherwise than one by one: the unpickler
    makes room for as many as the number says, which in a damaged file may be billions."""
    begin = file.tell()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
            raise _Refused(f"something remembered as number {argument}, of at most {count}")
    file.seek(begin)


def tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names; each is read when it is loaded.

    Raises:
        UserError: it is damaged, is no dict of tensors, or asks for anything beyond tensors.
    """
    try:
        opened, storage = _open_archive(path) if zipfile.is_zipfile(path) else _open_sequence(path)
        if isinstance(opened, dict) and isinstance(opened.get("state_dict"), dict):
            opened = opened["state_dict"]  # as training frameworks wrap it
        if not isinstance(opened, dict) or not all(
            isinstance(name, str) and isinstance(x, _Array) for name, x in opened.items()
        ):
            raise _Refused("something other than a dict of tensors")
    except OSError as error:
        raise UserError(
            f"{path} cannot be read", found=error.strerror, expected="a file of PyTorch's"
        ) from None
    except Exception as error:  # whatever the bytes made the unpickler do: the file is at fault
        raise _refusal(path, error) from None

    def load(x: _Array) -> np.ndarray:
        try:
            flat = storage(x.storage)[x.offset :]
        except Exception as error:
            raise _refusal(path, error) from None
        strides = [stride * flat.itemsize for stride in x.strides]
        return np.lib.stride_tricks.as_strided(flat, x.shape, strides, writeable=False)

    return {
        name: Tensor(x.shape, x.storage.dtype.name, functools.partial(load, x))
        for name, x in opened.items()
    }


def _refusal(path: Path, error: Exception) -> UserError:
    said = str(error) if isinstance(error, _Refused) else f"{type(error).__name__}: {error}"
    return UserError(
        f"{path} is not a file of tensors as PyTorch saves them",
        found=said,
        expected="a state dict, and nothing that needs code to be executed",
        hint="save it anew from PyTorch with safetensors.torch.save_file(state_dict, "
        "'model.safetensors')",
    )


def _open_archive(path: Path) -> tuple[object, Callable[[_Storage], np.ndarray]]:
    archive = zipfile.ZipFile(path)
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise _Refused("a zip archive without one data.pkl")
    root = pickles[0].removesuffix("data.pkl")
    if root + "byteorder" in archive.namelist() and archive.read(root + "byteorder") != b"little":
        raise _Refused("numbers in big-endian order")

    def storage(wanted: _Storage) -> np.ndarray:
        name = f"{root}data/{wanted.key}"
        size = archive.getinfo(name).file_size
        if (
            size > wanted.size * wanted.dtype.itemsize
        ):  # before a little that was compressed becomes gigabytes
            raise _Refused(f"storage {wanted.key} has {size} bytes for {wanted.size} numbers")
        return _whole(archive.read(name), wanted)

    return _Unpickler(io.BytesIO(archive.read(pickles[0]))).load(), storage


def _open_sequence(path: Path) -> tuple[object, Callable[[_Storage], np.ndarray]]:
    with path.open("rb") as file:
        if (_Unpickler(file).load(), _Unpickler(file).load()) != (_MAGIC, _VERSION):
            raise _Refused("another beginning than PyTorch's")
        if not _Unpickler(file).load().get("little_endian"):
            raise _Refused("numbers in big-endian order")
        recorder = _Recorder(file)
        opened = recorder.load()
        places = {}
        for key in _Unpickler(file).load():
            size = int.from_bytes(file.read(8), "little")
            if key not in recorder.storages or size != recorder.storages[key].size:
                raise _Refused(f"a storage of {size} numbers that was announced otherwise")
            places[key] = file.tell()
            file.seek(size * recorder.storages[key].dtype.itemsize, io.SEEK_CUR)

    def storage(wanted: _Storage) -> np.ndarray:
        with path.open("rb") as file:
            file.seek(places[wanted.key])
            return _whole(file.read(wanted.size * wanted.dtype.itemsize), wanted)

    return opened, storage


class _Recorder(_Unpickler):
    """Keeps the storages that are met."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict = {}

    def persistent_load(self, pid: Any) -> _Storage:
        storage = super().persistent_load(pid)
        return self.storages.setdefault(storage.key, storage)


def _whole(content: bytes, wanted: _Storage) -> np.ndarray:
    if len(content) != wanted.size * wanted.dtype.itemsize:
        raise _Refused(
            f"storage {wanted.key} has {len(content)} bytes for {wanted.size} numbers: the file "
            f"is cut off"
        )
    return np.frombuffer(content, wanted.dtype)
