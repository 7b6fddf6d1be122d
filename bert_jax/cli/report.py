"""`python -m bert_jax report`: shows a run, finished or not, and plots its curves."""

import argparse
import json
from pathlib import Path

from bert_jax.errors import UserError


def main(argv: list[str]) -> None:
    """Prints the latest metrics of a run and its results if it has them, and writes its curves anew.

    Raises:
        UserError: the directory is not a run's.
    """
    parser = argparse.ArgumentParser("python -m bert_jax report",
                                     description="Show a run, finished or not, and plot its curves.")
    parser.add_argument("--workdir", required=True, type=Path, help="of the run")
    args = parser.parse_args(argv)

    from rich.console import Console

    from bert_jax.training import curves, metrics, run
    from bert_jax.training.report import show_results, show_state

    lines = metrics.read(args.workdir / run.METRICS)
    if not lines:
        raise UserError(f"{args.workdir} has no metrics to report", found=f"no lines in {args.workdir / run.METRICS}",
                        expected="the workdir of a run that has begun", hint="--workdir=runs/demo")
    console = Console()
    results_path = args.workdir / run.RESULTS
    results = json.loads(results_path.read_text()) if results_path.exists() else {}
    curves.plot(lines, results.get("baselines", {}), args.workdir / run.CURVES)
    if results:
        show_results(console, results, args.workdir)
    else:
        show_state(console, lines, args.workdir)
