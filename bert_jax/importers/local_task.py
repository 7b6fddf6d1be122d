"""Your own labelled files as a TFDS data set.

Files are read more than once: to find out what they hold, to check every row, and at last to write.
So all that is wrong with them is found before anything is written, and memory holds the training
labels and one row.

A prepared task has the features `text` and, of pairs, `text_pair`; `label`, a class or a number; of
several classes a text, `labels` instead; of tagging, `tokens` and `tags` instead. `idx` is the
number of the row. Where a file of test rows has no labels they are hidden as TFDS hides them: -1
for classes and tags, NaN for numbers.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bert_jax.datasets.columns import choose_label, choose_texts
from bert_jax.errors import UserError
from bert_jax.importers import dataset, tables
from bert_jax.importers.tally import Tally

KINDS = {
    "classification": "one class a text or pair",
    "regression": "a number a text or pair",
    "multilabel": "any number of classes a text or pair: a list in JSON lines, else separated by "
    "--separator",
    "tagging": "a class a word: two lists in JSON lines, words and tags",
}
_LARGEST = 3.4e38  # of float32; NaN is not below it either


@dataclass(frozen=True)
class Layout:
    """Settings by which the rows of a task's files are read, as given or inferred.

    Attributes:
        kind: a key of KINDS.
        texts: the column of the text, or the two of a pair.
        label: the column of the labels.
        label_names: by class id; none for numbers.
        format: a key of `tables.FORMATS`.
        quoting: see `tables.read`.
        separator: between several labels of a cell.
        inferred: names of those of the above that nobody gave.
    """

    kind: str
    texts: tuple[str, ...]
    label: str
    label_names: tuple[str, ...]
    format: str
    quoting: bool
    separator: str
    inferred: tuple[str, ...]


def infer(
    path: Path,
    *,
    kind: str = "",
    text: str = "",
    text_pair: str = "",
    label: str = "",
    label_names: Sequence[str] = (),
    format: str = "",
    quoting: bool = False,
    separator: str = ",",
) -> Layout:
    """The layout of a training file; what is empty is found out.

    The format follows from the file's name and the columns from theirs. Lists of labels are of
    words where texts are lists too, else several a text; numbers of which one has a decimal point
    are numbers to predict; all else are classes. These stand in the order of numbers if all are
    whole numbers, else of the alphabet.

    Raises:
        UserError: the file or a label is wrong, or a column is not there or not clear.
    """
    given = dict(kind=kind, texts=text, label=label, label_names=label_names, format=format)
    if kind and kind not in KINDS:
        raise UserError("not a kind of task", found=repr(kind), expected=", ".join(KINDS))
    format = format or tables.format_of(path)
    names = tables.columns(path, format, quoting)
    label = choose_label(names, label, str(path), "--label")
    texts = choose_texts(
        [n for n in names if n != label], (text, text_pair), str(path), ("--text", "--text_pair")
    )
    cells = [
        (number, tables.cell(row, label, path, number))
        for number, row in tables.read(path, format, quoting)
    ]
    first = next(tables.read(path, format, quoting))[1]
    kind = kind or _infer_kind([value for _, value in cells], first[texts[0]])
    label_names = _label_names(cells, kind, tuple(map(str, label_names)), separator, path)
    if kind == "regression":
        del given["label_names"]  # it has none
    inferred = tuple(key for key, value in given.items() if not value)
    return Layout(kind, texts, label, label_names, format, quoting, separator, inferred)


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
        UserError: a file or a row is wrong, or `name` is prepared from other files. Then nothing is
            written. The same files again are no error: what is prepared stays.
    """
    dataset.check_name(name)
    counts = {split: _count(split, path, layout) for split, path in files.items()}
    made_with = asdict(layout)
    del made_with["inferred"]
    return dataset.write_files(
        files,
        lambda split: _examples(split, files[split], layout),
        _features(layout),
        name=name,
        data_dir=data_dir,
        made_with=made_with,
        counts=counts,
        description=f"Local files: {KINDS[layout.kind]}.",
    )


def _infer_kind(values: list, text: object) -> str:
    if any(isinstance(value, list) for value in values):
        return "tagging" if isinstance(text, list) else "multilabel"
    numbers = all(not isinstance(value, bool) and _is_number(value) for value in values)
    if numbers and not all(_is_whole(value) for value in values):
        return "regression"
    return "classification"


def _label_names(
    cells: list[tuple[int, object]], kind: str, given: tuple[str, ...], separator: str, path: Path
) -> tuple[str, ...]:
    if kind == "regression":
        if given:
            raise UserError(
                "numbers have no label names",
                found=", ".join(given),
                expected="none",
                hint="--kind=classification if the labels are classes",
            )
        return ()
    names = given
    if not names:
        found = {
            name
            for number, value in cells
            for name in _class_names(value, kind, separator, f"{path}:{number}")
        }
        names = tuple(sorted(found, key=int) if all(map(_is_whole, found)) else sorted(found))
    least = 1 if kind == "multilabel" else 2
    if len(set(names)) < max(least, len(names)):
        raise UserError(
            f"the labels {'given' if given else f'in {path}'} do not do",
            found=", ".join(names) or "none",
            expected="at least two" if least == 2 else "at least one, each once",
            hint="another --label, or --label_names with all that there can be, each once",
        )
    return names


def _is_number(value: Any) -> bool:
    try:
        float(value)
        return True
    except (TypeError, ValueError):
        return False


def _is_whole(value: object) -> bool:
    digits = str(value).strip().removeprefix("-")
    return digits.isascii() and digits.isdigit()


