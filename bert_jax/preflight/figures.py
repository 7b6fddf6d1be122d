"""Estimates of preflight as tables and as JSON."""

from collections.abc import Callable

from rich.console import Console
from rich.table import Column, Table

from bert_jax.preflight import interconnect
from bert_jax.preflight.estimate import Estimate
from bert_jax.preflight.memory import Memory
from bert_jax.training.summary import bytes_said


def figures(estimate: Estimate, topology: str, price: float) -> dict:
    """Returns an estimate as JSON can hold it; docs/preflight.md describes each key.

    Args:
        estimate: the estimate.
        topology: name of the slice that it is for.
        price: price of a chip-hour; 0 if it is not known.
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
    if estimate.cycles:  # otherwise it ran out of memory, and there is no program
        result |= _rates(estimate)
        if estimate.steps:  # otherwise their number is not known
            result |= _totals(estimate, price)
    return result


def _rates(estimate: Estimate) -> dict:
    """Returns the figures of one step."""
    uncosted: dict[str, dict] = {}
    for one in estimate.uncosted:
        total = uncosted.setdefault(one.what, dict(count=0, bytes=0, seconds=0.0))
        total["count"] += one.times
        total["bytes"] += one.times * one.bytes
        total["seconds"] += estimate.roofline(one)
    return dict(
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


def _totals(estimate: Estimate, price: float) -> dict:
    """Returns the figures of all steps."""
    days = [estimate.steps * seconds / 86400 for seconds in (estimate.overlapped, estimate.serial)]
    hours = [24 * estimate.mesh.size * one for one in days]
    costs = dict(cost=hours[0] * price, cost_serial=hours[1] * price) if price else {}
    return costs | dict(
        steps=estimate.steps,
        days=days[0],
        days_serial=days[1],
        chip_hours=hours[0],
        chip_hours_serial=hours[1],
    )


class _Sheet:
    """A table with a row for each figure: its name, the figure, and where it comes from."""

    def __init__(self) -> None:
        self.table = Table("", "", "source", box=None, show_header=False, padding=(0, 2, 0, 0))

    def row(self, name: str, text: str, source: str = "exact") -> None:
        self.table.add_row(f"[bold]{name}[/]", text, f"[dim]{source}[/]")

    def bounds(self, name: str, figures: dict, key: str, text: Callable[[float], str]) -> None:
        """Adds a figure with its overlapped and its serial bound."""
        overlapped, serial = text(figures[key]), text(figures[f"{key}_serial"])
        self.row(name, f"{overlapped} overlapped, {serial} serial", "both")


def show(console: Console, estimate: Estimate, figures: dict) -> None:
    """Prints an estimate, with the source of each figure."""
    sheet = _Sheet()
    _add_recipe(sheet, estimate, figures)
    _add_memory(sheet, estimate)
    if estimate.cycles:
        _add_time(sheet, estimate, figures)
    if "host_seconds" in figures:
        used = f"{figures['host_seconds']:.0f} s, {bytes_said(figures['host_bytes'])} of memory"
        sheet.row("preflight itself", used, "measured")
    console.print(sheet.table)
    if estimate.cycles:
        _show_parts(console, estimate, figures)


def _add_recipe(sheet: _Sheet, estimate: Estimate, figures: dict) -> None:
    chips, slices = figures["chips"], figures["slices"]
    times = f"{slices} x " if slices > 1 else ""
    mesh = " ".join(f"{axis}={size}" for axis, size in figures["mesh"].items())
    ratio = estimate.hardware_flops / estimate.model_flops
    sheet.row("slice", f"{times}{figures['topology']}, {chips} chips")
    sheet.row("mesh", mesh or "one chip")
    sheet.row(
        "batch",
        f"{estimate.batch_size:,} rows of {estimate.length} tokens, "
        f"{estimate.batch_size / chips:g} per chip",
    )
    sheet.row("parameters", f"{estimate.parameters:,}")
    sheet.row("model FLOPs", f"{estimate.model_flops:.3e} per step")
    sheet.row("hardware FLOPs", f"{estimate.hardware_flops:.3e} per step, {ratio:.2f} of these")


def _add_memory(sheet: _Sheet, estimate: Estimate) -> None:
    sheet.row("state per chip", bytes_said(estimate.state_bytes))
    if estimate.saved_bytes:
        sheet.row("saved activations", bytes_said(estimate.saved_bytes), "approximate, from shapes")
    limit = bytes_said(int(estimate.chip.hbm))
    if estimate.hbm_bytes is None:
        sheet.row("memory per chip", f"does not fit {limit}", "compiler")
        return
    free = int(estimate.chip.hbm) - estimate.hbm_bytes
    if estimate.fits:
        verdict = f"fits, {bytes_said(free)} free"
    else:
        verdict = f"does not fit, {bytes_said(-free)} too much"
    if estimate.cycles:
        sheet.row("temporaries", bytes_said(estimate.temporary_bytes), "compiler")
    sheet.row(
        "memory per chip", f"{bytes_said(estimate.hbm_bytes)} of {limit}: {verdict}", "compiler"
    )


def _add_time(sheet: _Sheet, estimate: Estimate, figures: dict) -> None:
    sheet.row(
        "computation",
        f"{1e3 * estimate.seconds:.2f} ms, {estimate.cycles.total():,} cycles",
        "compiler's estimate",
    )
    if estimate.uncosted:
        sheet.row("without estimate", f"{1e3 * estimate.uncosted_seconds:.2f} ms", "our roofline")
    sheet.row("communication", f"{1e3 * estimate.collective_seconds:.2f} ms", "our model")
    sheet.bounds("time per step", figures, "estimated_step_seconds", lambda x: f"{1e3 * x:.2f} ms")
    sheet.bounds("MFU", figures, "mfu", lambda x: f"{x:.3f}")
    sheet.bounds("sequences per second", figures, "sequences_per_second", lambda x: f"{x:,.0f}")
    if estimate.steps:
        sheet.bounds(f"{estimate.steps:,} steps", figures, "days", lambda x: f"{x:.2f} days")
        sheet.bounds("chip-hours", figures, "chip_hours", lambda x: f"{x:,.0f}")
    if "cost" in figures:
        sheet.bounds("cost", figures, "cost", lambda x: f"{x:,.0f}")


def _show_parts(console: Console, estimate: Estimate, figures: dict) -> None:
    """Prints the time of the model's parts, collectives, loops and operations without estimate."""
    parts = Table("part", "ms", "share", box=None, padding=(0, 2, 0, 0))
    for part, cycles in estimate.cycles.most_common():
        share = cycles / estimate.cycles.total()
        parts.add_row(part, f"{1e3 * estimate.seconds * share:.2f}", f"{share:.1%}")
    console.print(parts)
    if figures["collectives"]:
        columns = ("collective", "along", "per step", "bytes per chip", "ms")
        collectives = Table(*columns, box=None, padding=(0, 2, 0, 0))
        for one in figures["collectives"]:
            collectives.add_row(
                one["kind"],
                one["axes"],
                f"{one['count']:,}",
                bytes_said(one["bytes"]),
                f"{1e3 * one['seconds']:.2f}",
            )
        console.print(collectives)
    if estimate.loops:
        loops = ", ".join(f"{name} {trips} times" for name, trips in estimate.loops.items())
        console.print(f"loops: {loops}", highlight=False)
    if figures["uncosted"]:
        slowest = sorted(figures["uncosted"].items(), key=lambda item: -item[1]["seconds"])
        listed = ", ".join(
            f"{one['count']:,} x {what} {1e3 * one['seconds']:.3f} ms" for what, one in slowest
        )
        console.print(
            f"without an estimate of the compiler, by our roofline: {listed}", highlight=False
        )


