"""Texts of a command: given on the command line, or read from a file."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bert_jax.errors import UserError
from bert_jax.remote import path_of


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options with which a command loads a model."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        type=path_of,
        help="the workdir of a run, a converted checkpoint, a Hugging Face directory, or Google's "
        "checkpoint",
    )
    parser.add_argument(
        "--length",
        type=int,
        default=0,
        help="maximum number of tokens of a text, special tokens included; longer texts lose their "
        "end. 0: as in training, or if that is not known, as the model takes",
    )
    parser.add_argument(
        "--batch_size", type=int, default=64, help="maximum number of texts computed at once"
    )


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options with which `read_texts` is told where the texts are."""
    parser.add_argument("--text", nargs="+", default=[], help="texts")
    parser.add_argument(
        "--input",
        type=Path,
        help="a file of texts: columns in .tsv, .csv and .jsonl, a text a line in any other",
    )
    parser.add_argument(
        "--column",
        default="",
        help="the column of the text in --input; it is inferred by default",
    )


def check_one_input(texts: Sequence[str], path: Path | None) -> None:
    """Raises a UserError unless either texts or a file of texts are given."""
    if bool(texts) == bool(path):
        raise UserError(
            "there are both --text and --input" if texts else "there is no text",
            expected="either --text TEXT ... or --input=FILE",
        )


def read_texts(texts: list[str], path: Path | None, column: str) -> list[str]:
    """Returns the texts of the command line, or those of a file.

    Args:
        texts: texts of the command line.
        path: a file of texts, if there are none.
        column: the column of the text; empty: it is inferred.

    Raises:
        UserError: both or neither are given; the file or the column does not exist, or a cell is
            not a text.
    """
    from bert_jax.datasets.columns import choose_texts
    from bert_jax.importers import tables
    from bert_jax.importers.lines import lines

    check_one_input(texts, path)
    if path is None:
        return texts
    if path.suffix.removeprefix(".") not in (*tables.FORMATS, "json"):
        if not path.is_file():
            raise UserError(f"the file {path} does not exist", expected="a file of texts")
        return [line.rstrip("\r\n") for line in lines(path)]
    table_format = tables.format_of(path)
    names = tables.columns(path, table_format)
    if not column:
        # A second text is not read; its column makes the first one known.
        column = choose_texts(names, ("", ""), str(path), ("--column", "--column"))[0]
    choose_texts(names, (column, ""), str(path), ("--column", "--column"))
    result = []
    for number, row in tables.read(path, table_format):
        value = tables.cell(row, column, path, number)
        if not isinstance(value, str):
            raise UserError(
                f"{path}:{number} has no text in {column!r}",
                found=repr(value)[:80],
                expected="a string",
            )
        result.append(value)
    return result
