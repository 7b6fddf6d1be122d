import numpy as np
import pytest
from jax.sharding import PartitionSpec

from bert_jax.config import MeshConfig
from bert_jax.errors import UserError
from bert_jax.parallel import mesh as meshes
from bert_jax.parallel.sharding import partition_spec


def make(**sizes):
    return meshes.make_mesh(MeshConfig(**sizes))


def test_data_takes_what_is_left():
    assert dict(make(fsdp=2, tensor=2).shape) == dict(slice=1, data=2, fsdp=2, tensor=2)
    assert make(data=1).size == 1  # fewer devices than there are


def test_hosts_of_gpus_are_no_slices(monkeypatch):
    """They have a `slice_index` each."""

    class Device:
        def __init__(self, number):
            self.id, self.slice_index, self.platform, self.device_kind = (
                number,
                number // 4,
                "gpu",
                "NVIDIA H100",
            )
            self.process_index = self.slice_index

    devices = [Device(number) for number in range(8)]
    made = {}
    monkeypatch.setattr(
        meshes, "Mesh", lambda arranged, axes, axis_types: made.update(shape=arranged.shape)
    )
    meshes.make_mesh(MeshConfig(fsdp=2), devices)
    assert made["shape"] == (1, 4, 2, 1)
    with pytest.raises(UserError, match="is not the number of slices"):
        meshes.make_mesh(MeshConfig(slice=4), devices)


@pytest.mark.parametrize("sizes", [dict(fsdp=3), dict(data=16), dict(data=4, tensor=4)])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(UserError, match="config.mesh does not fit") as error:
        make(**sizes)
    assert "8 device" in str(error.value)


def test_rows_and_parts_must_divide():
    mesh = make(data=4, fsdp=2)
    meshes.check_rows(mesh, 16, "train.batch_size")
    with pytest.raises(UserError, match="config.train.batch_size") as error:
        meshes.check_rows(mesh, 12, "train.batch_size")
    assert "--config.train.batch_size=16" in str(error.value)
    meshes.check_parts(mesh, 32, 4)
    with pytest.raises(UserError, match="config.train.accumulation"):
        meshes.check_parts(mesh, 32, 8)


def test_rows_go_to_the_devices_and_come_back():
    mesh = make(data=2, fsdp=2, tensor=2)
    rows = meshes.host_rows(mesh, 8)
    np.testing.assert_array_equal(rows, np.arange(8))  # the only host has them all
    batch = dict(x=np.arange(24).reshape(8, 3))
    placed = meshes.to_devices(batch, mesh, 8)["x"]
    np.testing.assert_array_equal(placed, batch["x"])
    assert {s.data.shape for s in placed.addressable_shards} == {(2, 3)}


RULES = MeshConfig().rules


@pytest.mark.parametrize(
    "name, shape, expected",
    [
        ("bert/embeddings/word_embeddings/embedding", (64, 32), ("tensor", "fsdp")),
        ("bert/embeddings/position_embeddings/embedding", (64, 32), (None, "fsdp")),
        ("bert/encoder/layer_0/attention/query/kernel", (32, 32), ("fsdp", "tensor")),
        ("1/mu/bert/encoder/layer_0/attention/query/kernel", (32, 32), ("fsdp", "tensor")),
        ("bert/encoder/layers/attention/query/kernel", (2, 32, 32), (None, "fsdp", "tensor")),
        ("bert/encoder/layer_0/attention/qkv/kernel", (32, 3, 32), ("fsdp", None, "tensor")),
        ("bert/encoder/layer_0/attention/output/kernel", (32, 32), ("tensor", "fsdp")),
        ("bert/encoder/layer_0/feed_forward/intermediate/bias", (64,), ("tensor",)),
        ("bert/encoder/layer_0/attention_layer_norm/scale", (32,), ()),
        ("bert/pooler/dense/kernel", (32, 32), ("fsdp",)),
        ("mlm/bias", (64,), ("tensor",)),
        ("nsp/dense/kernel", (32, 2), ()),
        ("3/count", (), ()),
    ],
)
def test_rules(name, shape, expected):
    assert partition_spec(name, shape, make(data=2, fsdp=2, tensor=2), RULES) == PartitionSpec(
        *expected
    )


def test_a_dimension_that_does_not_divide():
    mesh = make(data=2, tensor=4)
    name = "bert/embeddings/word_embeddings/embedding"
    with pytest.raises(UserError, match="word_embeddings") as error:
        partition_spec(name, (30522, 32), mesh, RULES)
    assert "--config.compute.vocab_multiple=4" in str(error.value)
    assert partition_spec(name, (30522, 32), mesh, RULES, strict=False) == PartitionSpec(
        None, "fsdp"
    )


def test_rules_of_the_recipe_count():
    rules = ((r"query/kernel$", (None, "tensor")),)
    assert partition_spec("bert/query/kernel", (4, 4), make(tensor=2), rules) == PartitionSpec(
        None, "tensor"
    )
    assert partition_spec("bert/key/kernel", (4, 4), make(tensor=2), rules) == PartitionSpec()
