"""`python -m bert_jax report`: shows a run, finished or not, and plots its curves."""

import argparse
import json
from pathlib import Path

from bert_jax.errors import UserError
from bert_jax.remote import path_of


def main(argv: list[str]) -> None:
    """Prints the latest metrics of a run and its results if it has them, and writes its curves anew; or writes a
    reference of several runs.

    Raises:
        UserError: a directory is not a run's, or runs do not fit each other.
    """
    parser = argparse.ArgumentParser("python -m bert_jax report",
                                     description="Show a run, finished or not, and plot its curves.")
    parser.add_argument("--workdir", required=True, type=path_of, nargs="+", help="of the run, or of each of several")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="write the band of these runs' held-out scores "
                        "there, for config.evaluate.reference; they are of one recipe with other seeds, and finished")
    args = parser.parse_args(argv)

    from rich.console import Console

    from bert_jax.training import reference, run

    console = Console()
    for workdir in args.workdir:
        _show(workdir, console)
    if args.reference:
        args.reference.parent.mkdir(parents=True, exist_ok=True)
        run.write_json(args.reference, reference.make(args.workdir))
        console.print(f"  {args.reference}: the band of {len(args.workdir)} runs", highlight=False, soft_wrap=True)


def _show(workdir: Path, console) -> None:
    from bert_jax.checkpoint.runs import CHECKPOINTS
    from bert_jax.remote import Mirror
    from bert_jax.training import curves, metrics, reference, run
    from bert_jax.training.report import show_results, show_state

    mirror = Mirror(workdir, copy="shown")
    mirror.pull(leave_out=(CHECKPOINTS, "store", "task", "tensorboard"))
    workdir = mirror.local
    lines = metrics.read(workdir / run.METRICS)
    if not lines:
        raise UserError(f"{workdir} has no metrics to report", found=f"no lines in {workdir / run.METRICS}",
                        expected="the workdir of a run that has begun", hint="--workdir=runs/demo")
    results_path = workdir / run.RESULTS
    results = json.loads(results_path.read_text()) if results_path.exists() else {}
    config = run.read_config(workdir)
    # A workdir that was copied from elsewhere may name a file that is not here.
    bands = reference.bands(config) if config and Path(config.evaluate.reference).is_file() else {}
    curves.plot(lines, results.get("baselines", {}), bands, workdir / run.CURVES)
    if results:
        show_results(console, results, workdir)
    else:
        show_state(console, lines, workdir)
