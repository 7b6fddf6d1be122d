"""An estimate for a person, and for a program."""

from typing import Any

from rich.console import Console
from rich.table import Column, Table

from bert_jax.preflight import interconnect
from bert_jax.preflight.estimate import Estimate
from bert_jax.preflight.memory import Memory
from bert_jax.training.summary import bytes_said


def figures(estimate: Estimate, topology: str, price: float) -> dict:
    """The estimate as JSON can hold it; docs/preflight.md says what each key is.

    Args:
        topology: what it is for.
        price: of a chip-hour; 0 if it is not known.
    """
    result = dict(
        topology=topology,
        slices=estimate.mesh.shape["slice"],
        step=estimate.step,
        chips=estimate.mesh.size,
        mesh={axis: size for axis, size in estimate.mesh.shape.items() if size > 1},
        batch_size=estimate.batch_size,
        length=estimate.length,
        parameters=estimate.parameters,
        fits=estimate.fits,
        hbm_bytes_per_chip=estimate.hbm_bytes,
        hbm_limit_per_chip=int(estimate.chip.hbm),
        state_bytes_per_chip=estimate.state_bytes,
        saved_bytes_per_chip=estimate.saved_bytes,
        model_flops_per_step=estimate.model_flops,
        hardware_flops_per_step=estimate.hardware_flops,
    )
    if not estimate.cycles:  # it ran out of memory: there is no program
        return result
    uncosted: dict[str, dict] = {}
    for one in estimate.uncosted:
        total = uncosted.setdefault(one.what, dict(count=0, bytes=0, seconds=0.0))
        total["count"] += one.times
        total["bytes"] += one.times * one.bytes
        total["seconds"] += estimate.roofline(one)
    rates = dict(
        temporary_bytes_per_chip=estimate.temporary_bytes,
        estimated_cycles=estimate.cycles.total(),
        cycles_by_part=dict(estimate.cycles.most_common()),
        compute_seconds=estimate.seconds,
        uncosted_seconds=estimate.uncosted_seconds,
        collective_seconds=estimate.collective_seconds,
        collectives=interconnect.summary(estimate.collectives, estimate.mesh, estimate.chip),
        estimated_step_seconds=estimate.overlapped,
        estimated_step_seconds_serial=estimate.serial,
        mfu=estimate.mfu(estimate.overlapped),
        mfu_serial=estimate.mfu(estimate.serial),
        sequences_per_second=estimate.batch_size / estimate.overlapped,
        sequences_per_second_serial=estimate.batch_size / estimate.serial,
        loops=estimate.loops,
        uncosted=uncosted,
    )
    if not estimate.steps:  # how many there are is not known
        return result | rates
    days = [estimate.steps * seconds / 86400 for seconds in (estimate.overlapped, estimate.serial)]
    hours = [24 * estimate.mesh.size * one for one in days]
    costs = dict(cost=hours[0] * price, cost_serial=hours[1] * price) if price else {}
    return (
        result
        | rates
        | costs
        | dict(
            steps=estimate.steps,
            days=days[0],
            days_serial=days[1],
            chip_hours=hours[0],
            chip_hours_serial=hours[1],
        )
    )


