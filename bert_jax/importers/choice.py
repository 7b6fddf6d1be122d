"""Questions with choices as a TFDS data set: SWAG from its official files, or files of your own.

A row has a text, choices of which one goes with it, and the number of that one, from 0. In SWAG's
`train.csv` the text is `sent1`, and a choice is `sent2`, with which each of `ending0` to `ending3`
goes on. In JSON lines the choices may be a list: `{"text": "...", "choices": ["...", "..."],
"label": 1}`. A prepared data set has the features `text`, `choices`, `label` and `idx`; where a
test file has no labels they are -1.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bert_jax.datasets.columns import CHOICES, choose_label, choose_texts
from bert_jax.errors import UserError
from bert_jax.importers import dataset, tables
from bert_jax.importers.tally import Tally

_SWAG = ("sent1", "sent2", tuple(f"ending{i}" for i in range(4)))


@dataclass(frozen=True)
class Layout:
    """Settings by which the rows of files are read.

    Attributes:
        text: the column of the text.
        before: that of what each choice goes on from; empty: there is none.
        choices: that of a list of choices, or one for each.
        label: that of the number of the right one.
        format: a key of `tables.FORMATS`.
        count: choices of each row.
    """

    text: str
    before: str
    choices: tuple[str, ...]
    label: str
    format: str
    count: int


def infer(
    path: Path,
    *,
    text: str = "",
    before: str = "",
    choices: Sequence[str] = (),
    label: str = "",
    format: str = "",
    labelled: bool = True,
) -> Layout:
    """The layout of a training file; what is empty is found out, the columns by SWAG's names or the
    usual ones.

    Unless it is to be `labelled`, no column of labels is looked for.

    Raises:
        UserError: the file is wrong, or a column is not there or not clear.
    """
    format = format or tables.format_of(path)
    names = tables.columns(path, format)
    if {_SWAG[0], _SWAG[1], *_SWAG[2]} <= {*names} and not (text or before or choices):
        text, before, choices = _SWAG
    label = choose_label(names, label, str(path), "--label") if labelled else ""
    choices = tuple(choices) or tuple(name for name in CHOICES if name in names)[:1]
    missing = [name for name in (*choices, *[before] * bool(before)) if name not in names]
    if missing or not choices:
        raise UserError(
            f"{path} has no column {(missing or CHOICES)[0]!r} of choices",
            found=", ".join(map(repr, names)),
            expected="a column that is a list, or one for each choice",
            hint="--choices=COLUMN, or --choices COLUMN COLUMN ...; --before is what they go on "
            "from",
        )
    found = choose_texts(
        [name for name in names if name not in (label, before, *choices)],
        (text, ""),
        str(path),
        ("--text", ""),
    )
    if len(found) > 1:
        raise UserError(
            f"which column of {path} holds the text is not clear",
            found=" and ".join(map(repr, found)),
            expected="one",
            hint=f"--text={found[0]}; --before={found[1]} if each choice goes on from it",
        )
    number, row = next(tables.read(path, format))
    count = len(_choices(row, choices, path, number))
    if count < 2:
        raise UserError(
            f"{path}:{number} has too few choices", found=str(count), expected="at least two"
        )
    return Layout(found[0], before, choices, label, format, count)


def prepare(files: Mapping[str, Path], layout: Layout, name: str, data_dir: str) -> Any:
    """Writes files as the data set `name`, a split a file, and returns its `DatasetInfo`.

    `info.metadata['counts']` has, by split, what `Tally.counts` says.

    Args:
        files: by split: `train`, `validation` and, where there is one, `test`, which may be without
            labels.
        layout: of all of them.
        name: of the data set: lower-case letters, digits, underscores.
        data_dir: a local TFDS data directory; empty: TFDS's own default.

    Raises:
        UserError: a row is wrong, has another number of choices or a label that is none of them, or
            `name` is prepared from other files. Then nothing is written.
    """
    dataset.check_name(name)
    counts = {split: _count(split, path, layout) for split, path in files.items()}
    return dataset.write_files(
        files,
        lambda split: _examples(split, files[split], layout),
        _features(layout),
        name=name,
        data_dir=data_dir,
        made_with=asdict(layout),
        counts=counts,
        description=f"Questions with {layout.count} choices.",
    )


def _examples(split: str, path: Path, layout: Layout) -> Iterator[dict]:
    """Yields the example that is written for each row of a file.

    Raises:
        UserError: a row is wrong.
    """
    names = tables.columns(path, layout.format)
    labelled = split != "test" or layout.label in names
    for i, (number, row) in enumerate(tables.read(path, layout.format)):
        text, choices = texts(row, layout, path, number)
        if len(choices) != layout.count:
            raise UserError(
                f"{path}:{number} has another number of choices than the training file",
                found=f"{len(choices)}: {', '.join(map(repr, choices))}"[:160],
                expected=f"{layout.count}, as its first row",
                hint="mend the row, or leave it out",
            )
        label = (
            _label(tables.cell(row, layout.label, path, number), layout, f"{path}:{number}")
            if labelled
            else -1
        )
        yield dict(text=text, choices=choices, label=label, idx=i)


def texts(row: dict, layout: Layout, path: Path, number: int) -> tuple[str, list[str]]:
    """The text and the choices of a row, each with what it goes on from.

    Raises:
        UserError: it has none, or they are no texts.
    """
    text, choices = (
        _text(row, layout.text, path, number),
        _choices(row, layout.choices, path, number),
    )
    if layout.before:
        before = _text(row, layout.before, path, number)
        choices = [f"{before} {choice}" for choice in choices]
    return text, choices


def _choices(row: dict, columns: tuple[str, ...], path: Path, number: int) -> list[str]:
    if len(columns) > 1:
        return [_text(row, column, path, number) for column in columns]
    value = tables.cell(row, columns[0], path, number)
    if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
        raise UserError(
            f"{path}:{number}: {columns[0]!r} is no list of choices",
            found=repr(value)[:80],
            expected='a list of strings, as ["yes", "no"]',
            hint="--choices COLUMN COLUMN ... if each has a column of its own",
        )
    return value


def _text(row: dict, column: str, path: Path, number: int) -> str:
    value = tables.cell(row, column, path, number)
    if not isinstance(value, str):
        raise UserError(
            f"{path}:{number}: {column!r} is no text", found=repr(value)[:80], expected="a string"
        )
    return value


def _label(value: object, layout: Layout, where: str) -> int:
    digits = str(value).strip()
    if not digits.isdecimal() or isinstance(value, bool) or not int(digits) < layout.count:
        raise UserError(
            f"{where}: the label is none of the choices",
            found=repr(value),
            expected=f"a number from 0 to {layout.count - 1}, of one of the {layout.count} choices",
            hint="mend the row, or leave it out",
        )
    return int(digits)


def _words(text: str) -> int:
    return len(text.split())


def _count(split: str, path: Path, layout: Layout) -> dict:
    tally = Tally(_names(layout))
    for example in _examples(split, path, layout):
        longest: str = max(example["choices"], key=_words)
        tally.add(
            [example["text"], longest],
            None if example["label"] == -1 else [example["label"]],
        )
    return tally.counts()


def _names(layout: Layout) -> tuple[str, ...]:
    return tuple(map(str, range(layout.count)))


def _features(layout: Layout) -> dict:
    import numpy as np
    from tensorflow_datasets import features

    return dict(
        text=features.Text(),
        choices=features.Sequence(features.Text()),
        idx=np.int32,
        label=features.ClassLabel(names=list(_names(layout))),
    )
