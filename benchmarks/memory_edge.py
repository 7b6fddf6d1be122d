"""Preflight's memory figures beside the TPU compiler's verdict, at the edge of what fits.

    python -m benchmarks.memory_edge [--only NAME ...]

For each setting, finds the largest batch per chip that the compiler accepts and the smallest that
it refuses, at most a fiftieth apart. Prints the memory that preflight reports for the accepted one,
the memory that the compiler would have needed for the refused one, and the estimate of
`--memory_only` for the accepted one. Needs libtpu, and takes minutes per setting.
"""

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from bert_jax.cli.arguments import load_recipe
from bert_jax.preflight.chips import ENVIRONMENT, slice_of

if TYPE_CHECKING:
    from rich.console import Console

SETTINGS = {  # topology, recipe, length, keys
    "base, 128": ("v5e:2x2", "bert_base", 128, {"compute.scan_layers": True}),
    "base, 512, remat dots": (
        "v5e:2x2",
        "bert_base",
        512,
        {"compute.scan_layers": True, "compute.remat": "dots"},
    ),
    "large, 128, remat dots": ("v5e:2x2", "bert_large", 128, {}),
    "large, 512, remat full, fsdp 4": (
        "v5e:2x2",
        "bert_large",
        512,
        {"compute.remat": "full", "mesh.data": 1, "mesh.fsdp": 4},
    ),
    "large, 128": ("v4:2x2x1", "bert_large", 128, {"compute.remat": "none"}),
    "base, 512": ("v6e:2x2", "bert_base", 512, {"compute.scan_layers": True}),
    "large, 512, remat dots": ("v5p:2x2x1", "bert_large", 512, {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.memory_edge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SETTINGS,
        default=list(SETTINGS),
        metavar="NAME",
        help=f"settings to try: {', '.join(map(repr, SETTINGS))}; by default all",
    )
    names = parser.parse_args().only
    os.environ.update(ENVIRONMENT)  # which JAX reads when it is imported

    from rich.console import Console
    from rich.table import Table

    console = Console()
    columns = "chip, setting, fits at, preflight, refused at, compiler, limit, by shapes, compiled"
    table = Table(*columns.split(", "))
    for name in names:
        row = _row(name, console)
        if row:
            table.add_row(*row)
            console.print(table)
        else:
            console.print(f"{name}: not even one row fits")


def _row(name: str, console: "Console") -> tuple[str, ...] | None:
    """Returns the row of a setting; None if no batch fits."""
    from bert_jax import config as configs
    from bert_jax.preflight.estimate import estimate
    from bert_jax.preflight.memory import of_shapes
    from bert_jax.preflight.trial import prepared
    from bert_jax.training.summary import bytes_said

    topology, recipe_name, length, keys = SETTINGS[name]
    chip, devices = slice_of(topology)
    recipe = load_recipe(f"configs/pretrain/{recipe_name}.py")
    recipe.update_from_flattened_dict(keys)
    config = configs.resolve(recipe)

    def tried(batch: int):
        with console.status(f"{name}: {batch} rows a chip"):
            return estimate(prepared(config, len(devices), batch, length), chip, devices)

    def by_shapes(batch: int) -> int:
        return of_shapes(prepared(config, len(devices), batch, length), devices).total

    low, high, known = _around(tried, _guess(by_shapes, chip.hbm))
    if not low:
        return None
    return (
        topology,
        name,
        f"{low} rows",
        bytes_said(known[low].hbm_bytes),
        f"{high} rows",
        bytes_said(known[high].hbm_bytes or 0),
        bytes_said(int(chip.hbm)),
        bytes_said(by_shapes(low)),
        f"{len(known)} times",
    )


def _guess(by_shapes: Callable[[int], int], limit: float) -> int:
    """Returns the batch size that would fill the memory if memory were linear in it."""
    little, more = by_shapes(8), by_shapes(16)
    return max(1, int((limit - 2 * little + more) * 8 / (more - little)))


def _around(tried: Callable, guess: int) -> tuple[int, int, dict]:
    """Returns a batch size that fits and one that does not, at most a fiftieth or one row apart,
    and the estimates of all sizes tried."""
    low, high, known = 0, None, {}
    batch = guess
    while high is None or high - low > max(1, low // 50):
        known[batch] = tried(batch)
        if known[batch].fits:
            low = batch
        else:
            high = batch
        if high is None:
            batch = max(low + 1, low * 5 // 4)
        elif low == 0:
            batch = max(high * 4 // 5, 1)
        else:
            batch = (low + high) // 2
    return low, high, known


if __name__ == "__main__":
    main()
