"""Our model of the networks between chips: which axes of the mesh a collective runs along, and how
long it takes."""

import math
from typing import Any

import numpy as np
from jax.sharding import Mesh

from bert_jax.parallel.devices import Tpu
from bert_jax.preflight.hlo import Collective


def axes_of(collective: Collective, mesh: Mesh) -> tuple[str, ...]:
    """The axes of the mesh along which a collective runs; of several slices a program is that of
    one of them."""
    if collective.between_slices:
        return ("slice",)
    within = {axis: size for axis, size in mesh.shape.items() if axis != "slice"}
    numbers = np.array(collective.groups)
    if numbers.size == 0:  # all devices
        return tuple(axis for axis, size in within.items() if size > 1)
    places = np.unravel_index(numbers, tuple(within.values()))
    return tuple(axis for axis, place in zip(within, places) if (place != place[:, :1]).any())


def seconds_of(collective: Collective, mesh: Mesh, chip: Tpu) -> float:
    """Returns the seconds that a chip takes to send its share over all links of the network
    together, at their published rate.

    Rings send each byte (n - 1) / n times in an all-gather or a reduce-scatter of n, and twice that
    in an all-reduce. Latency, contention, and that a slice may have no links around its edges, are
    left out. Between slices a chip hands its hosts its own part, and all-gathers send that to each
    of the others.
    """
    if collective.between_slices:
        members, rate = mesh.shape["slice"], chip.dcn
    else:
        axes = axes_of(collective, mesh)
        members, rate = math.prod(mesh.shape[axis] for axis in axes), chip.ici
    others, share = members - 1, (members - 1) / members
    sent = {
        "all-reduce": 2 * share,
        "all-gather": share,
        "reduce-scatter": others,
        "all-to-all": share,
        "collective-permute": 1,
    }  # as often as the result is large
    handed = dict(sent) | {
        "all-gather": others,
        "reduce-scatter": share,
    }  # as often as what is handed over
    times = (handed if collective.between_slices else sent).get(collective.kind, 1)
    return collective.times * times * collective.bytes / rate


def summary(collectives: list[Collective], mesh: Mesh, chip: Tpu) -> list[dict]:
    """Returns the number, the bytes of results on a chip, and the seconds of the collectives of
    each kind and choice of axes."""
    totals: dict[tuple, dict[str, Any]] = {}
    for one in collectives:
        axes = "+".join(axes_of(one, mesh)) or "one device"
        total = totals.setdefault(
            (one.kind, axes), dict(kind=one.kind, axes=axes, count=0, bytes=0, seconds=0.0)
        )
        total["count"] += one.times
        total["bytes"] += one.times * one.bytes
        total["seconds"] += seconds_of(one, mesh, chip)
    return sorted(totals.values(), key=lambda one: -one["seconds"])
