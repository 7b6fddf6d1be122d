"""`python -m bert_jax prepare`: makes the data sets, vocabularies and stores that recipes name."""

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from bert_jax.cli import labelled
from bert_jax.cli.labelled import add_splits, data_dir_option, labelled_table, print_keys
from bert_jax.importers import documentation, local_text


def main(argv: list[str]) -> None:
    """Runs the subcommand that `argv` names; `--help` describes each.

    Raises:
        UserError: as the importers do.
        SystemExit: an option is wrong, or help was asked for.
    """
    if argv[:1] == ["store"]:  # takes a recipe, and so has a parser of its own
        from bert_jax.cli import store  # takes a second to import, which no other command needs

        store.main(argv[1:])
        return
    parser = argparse.ArgumentParser(
        "python -m bert_jax prepare",
        description="Prepare corpora, labelled data sets and token stores.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser(
        "store", help="Make the vocabulary and the token stores of a recipe, ahead of training."
    )
    for name, (summary, add_options, run) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        add_options(command)
        command.set_defaults(run=run)
    args = parser.parse_args(argv)
    args.run(args)


def _text_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input",
        nargs="+",
        required=True,
        metavar="PATH",
        default=argparse.SUPPRESS,
        help="files and directories of UTF-8 text, and quoted globs for them",
    )
    parser.add_argument(
        "--format",
        choices=local_text.FORMATS,
        required=True,
        default=argparse.SUPPRESS,
        help="format of the files. "
        + "; ".join(f"{name}: {what}" for name, what in local_text.FORMATS.items()),
    )
    parser.add_argument(
        "--name",
        required=True,
        default=argparse.SUPPRESS,
        help="name of the corpus, of lower-case letters, digits and underscores",
    )
    data_dir_option(parser)
    parser.add_argument(
        "--held_out",
        type=float,
        default=0.05,
        help="share of the documents to evaluate on, chosen by a hash of their words",
    )
    parser.add_argument(
        "--json_field", default="text", help="field that contains the text, with --format=jsonl"
    )


def _text(args: argparse.Namespace) -> None:
    info = local_text.prepare(
        args.input, args.format, args.name, args.data_dir, args.held_out, args.json_field
    )
    _report(info, args.data_dir, "lines" if args.format == "sentences" else "split")


def _documentation(args: argparse.Namespace) -> None:
    corpus, *tasks = documentation.prepare(args.data_dir)
    _report(corpus, args.data_dir, "split")
    table = labelled_table("task")
    for info in tasks:
        add_splits(table, dict(info.metadata)["counts"], info.name)
    Console().print(table)


def _report(info: Any, data_dir: str, sentences: str) -> None:
    console = Console()
    console.print(f"{info.full_name} in {info.data_dir}", soft_wrap=True, highlight=False)
    table = Table("split", "documents", "MB")
    for split in info.splits.values():
        table.add_row(split.name, f"{split.num_examples:,}", f"{split.num_bytes / 1e6:.1f}")
    console.print(table)
    duplicates = dict(info.metadata)["counts"].get("duplicates")
    if duplicates:
        console.print(f"{duplicates:,} documents were dropped as duplicates")
    print_keys(dict(name=info.name, data_dir=data_dir, sentences=sentences), "corpus")


COMMANDS = {
    "text": ("Make a corpus of your own text files, with a held-out share.", _text_options, _text),
    "documentation": (
        "Make the demo's corpus and tasks, of the documentation in this Python installation.",
        data_dir_option,
        _documentation,
    ),
} | labelled.COMMANDS
