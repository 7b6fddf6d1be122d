"""Scores a checkpoint: `python evaluate.py --checkpoint=runs/demo [--config=FILE] [--config.key=value]`."""

from pathlib import Path

from bert_jax.cli.arguments import add_host_options, parse, parser_with_config, run


def main(argv: list[str]) -> None:
    parser = parser_with_config(
        "evaluate.py", "Score a pretrained checkpoint on the held-out split of a corpus: MLM and NSP. "
        "Without --config the recipe is the one that the checkpoint was trained with, on a mesh of all devices.")
    parser.add_argument("--checkpoint", required=True, type=Path,
                        help="a workdir, WORKDIR/checkpoints or WORKDIR/checkpoints/STEP; with --config and --workdir "
                        "also a converted one, a Hugging Face directory or Google's bert_model.ckpt")
    parser.add_argument("--workdir", type=Path,
                        help="gets evaluation.json and the held-out token store; by default the checkpoint's own")
    add_host_options(parser)

    # After the options are known to be right: these imports take seconds.
    def of_the_run(args):
        from bert_jax.evaluation.pretraining import recipe_of

        return recipe_of(args.checkpoint, elsewhere=args.workdir is not None)

    args, config = parse(parser, argv, of_the_run)

    import jax
    from rich.console import Console

    from bert_jax.checkpoint import runs
    from bert_jax.errors import UserError
    from bert_jax.evaluation.pretraining import evaluate
    from bert_jax.parallel import hosts
    from bert_jax.training.report import show_scores
    from bert_jax.training.run import write_json

    hosts.join(args.distributed, args.coordinator, args.hosts, args.host_index)
    if not args.workdir and not runs.is_one(args.checkpoint):
        raise UserError(f"{args.checkpoint} is of no run", expected="a place for the scores", hint="--workdir=DIR")
    workdir = args.workdir or runs.find(args.checkpoint)[0]
    workdir.mkdir(parents=True, exist_ok=True)
    console = Console(quiet=jax.process_index() > 0)
    scores = evaluate(config, args.checkpoint, workdir, console)
    if jax.process_index() == 0:
        write_json(workdir / "evaluation.json", scores)
    show_scores(console, scores)
    console.print(f"  {workdir / 'evaluation.json'}: these scores", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run(main)
