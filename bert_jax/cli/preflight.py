"""`python -m bert_jax preflight`: does a recipe fit a TPU slice, and how fast is it there?"""

import json
import time
from pathlib import Path

from bert_jax.cli.arguments import parse, parser_with_config


def main(argv: list[str]) -> None:
    """Compiles the training step for a slice that is not here, and prints what it takes.

    Raises:
        UserError: the topology is not known, the recipe does not fit the mesh, or libtpu is not there.
    """
    parser = parser_with_config(
        "python -m bert_jax preflight", "Compile a recipe's step for a TPU slice, without one, and say whether it "
        "fits and how fast it would be. Needs libtpu; takes minutes for hundreds of chips. Of a task each example gets "
        "a row to itself here; packed it is faster.")
    parser.add_argument("--topology", required=True, help="such as v5e:2x4, v5e:16x16, v4:2x2x4, v5p:2x2x2, v6e:4x4")
    parser.add_argument("--step", choices=("train", "evaluate"), default="train", help="which step of the recipe")
    parser.add_argument("--batch_per_chip", type=int, default=0,
                        help="rows of a step on each chip instead of the recipe's batch; fewer or more steps then make "
                        "the same number of sequences")
    parser.add_argument("--length", type=int, default=0, help="tokens of a row instead of the recipe's")
    parser.add_argument("--price", type=float, default=0.0, help="of a chip-hour, to say what the recipe costs")
    parser.add_argument("--json", type=Path, help="a file for these figures")
    parser.add_argument("--hlo", type=Path, help="a file for the compiled program")
    args, config = parse(parser, argv)

    from bert_jax.preflight.chips import slice_of

    chip, devices = slice_of(args.topology)

    from rich.console import Console

    from bert_jax.preflight.estimate import estimate, prepared
    from bert_jax.preflight.report import figures, show

    console = Console()
    began = time.monotonic()
    with console.status(f"compiles for {len(devices)} chips of {args.topology}"):
        recipe = prepared(config, len(devices), args.batch_per_chip, args.length)
        found = estimate(recipe, chip, devices, args.step)
    said = figures(found, args.topology, args.price) | dict(compile_seconds=round(time.monotonic() - began, 1))
    show(console, found, said)
    if args.json:
        args.json.write_text(json.dumps(said, indent=1) + "\n")
    if args.hlo:
        args.hlo.write_text(found.text)
