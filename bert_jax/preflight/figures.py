"""An estimate for a person, and for a program."""

from typing import Any

from rich.console import Console
from rich.table import Column, Table

from bert_jax.preflight import interconnect
from bert_jax.preflight.estimate import Estimate
from bert_jax.preflight.memory import Memory
from bert_jax.training.summary import bytes_said


def figures(found: Estimate, topology: str, price: float) -> dict:
    """The estimate as JSON can hold it; docs/preflight.md says what each key is.

    Args:
        topology: what it is for.
        price: of a chip-hour; 0 if it is not known.
    """
    said = dict(
        topology=topology,
        slices=found.mesh.shape["slice"],
        step=found.step,
        chips=found.mesh.size,
        mesh={axis: size for axis, size in found.mesh.shape.items() if size > 1},
        batch_size=found.batch_size,
        length=found.length,
        parameters=found.parameters,
        fits=found.fits,
        hbm_bytes_per_chip=found.hbm_bytes,
        hbm_limit_per_chip=int(found.chip.hbm),
        state_bytes_per_chip=found.state_bytes,
        saved_bytes_per_chip=found.saved_bytes,
        model_flops_per_step=found.model_flops,
        hardware_flops_per_step=found.hardware_flops,
    )
    if not found.cycles:  # it ran out of memory: there is no program
        return said
    uncosted: dict[str, dict] = {}
    for one in found.uncosted:
        total = uncosted.setdefault(one.what, dict(count=0, bytes=0, seconds=0.0))
        total["count"] += one.times
        total["bytes"] += one.times * one.bytes
        total["seconds"] += found.roofline(one)
    rates = dict(
        temporary_bytes_per_chip=found.temporary_bytes,
        estimated_cycles=found.cycles.total(),
        cycles_by_part=dict(found.cycles.most_common()),
        compute_seconds=found.seconds,
        uncosted_seconds=found.uncosted_seconds,
        collective_seconds=found.collective_seconds,
        collectives=interconnect.summary(found.collectives, found.mesh, found.chip),
        estimated_step_seconds=found.overlapped,
        estimated_step_seconds_serial=found.serial,
        mfu=found.mfu(found.overlapped),
        mfu_serial=found.mfu(found.serial),
        sequences_per_second=found.batch_size / found.overlapped,
        sequences_per_second_serial=found.batch_size / found.serial,
        loops=found.loops,
        uncosted=uncosted,
    )
    if not found.steps:  # how many there are is not known
        return said | rates
    days = [found.steps * seconds / 86400 for seconds in (found.overlapped, found.serial)]
    hours = [24 * found.mesh.size * one for one in days]
    costs = dict(cost=hours[0] * price, cost_serial=hours[1] * price) if price else {}
    return (
        said
        | rates
        | costs
        | dict(
            steps=found.steps,
            days=days[0],
            days_serial=days[1],
            chip_hours=hours[0],
            chip_hours_serial=hours[1],
        )
    )


def show(console: Console, found: Estimate, said: dict) -> None:
    """Prints an estimate, and says of each figure whose it is."""
    table = _sheet()

    def row(name: str, text: str, whose: str = "exact") -> None:
        table.add_row(f"[bold]{name}[/]", text, f"[dim]{whose}[/]")

    chips, slices = said["chips"], said["slices"]
    row(
        "slice",
        f"{said['topology']}, {chips} chips"
        if slices == 1
        else f"{slices} x {said['topology']}, {chips} chips",
    )
    row("mesh", " ".join(f"{axis}={size}" for axis, size in said["mesh"].items()) or "one chip")
    row(
        "batch",
        f"{found.batch_size:,} rows of {found.length} tokens, {found.batch_size / chips:g} a chip",
    )
    row("parameters", f"{found.parameters:,}")
    row("model FLOPs", f"{found.model_flops:.3e} a step")
    row(
        "hardware FLOPs",
        f"{found.hardware_flops:.3e} a step, {found.hardware_flops / found.model_flops:.2f} of "
        f"these",
    )
    row("state a chip", bytes_said(found.state_bytes))
    if found.saved_bytes:
        row("saved activations", bytes_said(found.saved_bytes), "about, by shapes")
    limit = bytes_said(int(found.chip.hbm))
    if found.hbm_bytes is None:
        row("memory a chip", f"does not fit {limit}", "compiler")
    else:
        free = int(found.chip.hbm) - found.hbm_bytes
        verdict = (
            f"fits, {bytes_said(free)} free"
            if found.fits
            else f"does not fit, {bytes_said(-free)} too much"
        )
        if found.cycles:
            row("temporaries", bytes_said(found.temporary_bytes), "compiler")
        row("memory a chip", f"{bytes_said(found.hbm_bytes)} of {limit}: {verdict}", "compiler")
    if found.cycles:
        row(
            "computation",
            f"{1e3 * found.seconds:.2f} ms, {found.cycles.total():,} cycles",
            "compiler's estimate",
        )
        if found.uncosted:
            row("without estimate", f"{1e3 * found.uncosted_seconds:.2f} ms", "our roofline")
        row("communication", f"{1e3 * found.collective_seconds:.2f} ms", "our model")
        _bounds(row, "a step", said, "estimated_step_seconds", lambda x: f"{1e3 * x:.2f} ms")
        _bounds(row, "MFU", said, "mfu", lambda x: f"{x:.3f}")
        _bounds(row, "sequences", said, "sequences_per_second", lambda x: f"{x:,.0f} a second")
        if found.steps:
            _bounds(row, f"{found.steps:,} steps", said, "days", lambda x: f"{x:.2f} days")
            _bounds(row, "chip-hours", said, "chip_hours", lambda x: f"{x:,.0f}")
        if "cost" in said:
            _bounds(row, "cost", said, "cost", lambda x: f"{x:,.0f}")
    if "host_seconds" in said:
        row(
            "here",
            f"{said['host_seconds']:.0f} s, {bytes_said(said['host_bytes'])} of memory",
            "measured",
        )
    console.print(table)
    if not found.cycles:
        return
    parts = Table("part", "ms", "share", box=None, padding=(0, 2, 0, 0))
    for part, cycles in found.cycles.most_common():
        share = cycles / found.cycles.total()
        parts.add_row(part, f"{1e3 * found.seconds * share:.2f}", f"{share:.1%}")
    console.print(parts)
    if said["collectives"]:
        sent = Table(
            "collective", "along", "a step", "bytes a chip", "ms", box=None, padding=(0, 2, 0, 0)
        )
        for one in said["collectives"]:
            sent.add_row(
                one["kind"],
                one["axes"],
                f"{one['count']:,}",
                bytes_said(one["bytes"]),
                f"{1e3 * one['seconds']:.2f}",
            )
        console.print(sent)
    if found.loops:
        console.print(
            f"loops: {', '.join(f'{name} {trips} times' for name, trips in found.loops.items())}",
            highlight=False,
        )
    if said["uncosted"]:
        console.print(
            "without an estimate of the compiler's, by our roofline: "
            + ", ".join(
                f"{one['count']:,} x {what} {1e3 * one['seconds']:.3f} ms"
                for what, one in sorted(
                    said["uncosted"].items(), key=lambda item: -item[1]["seconds"]
                )
            ),
            highlight=False,
        )


