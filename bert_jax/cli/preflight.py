"""`python -m bert_jax preflight`: predicts memory and speed of a recipe on a TPU slice."""

import argparse
import itertools
import json
import resource
import time
from pathlib import Path
from typing import Any

from bert_jax.cli.arguments import parse, parser_with_config
from bert_jax.config import Config
from bert_jax.errors import UserError


def main(argv: list[str]) -> None:
    """Compiles steps for a slice that this machine does not have, and prints what they need.

    Raises:
        UserError: the topology is not known, the recipe does not fit the mesh, or libtpu is not
            installed.
        SystemExit: an option is wrong, or help was asked for.
    """
    args, config = parse(_parser(), argv)
    if args.memory_only:
        figures = _memory_only(args, config)
    elif not args.topology:
        raise UserError(
            "--topology is missing", expected="a slice, or --memory_only", hint="--topology=v5e:2x4"
        )
    elif args.sweep:
        figures = _sweep(args, argv)
    else:
        figures = _one(args, config)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def _one(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    """Compiles a recipe's step, prints its figures and returns them."""
    from rich.console import Console

    from bert_jax.preflight.chips import slice_of
    from bert_jax.preflight.figures import show

    console, target = Console(), slice_of(args.topology, args.slices)
    with console.status(f"compiling for {len(target[1])} chips of {args.topology}"):
        estimate, figures = _estimated(args, config, args.batch_per_chip, target)
    show(console, estimate, figures)
    if args.hlo:
        args.hlo.write_text(estimate.text)
    return figures


def _sweep(args: argparse.Namespace, argv: list[str]) -> list[dict[str, Any]]:
    """Compiles the step of each combination of values, prints a table and returns its rows."""
    combinations = list(itertools.product(*map(_choices, args.sweep)))

    from rich.console import Console

    from bert_jax.preflight.chips import slice_of
    from bert_jax.preflight.figures import show_sweep

    console, target = Console(), slice_of(args.topology, args.slices)
    rows: list[dict[str, Any]] = []
    for number, combination in enumerate(combinations, 1):
        values = dict(combination)
        row: dict[str, Any] = dict(setting=", ".join(f"{k}={v}" for k, v in combination))
        batch_per_chip = int(values.pop("batch_per_chip", args.batch_per_chip))
        with console.status(f"{number} of {len(combinations)}: {row['setting']}"):
            try:
                keys = [f"--config.{key}={value}" for key, value in values.items()]
                _, config = parse(_parser(), argv + keys)
                row |= _estimated(args, config, batch_per_chip, target)[1]
            except UserError as error:  # an impossible combination is a row of the table too
                row |= dict(fits=False, error=str(error))
        rows.append(row)
    show_sweep(console, rows)
    return rows


def _estimated(
    args: argparse.Namespace, config: Config, batch_per_chip: int, target: tuple[Any, list]
) -> tuple[Any, dict[str, Any]]:
    """Returns the estimate of a recipe's step, and its figures as JSON can hold them.

    Args:
        args: options of the command.
        config: the recipe.
        batch_per_chip: rows of a step on each chip; 0: those of the recipe.
        target: chip and devices of the slice.
    """
    from bert_jax.preflight.estimate import estimate
    from bert_jax.preflight.figures import figures
    from bert_jax.preflight.trial import prepared

    chip, devices = target
    began = time.monotonic()
    config = prepared(config, len(devices), batch_per_chip, args.length, args.slices)
    result = estimate(config, chip, devices, args.step)
    return result, figures(result, args.topology, args.price) | dict(
        host_seconds=round(time.monotonic() - began, 1),
        # Linux counts in KiB.
        host_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    )


def _memory_only(args: argparse.Namespace, config: Config) -> dict[str, Any]:
    """Estimates memory from shapes, without a compiler, prints the figures and returns them."""
    from rich.console import Console

    from bert_jax.preflight.figures import memory_figures, show_memory
    from bert_jax.preflight.memory import of_shapes
    from bert_jax.preflight.trial import prepared

    others = ("topology", "sweep", "hlo", "price", "slices", "step")
    given = [f"--{name}" for name in others if getattr(args, name) != _parser().get_default(name)]
    if given:
        raise UserError(
            "--memory_only compiles nothing",
            found=f"{', '.join(given)} with it",
            expected="--devices, and --device_memory in GiB",
            hint="--devices=8 --device_memory=80",
        )
    _pretend_to_have(args.devices)
    shapes = of_shapes(prepared(config, args.devices, args.batch_per_chip, args.length))
    figures = memory_figures(shapes, int(args.device_memory * 2**30))
    show_memory(Console(), figures)
    return figures


def _pretend_to_have(devices: int) -> None:
    """Makes JAX see this many devices; nothing runs on them."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", devices)


def _parser() -> argparse.ArgumentParser:
    parser = parser_with_config(
        "python -m bert_jax preflight",
        "Compile a recipe's step for a TPU slice that this machine does not have, and report "
        "whether it fits in memory and how fast it would be. Needs libtpu, and takes minutes for "
        "hundreds of chips. Examples of a task get a row each here; packed into rows, as in "
        "training, they take less time.",
    )
    _add_step_options(parser)
    _add_memory_options(parser)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="file to write the figures to; a list of a sweep"
    )
    parser.add_argument(
        "--hlo",
        type=Path,
        metavar="FILE",
        help="file to write the compiled program to; not with --sweep",
    )
    return parser


def _add_step_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topology", help="TPU slice, such as v5e:2x4, v5e:16x16, v4:2x2x4, v5p:2x2x2 or v6e:4x4"
    )
    parser.add_argument(
        "--slices",
        type=int,
        default=1,
        help="number of such slices, connected by the network of their hosts (mesh.slice)",
    )
    parser.add_argument(
        "--step", choices=("train", "evaluate"), default="train", help="step to compile"
    )
    parser.add_argument(
        "--batch_per_chip",
        type=int,
        default=0,
        help="rows of a step on each chip, instead of the recipe's batch size; the number of steps "
        "changes such that the run sees as many rows",
    )
    parser.add_argument(
        "--length",
        type=int,
        default=0,
        help="tokens in a row, instead of the recipe's; in a recipe with phases, the length of the "
        "phase to compile, by default the first",
    )
    parser.add_argument(
        "--price", type=float, default=0.0, help="price of a chip-hour, to report the run's cost"
    )
    parser.add_argument(
        "--sweep",
        nargs="+",
        metavar="KEY=V,V",
        default=[],
        help="compile all combinations of these values, and list those that fit, the fastest "
        "first. A KEY is batch_per_chip or a key of the recipe: batch_per_chip=16,32,64 "
        "compute.remat=none,dots compute.scan_layers=False,True mesh.fsdp=1,8",
    )


def _add_memory_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--memory_only",
        action="store_true",
        help="estimate the memory of a training step from shapes alone, without a compiler, for "
        "GPUs",
    )
    parser.add_argument(
        "--devices", type=int, default=1, help="number of devices, with --memory_only"
    )
    parser.add_argument(
        "--device_memory",
        type=float,
        default=0.0,
        metavar="GIB",
        help="memory of each device, to report whether the step fits, with --memory_only",
    )


def _choices(text: str) -> list[tuple[str, str]]:
    """Returns [(KEY, V), (KEY, W)] for 'KEY=V,W'."""
    key, _, values = text.partition("=")
    if not values:
        raise UserError(
            f"--sweep {text} has no values", expected="KEY=V,V", hint="--sweep batch_per_chip=16,32"
        )
    return [(key, value) for value in values.split(",")]
