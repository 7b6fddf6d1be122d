"""`python -m bert_jax prepare`: makes what a recipe can name, before any device is paid for."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bert_jax.cli import store
from bert_jax.data.builders import dataset, documentation, glue, local_task, local_text, tables
from bert_jax.errors import UserError


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
    corpus, *tasks = documentation.prepare(args.data_dir)
    _report(corpus, args.data_dir, "split")
    table = _labelled_table("task")
    for info in tasks:
        _add_splits(table, dict(info.metadata)["counts"], info.name)
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
    _print_keys(dict(name=info.name, data_dir=data_dir, sentences=sentences), "corpus")


def _glue_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", required=True, metavar="DIR", default=argparse.SUPPRESS,
                        help="the folder of the official downloads: CoLA/train.tsv, MRPC/msr_paraphrase_train.txt, ...")
    _data_dir_option(parser)
    parser.add_argument("--tasks", nargs="+", choices=glue.FILES, metavar="TASK", default=[],
                        help=f"of {', '.join(glue.FILES)}; without it, all of which the folder has files")
    parser.add_argument("--partial", action="store_true",
                        help="accept other numbers of rows and labels than the published ones")


def _glue(args: argparse.Namespace) -> None:
    tasks = args.tasks or glue.available(args.input)
    if not tasks:
        raise UserError(f"no file of GLUE is in {args.input}", expected="folders CoLA, SST-2, MRPC and so on",
                        hint="name the folder above them")
    for task in tasks:  # what is missing is told before the first one is written
        glue.find_files(task, args.input)
    infos = {task: glue.prepare(task, args.input, args.data_dir, args.partial)
             for task in dataset.progress(tasks, "preparing", len(tasks))}
    table = _labelled_table("task")
    for task, info in infos.items():
        _add_splits(table, dict(info.metadata)["counts"], task)
    console = Console()
    console.print(table)
    for info in infos.values():
        for note in dict(info.metadata)["notes"]:
            console.print(note, soft_wrap=True, highlight=False)
    absent = [task for task in glue.FILES if task not in tasks]
    if absent and not args.tasks:
        console.print(f"Not in {args.input}: {', '.join(absent)}", soft_wrap=True, highlight=False)
    _print_keys(dict(name=f"glue/{tasks[0]}", data_dir=args.data_dir), "task")


def _task_options(parser: argparse.ArgumentParser) -> None:
    for split, what in (("train", "to learn from"), ("validation", "to evaluate on"),
                        ("test", "to predict; labels may be left out")):
        parser.add_argument(f"--{split}", type=Path, metavar="FILE", required=split != "test",
                            default=argparse.SUPPRESS, help=f"rows {what}, UTF-8")
    parser.add_argument("--name", required=True, default=argparse.SUPPRESS,
                        help="of the task: lower-case letters, digits, underscores")
    _data_dir_option(parser)
    inferred = "; without it, inferred from the training file"
    parser.add_argument("--kind", choices=local_task.KINDS, default="",
                        help="; ".join(f"{kind}: {what}" for kind, what in local_task.KINDS.items()) + inferred)
    parser.add_argument("--text", metavar="COLUMN", default="", help=f"of the text{inferred}")
    parser.add_argument("--text_pair", metavar="COLUMN", default="", help="of the second text of a pair")
    parser.add_argument("--label", metavar="COLUMN", default="", help=f"of the label{inferred}")
    parser.add_argument("--label_names", nargs="+", metavar="LABEL", default=[],
                        help=f"all classes in the order of their ids{inferred}")
    parser.add_argument("--format", choices=tables.FORMATS, default="",
                        help="; ".join(f"{name}: {what}" for name, what in tables.FORMATS.items())
                        + "; without it, as the training file's name ends")
    parser.add_argument("--quoting", action="store_true", help="cells of a tsv may stand in double quotes")
    parser.add_argument("--separator", default=",", help="with --kind=multilabel: between the labels of a cell")


def _task(args: argparse.Namespace) -> None:
    files = {split: getattr(args, split) for split in ("train", "validation", "test") if split in args}
    layout = local_task.infer(
        args.train, kind=args.kind, text=args.text, text_pair=args.text_pair, label=args.label,
        label_names=args.label_names, format=args.format, quoting=args.quoting, separator=args.separator)
    info = local_task.prepare(files, layout, args.name, args.data_dir)
    console = Console()
    console.print(f"{info.full_name} in {info.data_dir}", soft_wrap=True, highlight=False)
    shown = dict(kind=layout.kind, texts=" and ".join(layout.texts), label=layout.label, format=layout.format)
    if layout.label_names:
        shown["label_names"] = _shortened(layout.label_names)
    for key, value in shown.items():
        line = f"  {key + ':':<13}{value}{' (inferred)' if key in layout.inferred else ''}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    table = _labelled_table()
    _add_splits(table, dict(info.metadata)["counts"])
    console.print(table)
    _print_keys(dict(name=info.name, data_dir=args.data_dir), "task")


def _labelled_table(*first: str) -> Table:
    return Table(*first, "split", "rows", "longest, words", "labels")


def _add_splits(table: Table, counts: dict[str, dict], *first: str) -> None:
    for split, count in counts.items():
        table.add_row(*first, split, f"{count['rows']:,}", f"{count['longest']:,}", Text(_distribution(count)))


def _distribution(count: dict) -> str:
    """What `Tally.counts` says of labels, in a line."""
    if "labels" in count:
        total = sum(count["labels"].values()) or 1
        return _shortened([f"{name}: {n:,} ({n / total:.1%})" for name, n in count["labels"].items()])
    if "numbers" in count:
        return "{low:g} to {high:g}, mean {mean:.2f}".format(**count["numbers"])
    return "hidden"


def _shortened(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _print_keys(keys: dict[str, str], section: str) -> None:
    console = Console()
    console.print("In a recipe, or on the command line:")
    for key, value in keys.items():
        if value:
            console.print(f"  --config.{section}.{key}={value}", soft_wrap=True, highlight=False)


COMMANDS = {
    "text": ("Your own text files as a corpus with a held-out share.", _text_options, _text),
    "documentation": ("The demo corpus: English documentation found in this Python installation.",
                      _data_dir_option, _documentation),
    "glue": ("GLUE from its official files, which you have: no network is needed.", _glue_options, _glue),
    "task": ("Your own labelled files as a task.", _task_options, _task),
}
