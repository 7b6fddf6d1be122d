"""Answers how good a checkpoint is: `python evaluate.py --checkpoint=runs/demo [--config=FILE] [--config.key=value]`.

A recipe with tasks (configs/evaluate/) fine-tunes on them by the paper's protocol; another one scores held-out text.
"""

import shlex

from bert_jax.cli.arguments import add_host_options, parse, parser_with_config, run
from bert_jax.errors import UserError
from bert_jax.remote import is_remote, local_path, path_of


def main(argv: list[str]) -> None:
    parser = parser_with_config(
        "evaluate.py", "Answer how good a checkpoint is. With a recipe that names tasks (configs/evaluate/): fine-tune "
        "on each with every setting and seed, select on the development set, report; a second call goes on where the "
        "first stopped. Else: score what the checkpoint has learned, a task on its validation splits, or MLM and NSP "
        "on the held-out split of a corpus; without --config by the recipe of its training, on all devices.")
    parser.add_argument("--checkpoint", required=True, type=path_of,
                        help="a workdir, WORKDIR/checkpoints or WORKDIR/checkpoints/STEP; with --config and --workdir "
                        "also a converted one, a Hugging Face directory or Google's bert_model.ckpt")
    parser.add_argument("--workdir", type=local_path, help="gets scores and all that they need; by default, if no task "
                        "is fine-tuned, the checkpoint's own")
    parser.add_argument("--tasks", default="", help="some tasks instead of the recipe's, with commas: mrpc,rte")
    parser.add_argument("--dry_run", action="store_true", help="show which runs there would be, and how long "
                        "they would take and how much memory, by trying their steps; train nothing")
    add_host_options(parser)

    # After the options are known to be right: these imports take seconds.
    def of_the_run(args):
        from bert_jax.evaluation.pretraining import recipe_of

        return recipe_of(args.checkpoint, elsewhere=args.workdir is not None)

    args, config = parse(parser, argv, of_the_run, of_a_checkpoint=True)

    import jax
    from rich.console import Console

    from bert_jax.parallel import hosts

    hosts.join(args.distributed, args.coordinator, args.hosts, args.host_index)
    console = Console(quiet=jax.process_index() > 0)
    tasks = tuple(filter(None, args.tasks.split(",")))
    if tasks and not args.config:
        raise UserError("--tasks needs a recipe that says how to fine-tune", expected="--config=FILE",
                        hint="--config=configs/evaluate/glue.py")
    if args.config and (tasks := tasks or config.protocol.tasks):  # a run's own recipe is for what it has learned
        _fine_tune(args, config, tasks, console, command=shlex.join(["python", parser.prog, *argv]))
    else:
        _score(args, config, console)


def _fine_tune(args, config, tasks: tuple[str, ...], console, command: str) -> None:
    import jax

    from bert_jax.evaluation import forecast, plots, protocol, report, submission
    from bert_jax.training.run import RESULTS

    if not args.workdir:
        raise UserError("fine-tuning needs a place for its runs", expected="--workdir=DIR")
    planned = protocol.plan(config, args.checkpoint, args.workdir, tasks)
    forecasts = forecast.of_tasks(planned, args.workdir, console) if args.dry_run else {}
    report.show_plan(console, planned, args.workdir, forecasts)
    if args.dry_run:
        return
    results = protocol.fine_tune(planned, args.workdir, console)
    if results is None:
        console.print("stopped; the same command goes on from there")
        return
    if jax.process_index() == 0:
        report.write(results, args.checkpoint, command, args.workdir)
    report.show_results(console, results)
    for name, what in ((RESULTS, "every run"), (report.MARKDOWN, "the tables, with published scores"),
                       (report.HTML, "the same with pictures, for a browser"), (plots.PLOTS, "these pictures")):
        console.print(f"  {args.workdir / name}: {what}", highlight=False, soft_wrap=True)
    if archive := submission.make(planned, results, args.workdir, console):
        console.print(f"  {archive}: predictions on test sets for gluebenchmark.com; its files are in "
                      f"{submission.DIRECTORY}/ too", highlight=False, soft_wrap=True)


def _score(args, config, console) -> None:
    import jax

    from bert_jax.checkpoint import runs
    from bert_jax.evaluation.finetuned import EVALUATION, score
    from bert_jax.evaluation.pretraining import evaluate
    from bert_jax.training.report import show_scores
    from bert_jax.training.run import write_json

    if not args.workdir and not runs.is_one(args.checkpoint):
        raise UserError(f"{args.checkpoint} is of no run", expected="a place for the scores", hint="--workdir=DIR")
    workdir = args.workdir or runs.find(args.checkpoint)[0]
    if is_remote(workdir):
        raise UserError(f"{args.checkpoint} is in a bucket", expected="a local place for the scores",
                        hint="--workdir=DIR")
    workdir.mkdir(parents=True, exist_ok=True)
    # A recipe of a task, such as that of a run that learned one, asks how well it is done.
    scores = (score(config, args.checkpoint, workdir) if config.task.name
              else evaluate(config, args.checkpoint, workdir, console))
    if jax.process_index() == 0:
        write_json(workdir / "evaluation.json", scores)
    show_scores(console, scores)
    console.print(f"  {workdir / 'evaluation.json'}: these scores", highlight=False, soft_wrap=True)
    if config.task.name:
        console.print(f"  {workdir / EVALUATION}: what was predicted of each example", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run(main)
