"""Trains a recipe: `python train.py --config=configs/demo.py --workdir=runs/demo [--config.key=value]`."""

from bert_jax.cli.arguments import add_host_options, parse, parser_with_config, run
from bert_jax.remote import path_of


def main(argv: list[str]) -> None:
    parser = parser_with_config("train.py", "Train a recipe. A run that was stopped goes on where it was.")
    parser.add_argument("--workdir", required=True, type=path_of, help="where the run lies: checkpoints, metrics, "
                        "results; a directory, or gs://BUCKET/DIR")
    add_host_options(parser)
    args, config = parse(parser, argv)

    # After the options are known to be right: these imports take seconds.
    from rich.console import Console

    from bert_jax.parallel import hosts
    from bert_jax.training.loop import train
    from bert_jax.training.report import show_results

    hosts.join(args.distributed, args.coordinator, args.hosts, args.host_index)
    console = Console()
    results = train(config, args.workdir, console)
    if results:
        show_results(console, results, args.workdir)


if __name__ == "__main__":
    run(main)