def memory_figures(memory: Memory, limit: int) -> dict:
    """Returns an estimate from shapes as JSON can hold it.

    Args:
        memory: the estimate.
        limit: memory of a device in bytes; 0 if it is not known, and `fits` is null.
    """
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
    """Prints an estimate from shapes."""
    sheet = _Sheet()
    for name, key, source in (
        ("state", "state_bytes_per_chip", "exact"),
        ("gradients", "gradient_bytes_per_chip", "from shapes"),
        ("saved activations", "saved_bytes_per_chip", "approximate, from shapes"),
        ("working memory", "working_bytes_per_chip", "approximate: one layer, or the heads"),
        ("memory", "hbm_bytes_per_chip", "an estimate: no compiler has seen it"),
    ):
        sheet.row(f"{name} per device", bytes_said(figures[key]), source)
    console.print(
        f"{figures['devices']} device(s), {figures['parameters']:,} parameters, "
        f"{figures['batch_size']:,} rows of {figures['length']} tokens",
        highlight=False,
    )
    console.print(sheet.table)
    if figures["hbm_limit_per_chip"]:
        verdict = "fits" if figures["fits"] else "does not fit"
        limit = bytes_said(figures["hbm_limit_per_chip"])
        console.print(f"{verdict} {limit}, if this estimate is right", highlight=False)


def show_sweep(console: Console, sweep: list[dict]) -> None:
    """Prints a row for each setting: those that fit, the fastest first; then those that do not.

    A star marks the frontier: no other setting is as fast with less memory.
    """
    fitting = sorted(
        (one for one in sweep if one["fits"]), key=lambda one: -one["sequences_per_second"]
    )
    table = Table(
        "",
        Column("setting", overflow="fold"),
        "memory per chip",
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
        "sequences per second and MFU: from the serial to the overlapped bound; "
        "*: on the frontier of speed and memory",
        highlight=False,
    )
