"""`python -m bert_jax predict`: predictions of a fine-tuned model on new text."""

import argparse
import json
import sys
from pathlib import Path

from bert_jax.cli.command import parser_of
from bert_jax.cli.text_input import add_model_options, check_one_input
from bert_jax.disk import written_whole
from bert_jax.errors import UserError

DESCRIPTION = """Predict with a fine-tuned checkpoint on new text.

The text comes from --text (and --text_pair) or from a file: .tsv, .csv and .jsonl have columns,
whose names are inferred or given; any other file has one text per line. Each prediction is a JSON
object, printed or written to --output.

The text and the second text depend on the task of the model:

  classes or numbers   the text, or both texts of a pair
  tags of words        words separated by spaces; in .jsonl a list of words
  answers              a question and its context; --input can be a .json file of SQuAD, whose ids
                       are kept
  choices              the text and all of its choices; in a file a column that is a list, or the
                       columns of SWAG
"""

_OF_TWO = dict(span="questions with their contexts", choice="texts with their choices")


def main(argv: list[str]) -> None:
    """Prints or writes a JSON object for each text.

    Raises:
        UserError: the checkpoint has not learned a task, or the file or its columns are not there.
        SystemExit: of argparse.
    """
    args = _parser().parse_args(argv)
    check_one_input(args.text, args.input)

    # After the options are known to be right: these imports take seconds.
    from bert_jax.inference.fine_tuned import FineTuned, in_chunks

    model = FineTuned.load(
        args.checkpoint, args.length, args.batch_size, null_threshold=args.null_threshold
    )
    ids = None
    if args.text:
        rows = _given(args.text, args.text_pair, model.kind)
    elif model.kind == "span" and args.input.suffix == ".json":
        ids, rows = _questions(args.input)
    else:
        rows = _rows(args.input, args.column, args.column_pair, model.kind)
    predictions = in_chunks(model, rows)
    if ids:
        predictions = (dict(id=id) | one for id, one in zip(ids, predictions))
    lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in predictions)
    if not args.output:
        sys.stdout.writelines(lines)
        return
    with written_whole(args.output, "w") as file:
        file.writelines(lines)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("python -m bert_jax predict", DESCRIPTION)
    add_model_options(parser)
    parser.add_argument("--text", nargs="+", default=[], help="texts to predict on")
    parser.add_argument(
        "--text_pair",
        nargs="+",
        default=[],
        help="second text of each text; or one context for all questions; or the choices of one "
        "text",
    )
    parser.add_argument("--input", type=Path, help="file of texts, instead of --text")
    parser.add_argument(
        "--column",
        default="",
        help="column of the text in --input; inferred by default",
    )
    parser.add_argument(
        "--column_pair",
        default="",
        help="column of the second text, the context or the list of choices",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="file of the predictions, a JSON object per line; by default they are printed",
    )
    parser.add_argument(
        "--null_threshold",
        type=float,
        help="predict 'no answer' if its score exceeds that of the best answer by more than this; "
        "by default the threshold that the run selected on its validation split",
    )
    return parser


def _given(texts: list[str], pairs: list[str], kind: str) -> list[tuple]:
    """(text,) or (text, pair) of what the command line gives."""
    if kind == "span" and len(pairs) == 1:
        pairs = pairs * len(texts)
    if kind == "choice":
        if len(texts) > 1 or len(pairs) < 2:
            raise UserError(
                "of choices the command line takes one text",
                found=f"{len(texts)} and {len(pairs)} texts",
                expected="--text TEXT --text_pair CHOICE CHOICE ...",
                hint="--input=FILE for several",
            )
        return [(texts[0], pairs)]
    if pairs and len(pairs) != len(texts) or kind == "span" and not pairs:
        raise UserError(
            "--text_pair does not fit --text",
            found=f"{len(texts)} and {len(pairs)} texts",
            expected="as many of each" + ", or one context for all questions" * (kind == "span"),
        )
    if kind == "tagging":
        return [(text.split(),) for text in texts]
    return list(zip(texts, pairs)) if pairs else [(text,) for text in texts]


def _questions(path: Path) -> tuple[list[str], list[tuple]]:
    """The ids of a file of SQuAD, and (question, context) of each."""
    from bert_jax.importers import squad

    found = squad.questions(path)
    return (
        [question["id"] for _, _, question in found],
        [(question["question"], context) for _, context, question in found],
    )


def _rows(path: Path, column: str, column_pair: str, kind: str):
    """(text,) or (text, pair) of each row of a file."""
    from bert_jax.datasets.columns import choose_texts
    from bert_jax.importers import choice, tables
    from bert_jax.importers.lines import lines

    if path.suffix.removeprefix(".") not in (*tables.FORMATS, "json"):
        if not path.is_file():
            raise UserError(f"the file {path} is not there", expected="a file of texts")
        if kind in _OF_TWO:
            raise UserError(
                f"the model takes {_OF_TWO[kind]}",
                found=f"{path}, a text a line",
                expected="columns: a .tsv, .csv or .jsonl"
                + ", or a .json of SQuAD" * (kind == "span"),
            )
        return (
            (line.split() if kind == "tagging" else line.rstrip("\r\n"),) for line in lines(path)
        )
    format = tables.format_of(path)
    if kind == "choice":
        layout = choice.infer(
            path, text=column, choices=(column_pair,) if column_pair else (), labelled=False
        )
        return (
            choice.texts(row, layout, path, number) for number, row in tables.read(path, format)
        )
    texts = choose_texts(
        tables.columns(path, format),
        (column, column_pair),
        str(path),
        ("--column", "--column_pair"),
    )
    if kind in _OF_TWO and len(texts) < 2:
        raise UserError(
            f"the model takes {_OF_TWO[kind]}",
            found=f"one column of {path}, {texts[0]!r}",
            expected="two columns, as 'question' and 'context'",
            hint="--column_pair=COLUMN",
        )
    return (
        tuple(
            _text(tables.cell(row, name, path, number), f"{path}:{number}: {name!r}", kind)
            for name in texts
        )
        for number, row in tables.read(path, format)
    )


def _text(value: object, where: str, kind: str) -> str | list[str]:
    """A text, or for tagging a list of words; a text stands for the words between its spaces."""
    words = kind == "tagging"
    if words and isinstance(value, str):
        value = value.split()
    if not (
        isinstance(value, list) and all(isinstance(word, str) for word in value)
        if words
        else isinstance(value, str)
    ):
        raise UserError(
            f"{where} is no {'list of words' if words else 'text'}",
            found=repr(value)[:80],
            expected="a list of strings" if words else "a string",
        )
    return value
