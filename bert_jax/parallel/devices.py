"""Figures of accelerators, by the names that JAX and TPU topologies give them.

TPUs: cloud.google.com/tpu/docs publishes peaks, memory and bandwidths; links between chips of
2400, 1600, 4800 and 3200 Gbit/s; between slices 25 Gbit/s per chip for v5e, 50 for v5p and 100 for
v6e (for v4, where no figure per chip is published, v5p's is used). GPUs: NVIDIA's data sheets.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Tpu:
    """Figures of a TPU chip that estimates are made from.

    Attributes:
        flops_per_cycle: bfloat16 operations with float32 sums per cycle, of all matrix units.
        clock: cycles per second at which the matrix units reach the published peak.
        hbm: bytes of memory that the compiler lets a program have; its error messages name it.
        bandwidth: bytes per second of the memory, as published.
        ici: bytes per second sent to neighbouring chips over all links together, as published.
        dcn: bytes per second of the chip's share of its hosts' network to other slices.
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
        """Operations per second."""
        return self.flops_per_cycle * self.clock


@dataclass(frozen=True)
class Device:
    """A kind of accelerator.

    Attributes:
        kinds: beginnings of what JAX calls it (`device_kind`).
        peak: published operations per second of dense bfloat16 products with float32 sums.
        tpu: further figures of a TPU; None for GPUs.
    """

    kinds: tuple[str, ...]
    peak: float
    tpu: Tpu | None = None


DEVICES = {
    "v4": Device(
        kinds=("TPU v4",),
        peak=275e12,
        tpu=Tpu(
            flops_per_cycle=8 * 128 * 128 * 2,
            clock=1.05e9,
            hbm=30.75 * 2**30,
            bandwidth=1228e9,
            ici=300e9,
            dcn=6.25e9,
            options=(("chip_config_name", "megacore"),),
        ),
    ),
    "v5e": Device(
        kinds=("TPU v5 lite", "TPU v5e"),
        peak=197e12,
        tpu=Tpu(
            flops_per_cycle=4 * 128 * 128 * 2,
            clock=1.5e9,
            hbm=15.75 * 2**30,
            bandwidth=819e9,
            ici=200e9,
            dcn=3.125e9,
        ),
    ),
    "v5p": Device(
        kinds=("TPU v5", "TPU v5p"),
        peak=459e12,
        tpu=Tpu(
            flops_per_cycle=8 * 128 * 128 * 2,
            clock=1.75e9,
            hbm=95.73 * 2**30,
            bandwidth=2765e9,
            ici=600e9,
            dcn=6.25e9,
        ),
    ),
    "v6e": Device(
        kinds=("TPU v6 lite", "TPU v6e"),
        peak=918e12,
        tpu=Tpu(
            flops_per_cycle=4 * 256 * 256 * 2,
            clock=1.75e9,
            hbm=31.24 * 2**30,
            bandwidth=1640e9,
            ici=400e9,
            dcn=12.5e9,
        ),
    ),
    "A100": Device(kinds=("NVIDIA A100",), peak=312e12),
    "H100 PCIe": Device(kinds=("NVIDIA H100 PCIe",), peak=756e12),
    "H100": Device(kinds=("NVIDIA H100",), peak=989e12),
    "H200": Device(kinds=("NVIDIA H200",), peak=989e12),
    "L4": Device(kinds=("NVIDIA L4",), peak=121e12),
}
TPUS = {name: device.tpu for name, device in DEVICES.items() if device.tpu}


def device_of(kind: str) -> Device | None:
    """Returns the entry of `DEVICES` for a `device_kind`, or None if there is none.

    The longest of the matching beginnings counts; GPUs' names may go on with their memory.
    """
    matching: dict[str, Device] = {}
    for device in DEVICES.values():
        matching |= {begin: device for begin in device.kinds if re.match(rf"{begin}\b", kind)}
    return matching[max(matching, key=len)] if matching else None


def peak_of(kind: str) -> float | None:
    """Returns the published peak of a `device_kind` in operations per second, or None if it is not
    known."""
    device = device_of(kind)
    return device.peak if device else None
