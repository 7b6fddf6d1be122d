"""Scores a checkpoint, or fine-tunes it on tasks by the paper's protocol.

    python evaluate.py --checkpoint=runs/demo [--config=FILE] [--config.KEY=VALUE ...]

A recipe with tasks (configs/evaluate/) fine-tunes on each of them; any other recipe scores the
checkpoint on held-out examples.
"""

import argparse
import shlex
from typing import TYPE_CHECKING

from bert_jax.cli.arguments import add_host_options, parse, parser_with_config
from bert_jax.cli.command import run
from bert_jax.config import Config
from bert_jax.errors import UserError
from bert_jax.remote import is_remote, local_path, path_of

if TYPE_CHECKING:
    from rich.console import Console


def main(argv: list[str]) -> None:
    """Fine-tunes or scores the checkpoint that the arguments name, and prints the results."""
    parser = _parser()
    args, config = parse(parser, argv, _recipe_of_the_run, of_a_checkpoint=True)

    # These imports take seconds, and so wait until the options are known to be right.
    import jax
    from rich.console import Console

    from bert_jax.parallel import hosts

    hosts.join(args.distributed, args.coordinator, args.hosts, args.host_index)
    console = Console(quiet=jax.process_index() > 0)
    tasks = tuple(filter(None, args.tasks.split(",")))
    if tasks and not args.config:
        raise UserError(
            "--tasks needs a recipe that says how to fine-tune",
            expected="--config=FILE",
            hint="--config=configs/evaluate/glue.py",
        )
    # Without --config, the recipe is the run's own, whose tasks were learned already.
    if args.config and (tasks := tasks or config.protocol.tasks):
        _fine_tune(args, config, tasks, console, command=shlex.join(["python", parser.prog, *argv]))
    else:
        _score(args, config, console)


def _parser() -> argparse.ArgumentParser:
    parser = parser_with_config(
        "evaluate.py",
        "Score a checkpoint. With a recipe that names tasks (configs/evaluate/): fine-tune the "
        "checkpoint on each task with every setting and seed, select the setting on the "
        "development set, and write a report; the same command resumes where it was stopped. With "
        "any other recipe, or without --config: score the checkpoint on held-out examples, which "
        "are the validation splits of its task, or the held-out split of its corpus.",
    )
    parser.add_argument(
        "--checkpoint",
        required=True,
        type=path_of,
        help="checkpoint to evaluate: a workdir, WORKDIR/checkpoints or WORKDIR/checkpoints/STEP; "
        "with --config and --workdir also a converted checkpoint, a Hugging Face directory or "
        "Google's bert_model.ckpt",
    )
    parser.add_argument(
        "--workdir",
        type=local_path,
        help="directory for scores, fine-tuned runs and their data; by default the checkpoint's "
        "own, unless tasks are fine-tuned",
    )
    parser.add_argument(
        "--tasks",
        default="",
        metavar="TASK,TASK",
        help="tasks to fine-tune on instead of the recipe's, such as mrpc,rte",
    )
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="list the runs of fine-tuning with their time and memory, measured on a few steps; "
        "train nothing",
    )
    add_host_options(parser)
    return parser


def _recipe_of_the_run(args: argparse.Namespace) -> Config:
    from bert_jax.inference.held_out_scores import recipe_of

    return recipe_of(args.checkpoint, elsewhere=args.workdir is not None)


def _fine_tune(
    args: argparse.Namespace,
    config: Config,
    tasks: tuple[str, ...],
    console: "Console",
    command: str,
) -> None:
    import jax

    from bert_jax.protocol import fine_tuning, forecast, pages, plots, submission
    from bert_jax.runs.files import RESULTS

    if not args.workdir:
        raise UserError(
            "fine-tuning needs a directory for its runs",
            expected="--workdir=DIR",
            hint="--workdir=runs/glue",
        )
    planned = fine_tuning.plan(config, args.checkpoint, args.workdir, tasks)
    forecasts = forecast.of_tasks(planned, args.workdir, console) if args.dry_run else {}
    pages.show_plan(console, planned, args.workdir, forecasts)
    if args.dry_run:
        return
    results = fine_tuning.fine_tune(planned, args.workdir, console)
    if results is None:
        console.print("stopped; run the same command to resume")
        return
    if jax.process_index() == 0:
        pages.write(results, args.checkpoint, command, args.workdir)
    pages.show_results(console, results)
    for name, content in (
        (RESULTS, "every run"),
        (pages.MARKDOWN, "the tables, with published scores"),
        (pages.HTML, "the tables and plots, for a browser"),
        (plots.PLOTS, "the plots"),
    ):
        console.print(f"  {args.workdir / name}: {content}", highlight=False, soft_wrap=True)
    if archive := submission.make(planned, results, args.workdir, console):
        console.print(
            f"  {archive}: predictions on test sets for gluebenchmark.com; the same files are "
            f"in {submission.DIRECTORY}/",
            highlight=False,
            soft_wrap=True,
        )


def _score(args: argparse.Namespace, config: Config, console: "Console") -> None:
    import jax

    from bert_jax.checkpoint import runs
    from bert_jax.disk import write_json
    from bert_jax.inference.fine_tuned import EVALUATION, score
    from bert_jax.inference.held_out_scores import evaluate
    from bert_jax.runs.results import show_scores

    if not args.workdir and not runs.is_one(args.checkpoint):
        raise UserError(
            f"{args.checkpoint} does not belong to a run",
            expected="a directory for the scores",
            hint="--workdir=DIR",
        )
    workdir = args.workdir or runs.find(args.checkpoint)[0]
    if is_remote(workdir):
        raise UserError(
            f"{args.checkpoint} is in a bucket",
            expected="a local directory for the scores",
            hint="--workdir=DIR",
        )
    workdir.mkdir(parents=True, exist_ok=True)
    scores = (
        score(config, args.checkpoint, workdir)
        if config.task.name
        else evaluate(config, args.checkpoint, workdir, console)
    )
    if jax.process_index() == 0:
        write_json(workdir / "evaluation.json", scores)
    show_scores(console, scores)
    console.print(f"  {workdir / 'evaluation.json'}: the scores", highlight=False, soft_wrap=True)
    if config.task.name:
        console.print(
            f"  {workdir / EVALUATION}: the prediction for each example",
            highlight=False,
            soft_wrap=True,
        )


if __name__ == "__main__":
    run(main)
