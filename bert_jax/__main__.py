"""`python -m bert_jax COMMAND`: commands around training and evaluation."""

import importlib
import sys

from bert_jax.cli.command import run

COMMANDS = {
    "convert": "convert checkpoints between Hugging Face's format, Google's and ours",
    "prepare": "make the corpora, labelled data sets, vocabularies and token stores of recipes",
    "preflight": "predict memory and speed of a recipe on a TPU slice, without one",
    "predict": "predict new text with a fine-tuned model",
    "encode": "turn texts into vectors",
    "fill-mask": "predict the tokens behind [MASK]",
    "report": "show a run and plot its curves",
    "verify": "check this hardware: numbers, speed, input pipeline, and resuming a killed run",
}


def main(argv: list[str]) -> None:
    """Runs the command that `argv` begins with, or lists all of them."""
    if not argv or argv[0] in ("-h", "--help"):
        print(
            "usage: python -m bert_jax COMMAND [--help]\n\n"
            + "\n".join(f"  {name:<11}{summary}" for name, summary in COMMANDS.items())
            + "\n\nTo train: python train.py --help. To score a checkpoint, or fine-tune by the "
            "paper's\nprotocol: python evaluate.py --help."
        )
    elif argv[0] not in COMMANDS:
        print(
            f"error: {argv[0]!r} is not a command; the commands are: {', '.join(COMMANDS)}",
            file=sys.stderr,
        )
        sys.exit(2)
    else:
        importlib.import_module(f"bert_jax.cli.{argv[0].replace('-', '_')}").main(argv[1:])


if __name__ == "__main__":
    run(main)
