"""`python -m bert_jax report`: shows a run, finished or not, and plots its curves."""

import argparse
import json
from pathlib import Path

from rich.console import Console

from bert_jax.errors import UserError
from bert_jax.remote import path_of


def main(argv: list[str]) -> None:
    """Prints the latest metrics and the results of runs and plots their curves.

    With `--reference` it also writes the band of the runs' held-out scores.

    Raises:
        UserError: a directory does not contain a run, or the runs do not have the same recipe.
        SystemExit: an option is wrong, or help was asked for.
    """
    args = _parser().parse_args(argv)

    # These imports take seconds, and so wait until the options are known to be right.
    from bert_jax.disk import write_json
    from bert_jax.runs import reference

    console = Console()
    for workdir in args.workdir:
        _show(workdir, console)
    if args.reference:
        args.reference.parent.mkdir(parents=True, exist_ok=True)
        write_json(args.reference, reference.make(args.workdir))
        console.print(
            f"  {args.reference}: band of {len(args.workdir)} runs",
            highlight=False,
            soft_wrap=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m bert_jax report",
        description="Show runs, finished or not: their latest metrics, their results and a plot of "
        "their curves.",
    )
    parser.add_argument(
        "--workdir",
        required=True,
        type=path_of,
        nargs="+",
        help="directories of the runs",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="file to write the band of the runs' held-out scores to, which config.evaluate."
        "reference compares later runs with; the runs must be finished, and differ only in seed",
    )
    return parser


def _show(workdir: Path, console: Console) -> None:
    from bert_jax.checkpoint.runs import CHECKPOINTS
    from bert_jax.corpus.token_store import STORES
    from bert_jax.runs import curves, files, reference
    from bert_jax.runs.mirror import Mirror
    from bert_jax.runs.results import show_results, show_state
    from bert_jax.runs.sinks import jsonl

    mirror = Mirror(workdir, copy="shown")
    mirror.pull(leave_out=(CHECKPOINTS, STORES, "task", "tensorboard"))
    workdir = mirror.local
    lines = jsonl.read(workdir / files.METRICS)
    if not lines:
        raise UserError(
            f"{workdir} has no metrics to report",
            found=f"no lines in {workdir / files.METRICS}",
            expected="the workdir of a run that has taken steps",
            hint="--workdir=runs/demo",
        )
    results_path = workdir / files.RESULTS
    results = json.loads(results_path.read_text()) if results_path.exists() else {}
    config = files.read_config(workdir)
    # A workdir that was copied from another machine may name a file that does not exist here.
    bands = reference.bands(config) if config and Path(config.evaluate.reference).is_file() else {}
    curves.plot(lines, results.get("baselines", {}), bands, workdir / files.CURVES)
    if results:
        show_results(console, results, workdir)
    else:
        show_state(console, lines, workdir)
