"""An estimate for a person, and for a program."""

from rich.console import Console
from rich.table import Column, Table

from bert_jax.preflight.estimate import Estimate, seconds_by_kind
from bert_jax.training.summary import bytes_said


def figures(found: Estimate, topology: str, price: float) -> dict:
    """The estimate as JSON can hold it; docs/preflight.md says what each key is.

    Args:
        topology: what it is for.
        price: of a chip-hour; 0 if it is not known.
    """
    said = dict(
        topology=topology, step=found.step, chips=found.chips, batch_size=found.batch_size, length=found.length,
        parameters=found.parameters, fits=found.fits, hbm_bytes_per_chip=found.hbm_bytes,
        hbm_limit_per_chip=int(found.chip.hbm), state_bytes_per_chip=found.state_bytes,
        model_flops_per_step=found.model_flops)
    if not found.cycles:  # it ran out of memory: there is no program
        return said
    rates = dict(
        estimated_cycles=found.cycles.total(), cycles_by_part=dict(found.cycles.most_common()),
        compute_seconds=found.seconds, collective_seconds=found.collective_seconds,
        collectives=seconds_by_kind(found),
        estimated_step_seconds=found.overlapped, estimated_step_seconds_serial=found.serial,
        mfu=found.mfu(found.overlapped), mfu_serial=found.mfu(found.serial),
        sequences_per_second=found.batch_size / found.overlapped,
        sequences_per_second_serial=found.batch_size / found.serial,
        loops=found.loops, uncosted=dict(found.uncosted))
    if not found.steps:  # how many there are is not known
        return said | rates
    days = [found.steps * seconds / 86400 for seconds in (found.overlapped, found.serial)]
    hours = [24 * found.chips * one for one in days]
    costs = dict(cost=hours[0] * price, cost_serial=hours[1] * price) if price else {}
    return said | rates | costs | dict(steps=found.steps, days=days[0], days_serial=days[1], chip_hours=hours[0],
                                       chip_hours_serial=hours[1])


def show(console: Console, found: Estimate, said: dict) -> None:
    """Prints an estimate, and says of each figure whose it is."""
    table = Table("", "", "whose figure", box=None, show_header=False, padding=(0, 2, 0, 0))

    def row(name: str, text: str, whose: str = "exact") -> None:
        table.add_row(f"[bold]{name}[/]", text, f"[dim]{whose}[/]")

    row("slice", f"{said['topology']}, {found.chips} chips")
    row("batch", f"{found.batch_size:,} rows of {found.length} tokens, {found.batch_size / found.chips:g} a chip")
    row("parameters", f"{found.parameters:,}")
    row("model FLOPs", f"{found.model_flops:.3e} a step")
    row("state a chip", bytes_said(found.state_bytes))
    limit = bytes_said(int(found.chip.hbm))
    if found.hbm_bytes is None:
        row("memory a chip", f"does not fit {limit}", "compiler")
    else:
        free = int(found.chip.hbm) - found.hbm_bytes
        verdict = f"fits, {bytes_said(free)} free" if found.fits else f"does not fit, {bytes_said(-free)} too much"
        row("memory a chip", f"{bytes_said(found.hbm_bytes)} of {limit}: {verdict}", "compiler")
    if found.cycles:
        row("computation", f"{1e3 * found.seconds:.2f} ms, {found.cycles.total():,} cycles", "compiler's estimate")
        row("communication", f"{1e3 * found.collective_seconds:.2f} ms", "our model")
        _bounds(row, "a step", said, "estimated_step_seconds", lambda x: f"{1e3 * x:.2f} ms")
        _bounds(row, "MFU", said, "mfu", lambda x: f"{x:.3f}")
        _bounds(row, "sequences", said, "sequences_per_second", lambda x: f"{x:,.0f} a second")
        if found.steps:
            _bounds(row, f"{found.steps:,} steps", said, "days", lambda x: f"{x:.2f} days")
            _bounds(row, "chip-hours", said, "chip_hours", lambda x: f"{x:,.0f}")
        if "cost" in said:
            _bounds(row, "cost", said, "cost", lambda x: f"{x:,.0f}")
    console.print(table)
    if not found.cycles:
        return
    parts = Table("part", "ms", "share", box=None, padding=(0, 2, 0, 0))
    for part, cycles in found.cycles.most_common():
        share = cycles / found.cycles.total()
        parts.add_row(part, f"{1e3 * found.seconds * share:.2f}", f"{share:.1%}")
    console.print(parts)
    for kind, one in said["collectives"].items():
        console.print(f"{kind}: {one['count']} a step, {bytes_said(one['bytes'])}, {1e3 * one['seconds']:.2f} ms",
                      highlight=False)
    if found.loops:
        console.print(f"loops: {', '.join(f'{name} {trips} times' for name, trips in found.loops.items())}",
                      highlight=False)
    if found.uncosted:
        console.print("without an estimate of the compiler's, and not counted: " + ", ".join(
            f"{count} x {what}" for what, count in found.uncosted.most_common()), highlight=False)


def _bounds(row, name: str, said: dict, key: str, text) -> None:
    row(name, f"{text(said[key])} overlapped, {text(said[f'{key}_serial'])} serial", "both")


def show_sweep(console: Console, said: list[dict]) -> None:
    """Prints a row a setting: those that fit, the fastest first; then those that do not.

    A star marks the frontier: no other setting is as fast with less memory.
    """
    fitting = sorted((one for one in said if one["fits"]), key=lambda one: -one["sequences_per_second"])
    table = Table("", Column("setting", overflow="fold"), "memory a chip", "sequences/s", "MFU", box=None,
                  padding=(0, 2, 0, 0))
    least = float("inf")
    for one in fitting:
        best, least = one["hbm_bytes_per_chip"] < least, min(least, one["hbm_bytes_per_chip"])
        table.add_row("*" * best, one["setting"], bytes_said(one["hbm_bytes_per_chip"]),
                      f"{one['sequences_per_second_serial']:,.0f} to {one['sequences_per_second']:,.0f}",
                      f"{one['mfu_serial']:.3f} to {one['mfu']:.3f}")
    for one in said:
        if not one["fits"]:
            needs = one.get("hbm_bytes_per_chip")
            reason = one["error"].splitlines()[0] if "error" in one else "does not fit" + (
                f": {bytes_said(needs)}" if needs else "")
            table.add_row("", one["setting"], reason, "", "")
    console.print(table)
    console.print("sequences a second and MFU: communication and computation one after the other, to overlapped; "
                  "* on the frontier of speed and memory", highlight=False)
