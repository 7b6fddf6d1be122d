"""`python -m bert_jax COMMAND`: commands around training and evaluation."""

import importlib
import sys

from bert_jax.cli.arguments import run

COMMANDS = {
    "convert": "checkpoints between Hugging Face's format, Google's and ours",
    "prepare": "make corpora, labelled tasks, vocabularies and token stores that a recipe can name",
    "preflight": "whether a recipe fits a TPU slice and how fast it would be, without one",
    "predict": "answers of a fine-tuned model on new text",
    "report": "show and plot a run",
    "verify": "check this hardware: numbers, speed, input, and a run that is killed",
}


def main(argv: list[str]) -> None:
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: python -m bert_jax COMMAND [--help]\n\n" + "\n".join(
            f"  {name:<10}{what}" for name, what in COMMANDS.items())
            + "\n\nTraining is `python train.py --help`, scoring a checkpoint `python evaluate.py --help`.")
    elif argv[0] not in COMMANDS:
        print(f"error: {argv[0]!r} is not a command; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    else:
        importlib.import_module(f"bert_jax.cli.{argv[0]}").main(argv[1:])


if __name__ == "__main__":
    run(main)
