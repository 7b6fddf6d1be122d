"""Which axes a collective runs along, and what a chip sends."""

import pytest

from bert_jax.config import MeshConfig
from bert_jax.parallel import mesh as meshes
from bert_jax.parallel.devices import TPUS
from bert_jax.preflight.hlo import Collective
from bert_jax.preflight.interconnect import axes_of, seconds_of, summary

FOURS = ((0, 1, 2, 3), (4, 5, 6, 7))


@pytest.fixture
def mesh():
    return meshes.make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))


@pytest.mark.parametrize(
    "groups, axes",
    [
        (((0, 1), (2, 3), (4, 5), (6, 7)), ("tensor",)),
        (((0, 2), (1, 3), (4, 6), (5, 7)), ("fsdp",)),
        (((0, 4), (1, 5), (2, 6), (3, 7)), ("data",)),
        (FOURS, ("fsdp", "tensor")),
        ((tuple(range(8)),), ("data", "fsdp", "tensor")),
        ((), ("data", "fsdp", "tensor")),
        (((0,), (1,)), ()),
    ],
)
def test_axes_follow_from_the_groups(mesh, groups, axes):
    assert axes_of(Collective("all-reduce", 1, groups, 1), mesh) == axes


@pytest.mark.parametrize(
    "kind, times",
    [
        ("all-reduce", 1.5),
        ("all-gather", 0.75),
        ("reduce-scatter", 3),
        ("all-to-all", 0.75),
        ("collective-permute", 1),
    ],
)
def test_what_a_chip_sends(mesh, kind, times):
    """In rings of four, as often as its result is large."""
    one = Collective(kind, 1000, FOURS, 2)
    assert seconds_of(one, mesh, TPUS["v5e"]) == pytest.approx(2 * times * 1000 / 200e9)


def test_between_slices_the_slower_network_counts():
    mesh = meshes.make_mesh(MeshConfig(slice=4, data=2))
    for kind, times in (("all-reduce", 1.5), ("all-gather", 3), ("reduce-scatter", 0.75)):
        one = Collective(kind, 1000, (), 2, between_slices=True)
        assert axes_of(one, mesh) == ("slice",)
        assert seconds_of(one, mesh, TPUS["v5e"]) == pytest.approx(2 * times * 1000 / 3.125e9)
    within = Collective("all-reduce", 1000, ((0, 1),), 1)  # the program is that of one slice
    assert axes_of(within, mesh) == ("data",)
    found = summary([within, within, one], mesh, TPUS["v5e"])
    assert [(x["kind"], x["axes"], x["count"], x["bytes"]) for x in found] == [
        ("reduce-scatter", "slice", 2, 2000),
        ("all-reduce", "data", 2, 2000),
    ]
