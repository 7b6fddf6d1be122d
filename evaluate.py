"""Scores a checkpoint: `python evaluate.py --checkpoint=runs/demo [--config.key=value] [--workdir=DIR]`."""

from pathlib import Path

from bert_jax.cli.arguments import parse, parser_with_config, run


def main(argv: list[str]) -> None:
    parser = parser_with_config(
        "evaluate.py", "Score a pretrained checkpoint on the held-out split of a corpus: MLM and NSP. "
        "Without --config the recipe is the one that the checkpoint was trained with.")
    parser.add_argument("--checkpoint", required=True, type=Path,
                        help="a workdir, WORKDIR/checkpoints or WORKDIR/checkpoints/STEP")
    parser.add_argument("--workdir", type=Path, help="gets evaluation.json and the token store of another corpus; "
                        "by default the checkpoint's own")

    # After the options are known to be right: these imports take seconds.
    def of_the_run(args):
        from bert_jax.evaluation.pretraining import find_checkpoint
        from bert_jax.training.run import read_config

        return read_config(find_checkpoint(args.checkpoint)[0])

    args, config = parse(parser, argv, of_the_run)

    from rich.console import Console

    from bert_jax.evaluation.pretraining import evaluate, find_checkpoint
    from bert_jax.training.report import show_scores
    from bert_jax.training.run import write_json

    workdir = args.workdir or find_checkpoint(args.checkpoint)[0]
    workdir.mkdir(parents=True, exist_ok=True)
    console = Console()
    scores = evaluate(config, args.checkpoint, workdir, console)
    write_json(workdir / "evaluation.json", scores)
    show_scores(console, scores)
    console.print(f"  {workdir / 'evaluation.json'}: these scores", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run(main)
