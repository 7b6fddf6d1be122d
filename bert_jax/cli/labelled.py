"""The subcommands of `prepare` that make labelled data sets."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bert_jax.errors import UserError
from bert_jax.importers import choice, conll, dataset, glue, local_task, schemes, squad, tables


def _glue_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input",
        required=True,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="the folder of the official downloads: CoLA/train.tsv, "
        "MRPC/msr_paraphrase_train.txt, ...",
    )
    data_dir_option(parser)
    parser.add_argument(
        "--tasks",
        nargs="+",
        choices=glue.FILES,
        metavar="TASK",
        default=[],
        help=f"of {', '.join(glue.FILES)}; without it, all of which the folder has files",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="accept other numbers of rows and labels than the published ones",
    )


def _glue(args: argparse.Namespace) -> None:
    tasks = args.tasks or glue.available(args.input)
    if not tasks:
        raise UserError(
            f"no file of GLUE is in {args.input}",
            expected="folders CoLA, SST-2, MRPC and so on",
            hint="name the folder above them",
        )
    for task in tasks:  # what is missing is told before the first one is written
        glue.find_files(task, args.input)
    infos = {
        task: glue.prepare(task, args.input, args.data_dir, args.partial)
        for task in dataset.progress(tasks, "preparing", len(tasks))
    }
    table = labelled_table("task")
    for task, info in infos.items():
        add_splits(table, dict(info.metadata)["counts"], task)
    console = Console()
    console.print(table)
    for info in infos.values():
        for note in dict(info.metadata)["notes"]:
            console.print(note, soft_wrap=True, highlight=False)
    absent = [task for task in glue.FILES if task not in tasks]
    if absent and not args.tasks:
        console.print(f"Not in {args.input}: {', '.join(absent)}", soft_wrap=True, highlight=False)
    print_keys(dict(name=f"glue/{tasks[0]}", data_dir=args.data_dir), "task")


def _files_options(parser: argparse.ArgumentParser, test: str) -> None:
    for split, what in (
        ("train", "to learn from"),
        ("validation", "to evaluate on"),
        ("test", test),
    ):
        parser.add_argument(
            f"--{split}",
            type=Path,
            metavar="FILE",
            required=split != "test",
            default=argparse.SUPPRESS,
            help=f"{what}, UTF-8",
        )
    parser.add_argument(
        "--name",
        required=True,
        default=argparse.SUPPRESS,
        help="of the task: lower-case letters, digits, underscores",
    )
    data_dir_option(parser)


def _files(args: argparse.Namespace) -> dict[str, Path]:
    return {
        split: getattr(args, split) for split in ("train", "validation", "test") if split in args
    }


def _squad_options(parser: argparse.ArgumentParser) -> None:
    _files_options(parser, "to predict; answers may be left out")
    parser.add_argument(
        "--version",
        choices=squad.VERSIONS,
        default="",
        help="; ".join(f"{version}: {what}" for version, what in squad.VERSIONS.items())
        + "; without it, that of the training file",
    )


def _squad(args: argparse.Namespace) -> None:
    info = squad.prepare(_files(args), args.name, args.data_dir, args.version)
    table = Table("split", "questions", "contexts", "longest, words", "without answer")
    for split, count in dict(info.metadata)["counts"].items():
        none = (
            f"{count['unanswerable']:,} ({count['unanswerable'] / count['rows']:.1%})"
            if ("unanswerable" in count)
            else ""
        )
        table.add_row(
            split, f"{count['rows']:,}", f"{count['contexts']:,}", f"{count['longest']:,}", none
        )
    _report(info, table, args.data_dir)


def _ner_options(parser: argparse.ArgumentParser) -> None:
    _files_options(parser, "to predict or score in the end")
    parser.add_argument(
        "--scheme",
        choices=schemes.SCHEMES,
        default="",
        help="of the tags (BIOES is BILOU too); without it, the one that the training file follows",
    )
    parser.add_argument("--word_column", type=int, default=0, help="of the word, from 0 on")
    parser.add_argument("--tag_column", type=int, default=-1, help="of the tag; -1: the last one")


def _ner(args: argparse.Namespace) -> None:
    layout = conll.Layout(args.word_column, args.tag_column, args.scheme)
    info = conll.prepare(_files(args), args.name, args.data_dir, layout)
    counts = dict(info.metadata)["counts"]
    types = [name[2:] for name in counts["train"]["labels"] if name.startswith("B-")]
    table = Table("", *counts)
    for row, key in dict(sentences="rows", documents="documents", entities="entities").items():
        table.add_row(row, *(f"{count[key]:,}" for count in counts.values()))
    for kind in types:
        table.add_row(
            Text(f"  {kind}"), *(f"{count['labels'][f'B-{kind}']:,}" for count in counts.values())
        )
    table.add_row("longest, words", *(f"{count['longest']:,}" for count in counts.values()))
    _report(info, table, args.data_dir)


def _choice_options(parser: argparse.ArgumentParser) -> None:
    _files_options(parser, "to predict; labels may be left out")
    inferred = "; without it, inferred from the training file"
    parser.add_argument("--text", metavar="COLUMN", default="", help=f"of the text{inferred}")
    parser.add_argument(
        "--before", metavar="COLUMN", default="", help="of what each choice goes on from"
    )
    parser.add_argument(
        "--choices",
        metavar="COLUMN",
        nargs="+",
        default=[],
        help=f"of a list of choices, or one column for each{inferred}",
    )
    parser.add_argument(
        "--label", metavar="COLUMN", default="", help=f"of the number of the right one{inferred}"
    )
    parser.add_argument(
        "--format",
        choices=tables.FORMATS,
        default="",
        help="; ".join(f"{name}: {what}" for name, what in tables.FORMATS.items())
        + "; without it, as the training file's name ends",
    )


def _choice(args: argparse.Namespace) -> None:
    layout = choice.infer(
        args.train,
        text=args.text,
        before=args.before,
        choices=args.choices,
        label=args.label,
        format=args.format,
    )
    info = choice.prepare(_files(args), layout, args.name, args.data_dir)
    table = labelled_table()
    add_splits(table, dict(info.metadata)["counts"])
    _report(info, table, args.data_dir)


def _report(info: Any, table: Table, data_dir: str) -> None:
    console = Console()
    console.print(f"{info.full_name} in {info.data_dir}", soft_wrap=True, highlight=False)
    console.print(table)
    print_keys(dict(name=info.name, data_dir=data_dir), "task")


def _task_options(parser: argparse.ArgumentParser) -> None:
    _files_options(parser, "to predict; labels may be left out")
    inferred = "; without it, inferred from the training file"
    parser.add_argument(
        "--kind",
        choices=local_task.KINDS,
        default="",
        help="; ".join(f"{kind}: {what}" for kind, what in local_task.KINDS.items()) + inferred,
    )
    parser.add_argument("--text", metavar="COLUMN", default="", help=f"of the text{inferred}")
    parser.add_argument(
        "--text_pair", metavar="COLUMN", default="", help="of the second text of a pair"
    )
    parser.add_argument("--label", metavar="COLUMN", default="", help=f"of the label{inferred}")
    parser.add_argument(
        "--label_names",
        nargs="+",
        metavar="LABEL",
        default=[],
        help=f"all classes in the order of their ids{inferred}",
    )
    parser.add_argument(
        "--format",
        choices=tables.FORMATS,
        default="",
        help="; ".join(f"{name}: {what}" for name, what in tables.FORMATS.items())
        + "; without it, as the training file's name ends",
    )
    parser.add_argument(
        "--quoting", action="store_true", help="cells of a tsv may stand in double quotes"
    )
    parser.add_argument(
        "--separator", default=",", help="with --kind=multilabel: between the labels of a cell"
    )


def _task(args: argparse.Namespace) -> None:
    layout = local_task.infer(
        args.train,
        kind=args.kind,
        text=args.text,
        text_pair=args.text_pair,
        label=args.label,
        label_names=args.label_names,
        format=args.format,
        quoting=args.quoting,
        separator=args.separator,
    )
    info = local_task.prepare(_files(args), layout, args.name, args.data_dir)
    console = Console()
    console.print(f"{info.full_name} in {info.data_dir}", soft_wrap=True, highlight=False)
    shown = dict(
        kind=layout.kind, texts=" and ".join(layout.texts), label=layout.label, format=layout.format
    )
    if layout.label_names:
        shown["label_names"] = _shortened(layout.label_names)
    for key, value in shown.items():
        line = f"  {key + ':':<13}{value}{' (inferred)' if key in layout.inferred else ''}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    table = labelled_table()
    add_splits(table, dict(info.metadata)["counts"])
    console.print(table)
    print_keys(dict(name=info.name, data_dir=args.data_dir), "task")


def labelled_table(*first: str) -> Table:
    return Table(*first, "split", "rows", "longest, words", "labels")


def add_splits(table: Table, counts: dict[str, dict], *first: str) -> None:
    for split, count in counts.items():
        table.add_row(
            *first, split, f"{count['rows']:,}", f"{count['longest']:,}", Text(_distribution(count))
        )


def _distribution(count: dict) -> str:
    """Returns a line about the labels that `Tally.counts` counted."""
    if "labels" in count:
        total = sum(count["labels"].values()) or 1
        return _shortened(
            [f"{name}: {n:,} ({n / total:.1%})" for name, n in count["labels"].items()]
        )
    if "numbers" in count:
        return "{low:g} to {high:g}, mean {mean:.2f}".format(**count["numbers"])
    return "hidden"


def _shortened(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def data_dir_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--data_dir`."""
    parser.add_argument(
        "--data_dir",
        default="",
        metavar="DIR",
        help="local TFDS data directory to write to; empty: TFDS's own default",
    )


def print_keys(keys: dict[str, str], section: str) -> None:
    """Prints the keys of a recipe's section that name what was made."""
    console = Console()
    console.print("In a recipe, or on the command line:")
    for key, value in keys.items():
        if value:
            console.print(f"  --config.{section}.{key}={value}", soft_wrap=True, highlight=False)


COMMANDS = {
    "glue": (
        "GLUE from its official files, which you have: no network is needed.",
        _glue_options,
        _glue,
    ),
    "squad": ("SQuAD 1.1 or 2.0, or questions of your own in its format.", _squad_options, _squad),
    "ner": (
        "Tagged words in CoNLL's format, with their documents: CoNLL-2003, WNUT-17, your own.",
        _ner_options,
        _ner,
    ),
    "choice": ("Multiple choice: SWAG's files, or rows of your own.", _choice_options, _choice),
    "task": ("Your own labelled files as a task.", _task_options, _task),
}
