"""PyTorch's files, read without PyTorch and without executing what is in them."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from bert_jax.checkpoint import torch_files
from bert_jax.errors import UserError

GOLDEN = Path(__file__).parents[1] / "golden"
SHIPPED = Path(__file__).parents[2] / "bert_jax" / "verification" / "golden" / "bert"


@pytest.mark.parametrize("name", ["zip.bin", "sequence.bin"])
def test_both_formats_hold_what_safetensors_hold(name):
    expected = load_file(SHIPPED / "model.safetensors")
    found = torch_files.tensors(GOLDEN / name)
    assert found.keys() == expected.keys()
    for tensor, array in ((found[name], expected[name]) for name in expected):
        assert tensor.shape == array.shape and tensor.dtype == "float32"
        np.testing.assert_array_equal(tensor.load(), array)


class Rebuilt:
    """Pickles as a call of `torch._utils._rebuild_tensor_v2`."""

    def __init__(self, *arguments):
        self.arguments = arguments


class Stored:
    """Pickles as a reference to a storage."""

    def __init__(self, size, dtype="FloatStorage", key="0"):
        self.pid = ("storage", dtype, key, "cpu", size)


class Named:
    """Pickles as a global name."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Pickler(pickle._Pickler):
    dispatch = pickle._Pickler.dispatch.copy()

    def persistent_id(self, x):
        return (x.pid[0], Named("torch", x.pid[1]), *x.pid[2:]) if isinstance(x, Stored) else None

    def save_rebuilt(self, x):
        self.save_named(Named("torch._utils", "_rebuild_tensor_v2"))
        self.save(x.arguments)
        self.write(pickle.REDUCE)

    def save_named(self, x):
        self.write(pickle.GLOBAL + f"{x.module}\n{x.name}\n".encode())

    dispatch[Rebuilt], dispatch[Named] = save_rebuilt, save_named


def archive(path, opened, numbers=np.arange(6, dtype=np.float32)):
    """A file as PyTorch's newer format has it."""
    written = io.BytesIO()
    Pickler(written, protocol=2).dump(opened)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", written.getvalue())
        file.writestr("archive/data/0", numbers.tobytes())
    return path


def test_views_strides_and_dtypes(tmp_path):
    state = {
        "transposed": Rebuilt(Stored(6), 0, (3, 2), (1, 3), False),
        "part": Rebuilt(Stored(6), 2, (2,), (1,), False),
        "number": Rebuilt(Stored(6), 5, (), (), False),
        "empty": Rebuilt(Stored(6), 0, (0, 4), (4, 1), False),
    }
    found = torch_files.tensors(archive(tmp_path / "x.bin", {"state_dict": state}))
    np.testing.assert_array_equal(found["transposed"].load(), np.arange(6).reshape(2, 3).T)
    np.testing.assert_array_equal(found["part"].load(), [2, 3])
    assert found["number"].load() == 5 and found["empty"].load().shape == (0, 4)
    halves = np.arange(6).astype(np.float16)
    state = {"x": Rebuilt(Stored(6, "HalfStorage"), 0, (6,), (1,), False)}
    tensor = torch_files.tensors(archive(tmp_path / "y.bin", state, halves))["x"]
    assert tensor.dtype == "float16"
    np.testing.assert_array_equal(tensor.load(), halves)


class Dangerous:
    def __init__(self, call, *arguments):
        self.call = call, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("wrap", ["archive", "sequence", "plain"])
@pytest.mark.parametrize(
    "call",
    [
        (os.system, "touch {}"),
        (eval, "open({!r}, 'w')"),
        (getattr, "x", "upper"),
        (__import__, "os"),
    ],
)
def test_nothing_is_executed(tmp_path, wrap, call):
    mark = tmp_path / "executed"
    content = pickle.dumps(
        {"x": Dangerous(call[0], *(a.format(str(mark)) for a in call[1:]))}, protocol=2
    )
    path = tmp_path / "x.bin"
    if wrap == "archive":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", content)
    else:
        head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}) if wrap == "sequence" else ()
        path.write_bytes(b"".join(pickle.dumps(x, protocol=2) for x in head) + content)
    with pytest.raises(UserError, match="nothing that needs code"):
        torch_files.tensors(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "tensor, said",
    [
        (Rebuilt(Stored(6), 0, (7,), (1,), False), "beyond its storage"),
        (Rebuilt(Stored(6), 1, (2, 3), (3, 1), False), "beyond its storage"),
        (Rebuilt(Stored(6), -1, (2,), (1,), False), "without a proper"),
        (Rebuilt(Stored(6), 0, (2, 2), (1,), False), "without a proper"),
        (Rebuilt(None, 0, (2,), (1,), False), "without a proper"),
        (Rebuilt(Stored(6, "CustomStorage"), 0, (2,), (1,), False), "CustomStorage"),
        ("text", "other than a dict"),
    ],
)
def test_impossible_tensors_are_refused(tmp_path, tensor, said):
    with pytest.raises(UserError, match=said):
        torch_files.tensors(archive(tmp_path / "x.bin", {"x": tensor}))


def test_a_storage_of_more_than_its_numbers_is_not_unpacked(tmp_path):
    state = {"x": Rebuilt(Stored(5), 0, (5,), (1,), False)}
    with pytest.raises(UserError, match="24 bytes for 5 numbers"):
        torch_files.tensors(archive(tmp_path / "x.bin", state))["x"].load()


def test_a_storage_that_is_cut_off_is_noticed_when_read(tmp_path):
    state = {"x": Rebuilt(Stored(60), 0, (60,), (1,), False)}
    with pytest.raises(UserError, match="cut off"):
        torch_files.tensors(archive(tmp_path / "x.bin", state))["x"].load()


def test_a_large_number_takes_no_memory(tmp_path):
    """A flipped bit makes one byte of it four, for which the unpickler would make room."""
    content, number = (GOLDEN / "sequence.bin").read_bytes(), 2**31 - 1
    path = tmp_path / "sequence.bin"
    path.write_bytes(
        content.replace(
            pickle.BINPUT + b"\x03", pickle.LONG_BINPUT + number.to_bytes(4, "little"), 1
        )
    )
    with pytest.raises(UserError, match=f"remembered as number {number}"):
        torch_files.tensors(path)


@pytest.mark.parametrize("name", ["zip.bin", "sequence.bin"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_give_one_clear_error(tmp_path_factory, name, data):
    content = bytearray((GOLDEN / name).read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        # Where what is pickled lies: a flipped number elsewhere is another number.
        for at in data.draw(
            st.lists(st.integers(0, min(len(content), 9000) - 1), min_size=1, max_size=5)
        ):
            content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(content)
    try:
        for tensor in torch_files.tensors(path).values():
            assert tensor.load().shape == tensor.shape
    except UserError as error:
        assert str(path) in str(error)
