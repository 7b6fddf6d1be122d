"""`python -m bert_jax preflight`: does a recipe fit a TPU slice, and how fast is it there?"""

import argparse
import itertools
import json
import resource
import time
from pathlib import Path

from bert_jax.cli.arguments import parse, parser_with_config
from bert_jax.config import Config
from bert_jax.errors import UserError


def main(argv: list[str]) -> None:
    """Compiles steps for a slice that is not here, and prints what they take.

    Raises:
        UserError: the topology is not known, the recipe does not fit the mesh, or libtpu is not there.
    """
    args, config = parse(_parser(), argv)
    if args.memory_only:
        _memory_only(args, config)
        return
    if not args.topology:
        raise UserError("--topology is missing", expected="a slice, or --memory_only", hint="--topology=v5e:2x4")
    combinations = list(itertools.product(*map(_choices, args.sweep)))

    from bert_jax.preflight.chips import slice_of

    chip, devices = slice_of(args.topology, args.slices)

    from rich.console import Console

    from bert_jax.preflight.estimate import estimate
    from bert_jax.preflight.recipe import prepared
    from bert_jax.preflight.report import figures, show, show_sweep

    console = Console()

    def tried(config: Config, batch_per_chip: int):
        began = time.monotonic()
        config = prepared(config, len(devices), batch_per_chip, args.length, args.slices)
        found = estimate(config, chip, devices, args.step)
        return found, figures(found, args.topology, args.price) | dict(
            host_seconds=round(time.monotonic() - began, 1),
            host_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # Linux counts in KiB

    if args.sweep:
        said = []
        for number, combination in enumerate(combinations, 1):
            shown, setting = ", ".join(f"{key}={value}" for key, value in combination), dict(combination)
            batch_per_chip = int(setting.pop("batch_per_chip", args.batch_per_chip))
            with console.status(f"{number} of {len(combinations)}: {shown}"):
                try:
                    _, config = parse(_parser(), argv + [f"--config.{key}={value}" for key, value in setting.items()])
                    said.append(dict(setting=shown) | tried(config, batch_per_chip)[1])
                except UserError as error:  # that this cannot be is an answer too
                    said.append(dict(setting=shown, fits=False, error=str(error)))
        show_sweep(console, said)
    else:
        with console.status(f"compiles for {len(devices)} chips of {args.topology}"):
            found, said = tried(config, args.batch_per_chip)
        show(console, found, said)
        if args.hlo:
            args.hlo.write_text(found.text)
    if args.json:
        args.json.write_text(json.dumps(said, indent=1) + "\n")


def _memory_only(args: argparse.Namespace, config: Config) -> None:
    from rich.console import Console

    from bert_jax.preflight.memory import of_shapes
    from bert_jax.preflight.recipe import prepared
    from bert_jax.preflight.report import memory_figures, show_memory

    others = ("topology", "sweep", "hlo", "price", "slices", "step")
    given = [f"--{name}" for name in others if getattr(args, name) != _parser().get_default(name)]
    if given:
        raise UserError("--memory_only compiles nothing", found=f"{', '.join(given)} with it",
                        expected="--devices, and --device_memory in GiB", hint="--devices=8 --device_memory=80")
    _pretend_to_have(args.devices)
    found = of_shapes(prepared(config, args.devices, args.batch_per_chip, args.length))
    said = memory_figures(found, int(args.device_memory * 2**30))
    show_memory(Console(), said)
    if args.json:
        args.json.write_text(json.dumps(said, indent=1) + "\n")


def _pretend_to_have(devices: int) -> None:
    """Only their number matters; nothing runs on them."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", devices)


def _parser() -> argparse.ArgumentParser:
    parser = parser_with_config(
        "python -m bert_jax preflight", "Compile a recipe's step for a TPU slice, without one, and say whether it "
        "fits and how fast it would be. Needs libtpu; takes minutes for hundreds of chips. Of a task each example gets "
        "a row to itself here; packed it is faster.")
    parser.add_argument("--topology", help="such as v5e:2x4, v5e:16x16, v4:2x2x4, v5p:2x2x2, v6e:4x4")
    parser.add_argument("--slices", type=int, default=1, help="so many of them, joined by the network of their hosts: "
                        "mesh.slice of the recipe")
    parser.add_argument("--step", choices=("train", "evaluate"), default="train", help="which step of the recipe")
    parser.add_argument("--batch_per_chip", type=int, default=0,
                        help="rows of a step on each chip instead of the recipe's batch; fewer or more steps then make "
                        "the same number of sequences")
    parser.add_argument("--length", type=int, default=0,
                        help="tokens of a row instead of the recipe's; of a recipe with phases it is the one with this "
                        "length, or the first")
    parser.add_argument("--price", type=float, default=0.0, help="of a chip-hour, to say what the recipe costs")
    parser.add_argument("--sweep", nargs="+", metavar="KEY=V,V", default=[],
                        help="try all combinations of these values of keys of the recipe, or of batch_per_chip: "
                        "batch_per_chip=16,32,64 compute.remat=none,dots compute.scan_layers=False,True mesh.fsdp=1,8; "
                        "show those that fit, the fastest first")
    parser.add_argument("--memory_only", action="store_true",
                        help="instead estimate the memory of a training step by shapes, without a compiler: for GPUs")
    parser.add_argument("--devices", type=int, default=1, help="with --memory_only: how many")
    parser.add_argument("--device_memory", type=float, default=0.0, metavar="GIB",
                        help="with --memory_only: of each, to say whether it fits")
    parser.add_argument("--json", type=Path, help="a file for these figures; of a sweep a list")
    parser.add_argument("--hlo", type=Path, help="a file for the compiled program; of a sweep none")
    return parser


def _choices(text: str) -> list[tuple[str, str]]:
    key, _, values = text.partition("=")
    if not values:
        raise UserError(f"--sweep {text} has no values", expected="KEY=V,V", hint="--sweep batch_per_chip=16,32")
    return [(key, value) for value in values.split(",")]
