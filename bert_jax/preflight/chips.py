"""TPU chips and slices of them, as far as a program can be compiled for them without one."""

import importlib.util
import os
from dataclasses import dataclass

from bert_jax.errors import UserError

# Before JAX is imported: there is no TPU to look for, and several processes may compile at a time.
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
               "JAX_ENABLE_COMPILATION_CACHE": "false",  # which cannot read programs of another machine
               "TPU_WORKER_HOSTNAMES": "localhost", "TPU_ACCELERATOR_TYPE": "v5litepod-1"}


@dataclass(frozen=True)
class Chip:
    """What is known of a chip.

    Attributes:
        flops_per_cycle: of bfloat16 products with float32 sums, by all of its matrix units.
        clock: cycles a second: those at which the matrix units make the published peak.
        hbm: bytes of memory that the compiler lets a program have.
        bandwidth: bytes a second of its memory, as published.
        ici: bytes a second that it sends to its neighbours over all links together, as published.
        dcn: its share of what its hosts send to other slices, bytes a second, as published.
        options: of the topology, so that a device is a chip and not one of its cores.
    """

    flops_per_cycle: int
    clock: float
    hbm: float
    bandwidth: float
    ici: float
    dcn: float
    options: tuple[tuple[str, str], ...] = ()

    @property
    def peak(self) -> float:
        """Operations a second."""
        return self.flops_per_cycle * self.clock


# Published at cloud.google.com/tpu/docs: peaks of 275, 197, 459 and 918 TFLOP/s; memory; links of 2400, 1600, 4800 and
# 3200 Gbit/s; between slices 25 Gbit/s a chip for v5e, 50 for v5p and 100 for v6e (for v4, where no figure a chip is
# published, v5p's). Clocks follow from the peaks and the matrix units. `hbm` is the limit that the compiler names.
CHIPS = {
    "v4": Chip(flops_per_cycle=8 * 128 * 128 * 2, clock=1.05e9, hbm=30.75 * 2**30, bandwidth=1228e9, ici=300e9,
               dcn=6.25e9, options=(("chip_config_name", "megacore"),)),
    "v5e": Chip(flops_per_cycle=4 * 128 * 128 * 2, clock=1.5e9, hbm=15.75 * 2**30, bandwidth=819e9, ici=200e9,
                dcn=3.125e9),
    "v5p": Chip(flops_per_cycle=8 * 128 * 128 * 2, clock=1.75e9, hbm=95.73 * 2**30, bandwidth=2765e9, ici=600e9,
                dcn=6.25e9),
    "v6e": Chip(flops_per_cycle=4 * 256 * 256 * 2, clock=1.75e9, hbm=31.24 * 2**30, bandwidth=1640e9, ici=400e9,
                dcn=12.5e9),
}


def slice_of(topology: str, slices: int = 1) -> tuple[Chip, list]:
    """The chip and the devices, one a chip, of so many slices such as 'v5e:2x4'.

    Raises:
        UserError: it is not known, or there is no compiler for TPUs here.
    """
    name, _, shape = topology.partition(":")
    if name not in CHIPS or not shape:
        raise UserError(f"{topology!r} is no topology", found=name, expected=f"one of {', '.join(CHIPS)} with a shape",
                        hint="--topology=v5e:2x4")
    if not importlib.util.find_spec("libtpu"):
        raise UserError("there is no compiler for TPUs here", found="no module 'libtpu'", expected="libtpu",
                        hint="pip install libtpu")
    os.environ.update({key: value for key, value in ENVIRONMENT.items() if key not in os.environ})
    from jax.experimental import topologies

    chip = CHIPS[name]
    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=topology,
                                              **(dict(num_slices=slices) if slices > 1 else {}), **dict(chip.options))
    except Exception as error:  # the compiler raises its own kinds
        raise UserError(f"the compiler does not know the topology {topology!r}", found=str(error).splitlines()[0],
                        expected="a shape of whole hosts, as v5e:2x4, v5e:16x16, v4:2x2x4", hint="another shape"
                        ) from None
    return chip, list(found.devices)