def show(console: Console, estimate: Estimate, figures: dict) -> None:
    """Prints an estimate, and says of each figure whose it is."""
    table = _sheet()

    def row(name: str, text: str, whose: str = "exact") -> None:
        table.add_row(f"[bold]{name}[/]", text, f"[dim]{whose}[/]")

    chips, slices = figures["chips"], figures["slices"]
    row(
        "slice",
        f"{figures['topology']}, {chips} chips"
        if slices == 1
        else f"{slices} x {figures['topology']}, {chips} chips",
    )
    row("mesh", " ".join(f"{axis}={size}" for axis, size in figures["mesh"].items()) or "one chip")
    row(
        "batch",
        f"{estimate.batch_size:,} rows of {estimate.length} tokens, "
        f"{estimate.batch_size / chips:g} a chip",
    )
    row("parameters", f"{estimate.parameters:,}")
    row("model FLOPs", f"{estimate.model_flops:.3e} a step")
    row(
        "hardware FLOPs",
        f"{estimate.hardware_flops:.3e} a step, "
        f"{estimate.hardware_flops / estimate.model_flops:.2f} of these",
    )
    row("state a chip", bytes_said(estimate.state_bytes))
    if estimate.saved_bytes:
        row("saved activations", bytes_said(estimate.saved_bytes), "about, by shapes")
    limit = bytes_said(int(estimate.chip.hbm))
    if estimate.hbm_bytes is None:
        row("memory a chip", f"does not fit {limit}", "compiler")
    else:
        free = int(estimate.chip.hbm) - estimate.hbm_bytes
        verdict = (
            f"fits, {bytes_said(free)} free"
            if estimate.fits
            else f"does not fit, {bytes_said(-free)} too much"
        )
        if estimate.cycles:
            row("temporaries", bytes_said(estimate.temporary_bytes), "compiler")
        row("memory a chip", f"{bytes_said(estimate.hbm_bytes)} of {limit}: {verdict}", "compiler")
    if estimate.cycles:
        row(
            "computation",
            f"{1e3 * estimate.seconds:.2f} ms, {estimate.cycles.total():,} cycles",
            "compiler's estimate",
        )
        if estimate.uncosted:
            row("without estimate", f"{1e3 * estimate.uncosted_seconds:.2f} ms", "our roofline")
        row("communication", f"{1e3 * estimate.collective_seconds:.2f} ms", "our model")
        _bounds(row, "a step", figures, "estimated_step_seconds", lambda x: f"{1e3 * x:.2f} ms")
        _bounds(row, "MFU", figures, "mfu", lambda x: f"{x:.3f}")
        _bounds(row, "sequences", figures, "sequences_per_second", lambda x: f"{x:,.0f} a second")
        if estimate.steps:
            _bounds(row, f"{estimate.steps:,} steps", figures, "days", lambda x: f"{x:.2f} days")
            _bounds(row, "chip-hours", figures, "chip_hours", lambda x: f"{x:,.0f}")
        if "cost" in figures:
            _bounds(row, "cost", figures, "cost", lambda x: f"{x:,.0f}")
    if "host_seconds" in figures:
        row(
            "here",
            f"{figures['host_seconds']:.0f} s, {bytes_said(figures['host_bytes'])} of memory",
            "measured",
        )
    console.print(table)
    if not estimate.cycles:
        return
    parts = Table("part", "ms", "share", box=None, padding=(0, 2, 0, 0))
    for part, cycles in estimate.cycles.most_common():
        share = cycles / estimate.cycles.total()
        parts.add_row(part, f"{1e3 * estimate.seconds * share:.2f}", f"{share:.1%}")
    console.print(parts)
    if figures["collectives"]:
        sent = Table(
            "collective", "along", "a step", "bytes a chip", "ms", box=None, padding=(0, 2, 0, 0)
        )
        for one in figures["collectives"]:
            sent.add_row(
                one["kind"],
                one["axes"],
                f"{one['count']:,}",
                bytes_said(one["bytes"]),
                f"{1e3 * one['seconds']:.2f}",
            )
        console.print(sent)
    if estimate.loops:
        loops = ", ".join(f"{name} {trips} times" for name, trips in estimate.loops.items())
        console.print(f"loops: {loops}", highlight=False)
    if figures["uncosted"]:
        console.print(
            "without an estimate of the compiler's, by our roofline: "
            + ", ".join(
                f"{one['count']:,} x {what} {1e3 * one['seconds']:.3f} ms"
                for what, one in sorted(
                    figures["uncosted"].items(), key=lambda item: -item[1]["seconds"]
                )
            ),
            highlight=False,
        )


def _sheet() -> Table:
    return Table("", "", "whose figure", box=None, show_header=False, padding=(0, 2, 0, 0))


def _bounds(row: Any, name: str, figures: dict, key: str, text: Any) -> None:
    row(name, f"{text(figures[key])} overlapped, {text(figures[f'{key}_serial'])} serial", "both")


def memory_figures(memory: Memory, limit: int) -> dict:
    """An estimate by shapes as JSON can hold it, of which `fits` is null where `limit`, in bytes,
    is 0: unknown."""
    return dict(
        estimate="shapes",
        devices=memory.devices,
        batch_size=memory.batch_size,
        length=memory.length,
        parameters=memory.parameters,
        fits=memory.total <= limit if limit else None,
        hbm_bytes_per_chip=memory.total,
        hbm_limit_per_chip=limit or None,
        state_bytes_per_chip=memory.state,
        gradient_bytes_per_chip=memory.gradients,
        saved_bytes_per_chip=memory.saved,
        working_bytes_per_chip=memory.working,
    )


def show_memory(console: Console, figures: dict) -> None:
    """Prints an estimate by shapes."""
    table = _sheet()
    for name, key, whose in (
        ("state", "state_bytes_per_chip", "exact"),
        ("gradients", "gradient_bytes_per_chip", "by shapes"),
        ("saved activations", "saved_bytes_per_chip", "about, by shapes"),
        ("at work", "working_bytes_per_chip", "about: one layer, or the heads"),
        ("memory", "hbm_bytes_per_chip", "an estimate: no compiler has seen it"),
    ):
        table.add_row(f"[bold]{name} a device[/]", bytes_said(figures[key]), f"[dim]{whose}[/]")
    console.print(
        f"{figures['devices']} device(s), {figures['parameters']:,} parameters, "
        f"{figures['batch_size']:,} rows of {figures['length']} tokens",
        highlight=False,
    )
    console.print(table)
    if figures["hbm_limit_per_chip"]:
        console.print(
            f"{'fits' if figures['fits'] else 'does not fit'} "
            f"{bytes_said(figures['hbm_limit_per_chip'])}, if this "
            "estimate is right",
            highlight=False,
        )


def show_sweep(console: Console, sweep: list[dict]) -> None:
    """Prints a row a setting: those that fit, the fastest first; then those that do not.

    A star marks the frontier: no other setting is as fast with less memory.
    """
    fitting = sorted(
        (one for one in sweep if one["fits"]), key=lambda one: -one["sequences_per_second"]
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
    for one in sweep:
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
