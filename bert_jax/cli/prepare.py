"""`python -m bert_jax prepare`: makes what a recipe can name, before any device is paid for."""

import argparse

from rich.console import Console
from rich.table import Table

from bert_jax.cli import labelled, store
from bert_jax.cli.labelled import add_splits, data_dir_option, labelled_table, print_keys
from bert_jax.data.builders import documentation, local_text


def main(argv: list[str]) -> None:
    """Runs the subcommand that `argv` names; `--help` tells of each.

    Raises:
        UserError: as the builders do.
        SystemExit: of argparse: help was asked for, or an option is wrong.
    """
    if argv[:1] == ["store"]:  # takes a recipe, and so is parsed as the doors are
        store.main(argv[1:])
        return
    parser = argparse.ArgumentParser("python -m bert_jax prepare",
                                     description="Prepare data that a recipe can name.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("store", help=store.SUMMARY)
    for name, (summary, add_options, run) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary,
                                      formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        add_options(command)
        command.set_defaults(run=run)
    args = parser.parse_args(argv)
    args.run(args)


def _text_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", nargs="+", required=True, metavar="PATH", default=argparse.SUPPRESS,
                        help="files, directories and quoted globs of UTF-8 text")
    parser.add_argument("--format", choices=local_text.FORMATS, required=True, default=argparse.SUPPRESS,
                        help="; ".join(f"{name}: {what}" for name, what in local_text.FORMATS.items()))
    parser.add_argument("--name", required=True, default=argparse.SUPPRESS,
                        help="of the corpus: lower-case letters, digits, underscores")
    data_dir_option(parser)
    parser.add_argument("--held_out", type=float, default=0.05,
                        help="share of documents to evaluate on, chosen by a hash of their words")
    parser.add_argument("--json_field", default="text", help="with --format=jsonl: the field of the text")


def _text(args: argparse.Namespace) -> None:
    info = local_text.prepare(
        args.input, args.format, args.name, args.data_dir, args.held_out, args.json_field)
    _report(info, args.data_dir, "lines" if args.format == "sentences" else "split")


def _documentation(args: argparse.Namespace) -> None:
    corpus, *tasks = documentation.prepare(args.data_dir)
    _report(corpus, args.data_dir, "split")
    table = labelled_table("task")
    for info in tasks:
        add_splits(table, dict(info.metadata)["counts"], info.name)
    Console().print(table)


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
    print_keys(dict(name=info.name, data_dir=data_dir, sentences=sentences), "corpus")


COMMANDS = {
    "text": ("Your own text files as a corpus with a held-out share.", _text_options, _text),
    "documentation": ("The demo corpus: English documentation found in this Python installation.",
                      data_dir_option, _documentation),
} | labelled.COMMANDS
