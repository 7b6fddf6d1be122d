"""`python -m bert_jax prepare`: makes what a recipe can name, before any device is paid for."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bert_jax.checkpoint import initial
from bert_jax.cli.arguments import parse, parser_with_config
from bert_jax.data import preparation
from bert_jax.data.builders import documentation, local_text
from bert_jax.training.run import read_config


def main(argv: list[str]) -> None:
    """Runs the subcommand that `argv` names; `--help` tells of each.

    Raises:
        UserError: as the builders do.
        SystemExit: of argparse: help was asked for, or an option is wrong.
    """
    if argv[:1] == ["store"]:  # takes a recipe, and so is parsed as the doors are
        _store(argv[1:])
        return
    parser = argparse.ArgumentParser("python -m bert_jax prepare",
                                     description="Prepare data that a recipe can name.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("store", help=STORE)
    for name, (summary, add_options, run) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary,
                                      formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        add_options(command)
        command.set_defaults(run=run)
    args = parser.parse_args(argv)
    args.run(args)


def _store(argv: list[str]) -> None:
    parser = parser_with_config("python -m bert_jax prepare store", STORE)
    parser.add_argument("--workdir", required=True, type=Path, help="of the run to come")
    args, config = parse(parser, argv)
    config = initial.adopt(config, read_config(args.workdir))
    args.workdir.mkdir(parents=True, exist_ok=True)
    vocabulary, train, held_out = preparation.open_or_make(config, args.workdir)
    table = Table("split", "documents", "sentences", "tokens", "unknown", title=f"vocabulary of {len(vocabulary):,}",
                  title_justify="left")
    for name, store in (("train", train), ("held out", held_out)):
        counts = store.manifest["counts"]
        table.add_row(name, *(f"{counts[k]:,}" for k in ("documents", "sentences", "tokens", "unknown_tokens")))
    Console().print(table)


def _text_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", nargs="+", required=True, metavar="PATH", default=argparse.SUPPRESS,
                        help="files, directories and quoted globs of UTF-8 text")
    parser.add_argument("--format", choices=local_text.FORMATS, required=True, default=argparse.SUPPRESS,
                        help="; ".join(f"{name}: {what}" for name, what in local_text.FORMATS.items()))
    parser.add_argument("--name", required=True, default=argparse.SUPPRESS,
                        help="of the corpus: lower-case letters, digits, underscores")
    _data_dir_option(parser)
    parser.add_argument("--held_out", type=float, default=0.05,
                        help="share of documents to evaluate on, chosen by a hash of their words")
    parser.add_argument("--json_field", default="text", help="with --format=jsonl: the field of the text")


def _data_dir_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", default="", metavar="DIR",
                        help="local TFDS data directory to write to; empty: TFDS's own default")


def _text(args: argparse.Namespace) -> None:
    info = local_text.prepare(
        args.input, args.format, args.name, args.data_dir, args.held_out, args.json_field)
    _report(info, args.data_dir, "lines" if args.format == "sentences" else "split")


def _documentation(args: argparse.Namespace) -> None:
    _report(documentation.prepare(args.data_dir), args.data_dir, "split")


def _report(info, data_dir: str, sentences: str) -> None:
    console = Console()
    console.print(f"{info.full_name} in {info.data_dir}", soft_wrap=True, highlight=False)
    table = Table("split", "documents", "MB")
    for split in info.splits.values():
        table.add_row(split.name, f"{split.num_examples:,}", f"{split.num_bytes / 1e6:.1f}")
    console.print(table)
    duplicates = dict(info.metadata)["counts"].get("duplicates")
    if duplicates:
        console.print(f"{duplicates:,} documents repeated others and were dropped")
    keys = dict(name=info.name, data_dir=data_dir, sentences=sentences)
    console.print("In a recipe, or on the command line:")
    for key, value in keys.items():
        if value:
            console.print(f"  --config.corpus.{key}={value}", soft_wrap=True, highlight=False)


STORE = "The vocabulary and token stores of a recipe, as train.py would make them: on a machine without devices, say."
COMMANDS = {
    "text": ("Your own text files as a corpus with a held-out share.", _text_options, _text),
    "documentation": ("The demo corpus: English documentation found in this Python installation.",
                      _data_dir_option, _documentation),
}