def _sheet() -> Table:
    return Table("", "", "whose figure", box=None, show_header=False, padding=(0, 2, 0, 0))


def _bounds(row: Any, name: str, said: dict, key: str, text: Any) -> None:
    row(name, f"{text(said[key])} overlapped, {text(said[f'{key}_serial'])} serial", "both")


def memory_figures(found: Memory, limit: int) -> dict:
    """An estimate by shapes as JSON can hold it, of which `fits` is null where `limit`, in bytes,
    is 0: unknown."""
    return dict(
        estimate="shapes",
        devices=found.devices,
        batch_size=found.batch_size,
        length=found.length,
        parameters=found.parameters,
        fits=found.total <= limit if limit else None,
        hbm_bytes_per_chip=found.total,
        hbm_limit_per_chip=limit or None,
        state_bytes_per_chip=found.state,
        gradient_bytes_per_chip=found.gradients,
        saved_bytes_per_chip=found.saved,
        working_bytes_per_chip=found.working,
    )


def show_memory(console: Console, said: dict) -> None:
    """Prints an estimate by shapes."""
    table = _sheet()
    for name, key, whose in (
        ("state", "state_bytes_per_chip", "exact"),
        ("gradients", "gradient_bytes_per_chip", "by shapes"),
        ("saved activations", "saved_bytes_per_chip", "about, by shapes"),
        ("at work", "working_bytes_per_chip", "about: one layer, or the heads"),
        ("memory", "hbm_bytes_per_chip", "an estimate: no compiler has seen it"),
    ):
        table.add_row(f"[bold]{name} a device[/]", bytes_said(said[key]), f"[dim]{whose}[/]")
    console.print(
        f"{said['devices']} device(s), {said['parameters']:,} parameters, {said['batch_size']:,} "
        f"rows of "
        f"{said['length']} tokens",
        highlight=False,
    )
    console.print(table)
    if said["hbm_limit_per_chip"]:
        console.print(
            f"{'fits' if said['fits'] else 'does not fit'} "
            f"{bytes_said(said['hbm_limit_per_chip'])}, if this "
            "estimate is right",
            highlight=False,
        )


def show_sweep(console: Console, said: list[dict]) -> None:
    """Prints a row a setting: those that fit, the fastest first; then those that do not.

    A star marks the frontier: no other setting is as fast with less memory.
    """
    fitting = sorted(
        (one for one in said if one["fits"]), key=lambda one: -one["sequences_per_second"]
    )
    table = Table(
        "",
        Column("setting", overflow="fold"),
        "memory a chip",
        "sequences/s",
        "MFU",
        box=None,
        padding=(0, 2, 0, 0),
    )
    least = float("inf")
    for one in fitting:
        best, least = one["hbm_bytes_per_chip"] < least, min(least, one["hbm_bytes_per_chip"])
        table.add_row(
            "*" * best,
            one["setting"],
            bytes_said(one["hbm_bytes_per_chip"]),
            f"{one['sequences_per_second_serial']:,.0f} to {one['sequences_per_second']:,.0f}",
            f"{one['mfu_serial']:.3f} to {one['mfu']:.3f}",
        )
    for one in said:
        if not one["fits"]:
            needs = one.get("hbm_bytes_per_chip")
            reason = (
                one["error"].splitlines()[0]
                if "error" in one
                else "does not fit" + (f": {bytes_said(needs)}" if needs else "")
            )
            table.add_row("", one["setting"], reason, "", "")
    console.print(table)
    console.print(
        "sequences a second and MFU: communication and computation one after the other, to "
        "overlapped; "
        "* on the frontier of speed and memory",
        highlight=False,
    )
