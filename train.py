"""Trains a recipe.

python train.py --config=configs/demo.py --workdir=runs/demo [--config.KEY=VALUE ...]
"""

from bert_jax.cli.arguments import add_host_options, parse, parser_with_config
from bert_jax.cli.command import run
from bert_jax.remote import path_of


def main(argv: list[str]) -> None:
    """Trains the recipe that the arguments name, and prints its results."""
    parser = parser_with_config(
        "train.py", "Train a recipe. A run that was stopped resumes from its latest checkpoint."
    )
    parser.add_argument(
        "--workdir",
        required=True,
        type=path_of,
        help="directory of the run, which gets its checkpoints, metrics and results; may be "
        "gs://BUCKET/DIR",
    )
    add_host_options(parser)
    args, config = parse(parser, argv)

    # These imports take seconds, and so wait until the options are known to be right.
    from rich.console import Console

    from bert_jax.parallel import hosts
    from bert_jax.runs.results import show_results
    from bert_jax.training.loop import train

    hosts.join(args.distributed, args.coordinator, args.hosts, args.host_index)
    console = Console()
    results = train(config, args.workdir, console)
    if results:
        show_results(console, results, args.workdir)


if __name__ == "__main__":
    run(main)