def _class_names(value: object, kind: str, separator: str, where: str) -> list[str]:
    """The classes in a cell.

    Raises:
        UserError: it holds something else.
    """
    if kind == "classification":
        values = [value]
    elif isinstance(value, list):
        values = value
    elif kind == "multilabel" and isinstance(value, str):
        values = [part for part in value.split(separator) if part.strip()]
    else:
        raise UserError(
            f"{where}: the label is no list",
            found=repr(value),
            expected='a list, as ["B-PER", "O"]',
        )
    if not all(
        isinstance(v, str | int) and str(v).strip() and len(str(v).splitlines()) == 1
        for v in values
    ):
        raise UserError(
            f"{where}: the label is no class",
            found=repr(value),
            expected="a word or a whole number",
            hint="fill it in, or leave the row out; --kind=regression if labels are numbers",
        )
    return [str(v).strip() for v in values]


def _count(split: str, path: Path, layout: Layout) -> dict:
    tally = Tally(layout.label_names)
    for example in _examples(split, path, layout):
        texts = (
            [example["tokens"]]
            if layout.kind == "tagging"
            else [example[n] for n in _text_names(layout)]
        )
        tally.add(texts, _shown(example, layout))
    return tally.counts()


def _shown(example: dict, layout: Layout) -> list[int] | float | None:
    """The class ids or the number of an example; None where hidden."""
    match layout.kind:
        case "classification":
            ids = [example["label"]]
        case "regression":
            return None if math.isnan(example["label"]) else example["label"]
        case "multilabel":
            ids = example["labels"]
        case "tagging":
            ids = example["tags"]
    return None if -1 in ids else ids


def _text_names(layout: Layout) -> tuple[str, ...]:
    return ("text", "text_pair")[: len(layout.texts)]


def _examples(split: str, path: Path, layout: Layout) -> Iterator[dict]:
    """Yields the example that is written for each row of a file.

    Raises:
        UserError: a row is wrong.
    """
    names = tables.columns(path, layout.format, layout.quoting)
    wanted = (
        [*layout.texts]
        if split == "test" and layout.label not in names
        else [*layout.texts, layout.label]
    )
    for column in wanted:
        if column not in names:
            raise UserError(
                f"{path} has no column {column!r}, as the training file has",
                found=", ".join(map(repr, names)),
                expected=", ".join(map(repr, wanted)),
            )
    ids = {name: i for i, name in enumerate(layout.label_names)}
    for i, (number, row) in enumerate(tables.read(path, layout.format, layout.quoting)):
        where = f"{path}:{number}"
        texts = [tables.cell(row, column, path, number) for column in layout.texts]
        value = tables.cell(row, layout.label, path, number) if layout.label in wanted else None
        if layout.kind == "tagging":
            example = _tagged(texts[0], value, layout, ids, where)
        else:
            example = _labelled(texts, value, layout, ids, where)
        yield example | {"idx": i}


def _labelled(texts: list, value: object, layout: Layout, ids: dict[str, int], where: str) -> dict:
    for text, column in zip(texts, layout.texts):
        if not isinstance(text, str):
            raise UserError(
                f"{where}: {column!r} is no text",
                found=repr(text),
                expected="a string",
                hint="another --text, or --kind=tagging for lists of words",
            )
    example = dict(zip(_text_names(layout), texts))
    if layout.kind == "regression":
        return example | {"label": math.nan if value is None else _number(value, where)}
    known = [-1] if value is None else _ids(value, layout, ids, where)
    if layout.kind == "classification":
        return example | {"label": known[0]}
    return example | {"labels": sorted(set(known))}


def _tagged(words: object, value: object, layout: Layout, ids: dict[str, int], where: str) -> dict:
    if (
        not isinstance(words, list)
        or not words
        or not all(isinstance(word, str) and word for word in words)
    ):
        raise UserError(
            f"{where}: {layout.texts[0]!r} is no list of words",
            found=repr(words),
            expected='a list of strings, none of them empty, as ["Ada", "wrote"]',
        )
    tags = [-1] * len(words) if value is None else _ids(value, layout, ids, where)
    if len(tags) != len(words):
        raise UserError(
            f"{where}: words and tags are not of one number",
            found=f"{len(words)} words, {len(tags)} tags",
            expected="a tag a word",
        )
    return {"tokens": words, "tags": tags}


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not _is_number(value) or not abs(float(value)) <= _LARGEST:
        raise UserError(
            f"{where}: the label is no number",
            found=repr(value),
            expected="a number, as 3.5",
            hint="mend the row or leave it out; --kind=classification if labels are classes",
        )
    return float(value)


def _ids(value: object, layout: Layout, ids: dict[str, int], where: str) -> list[int]:
    names = _class_names(value, layout.kind, layout.separator, where)
    for name in names:
        if name not in ids:
            source = "of the training file" if "label_names" in layout.inferred else "given"
            raise UserError(
                f"{where}: the label {name!r} is unknown",
                found=repr(value),
                expected=f"the labels {source}: {_listed(layout.label_names)}",
                hint="mend the row, or name all labels by --label_names",
            )
    return [ids[name] for name in names]


def _listed(names: Sequence[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _features(layout: Layout) -> dict:
    import numpy as np
    from tensorflow_datasets import features

    classes = features.ClassLabel(names=list(layout.label_names)) if layout.label_names else None
    texts = {name: features.Text() for name in _text_names(layout)}
    match layout.kind:
        case "classification":
            shown = texts | {"label": classes}
        case "regression":
            shown = texts | {"label": np.float32}
        case "multilabel":
            shown = texts | {"labels": features.Sequence(classes)}
        case "tagging":
            shown = {
                "tokens": features.Sequence(features.Text()),
                "tags": features.Sequence(classes),
            }
    return shown | {"idx": np.int32}
