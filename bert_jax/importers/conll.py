"""Tagged words in files of CoNLL's shared tasks as a TFDS data set: CoNLL-2003, WNUT-17, your own.

A word a line, in columns between tabs or spaces; an empty line ends a sentence, and a line that
begins with `-DOCSTART-` a document. Tags of entities may be in IOB1, IOB2 or BIOES (BILOU); they
are checked, and written in IOB2. The data set has the features `tokens`, `tags`, `document`, the
number of a sentence's document, and `idx`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bert_jax.errors import UserError
from bert_jax.importers import dataset, schemes
from bert_jax.importers.lines import lines
from bert_jax.importers.tally import Tally

DOCUMENT = "-DOCSTART-"


@dataclass(frozen=True)
class Sentence:
    """Words and tags of a sentence, the lines on which they stand, and the number of its
    document."""

    words: list[str]
    tags: list[str]
    numbers: list[int]
    document: int


@dataclass(frozen=True)
class Layout:
    """Settings by which files are read.

    Attributes:
        word, tag: columns, from 0 on; from -1 on counted from the last one.
        scheme: of `schemes.SCHEMES`; empty: that which the training file follows.
    """

    word: int = 0
    tag: int = -1
    scheme: str = ""


def prepare(files: Mapping[str, Path], name: str, data_dir: str, layout: Layout = Layout()) -> Any:
    """Writes files as the data set `name`, a split a file, and returns its `DatasetInfo`.

    `info.metadata['counts']` has, by split, what `Tally.counts` says, and numbers of `documents`
    and `entities`.

    Args:
        files: by split: `train`, `validation` and, where there is one, `test`.
        name: of the data set: lower-case letters, digits, underscores.
        data_dir: a local TFDS data directory; empty: TFDS's own default.
        layout: of all files.

    Raises:
        UserError: a line has no such column, a tag does not follow its scheme or is of a type that
            the training file does not have, or `name` is prepared from other files. Then nothing is
            written.
    """
    dataset.check_name(name)
    read = {split: list(sentences(path, layout)) for split, path in files.items()}
    for split, found in read.items():
        if not found:
            raise UserError(
                f"{files[split]} has no sentences",
                found="no line with a word",
                expected="at least one",
            )
    scheme = layout.scheme or infer_scheme(read["train"], files["train"])
    made = {
        split: [(one, _in_iob2(one, scheme, files[split])) for one in found]
        for split, found in read.items()
    }
    kinds = sorted({tag[2:] for _, tags in made["train"] for tag in tags if tag != schemes.OUTSIDE})
    if not kinds:
        raise UserError(
            f"{files['train']} has no entities",
            found="the tag O alone",
            expected="tags such as B-PER",
            hint="--tag_column names the column of the tags, counted from 0; the last one is -1",
        )
    names = (schemes.OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))
    ids = {tag: number for number, tag in enumerate(names)}
    examples = {
        split: [
            _example(number, one, tags, ids, files[split])
            for number, (one, tags) in enumerate(found)
        ]
        for split, found in made.items()
    }
    counts = {split: _count(of_split, names) for split, of_split in examples.items()}
    return dataset.write_files(
        files,
        examples.__getitem__,
        _features(names),
        name=name,
        data_dir=data_dir,
        made_with=asdict(layout) | dict(format="conll", scheme=scheme),
        counts=counts,
        description="Words with tags of entities in IOB2.",
    )


def sentences(path: Path, layout: Layout) -> Iterator[Sentence]:
    """The sentences of a file; without `-DOCSTART-` each is a document of its own.

    Raises:
        UserError: the file is missing or not UTF-8, or a line has no such column.
    """
    if not path.is_file():
        raise UserError(
            f"the file {path} is not there", expected="a file with a word and its tag a line"
        )
    words, tags, numbers, document, marked = [], [], [], -1, False
    for number, line in enumerate((*lines(path), "")):
        line = line.strip("\r\n")
        cells = line.split("\t") if "\t" in line else line.split(" ")
        if cells[0].strip() and cells[0] != DOCUMENT:
            words.append(_cell(cells, layout.word, path, number + 1))
            tags.append(_cell(cells, layout.tag, path, number + 1))
            numbers.append(number + 1)
            continue
        if words:
            document += not marked
            yield Sentence(words, tags, numbers, document)
            words, tags, numbers = [], [], []
        if cells[0] == DOCUMENT:
            document, marked = document + 1, True


def _cell(cells: list[str], column: int, path: Path, number: int) -> str:
    if len(cells) < 2 or not -len(cells) <= column < len(cells) or not cells[column].strip():
        raise UserError(
            f"{path}:{number} has no word and tag",
            found=repr(" ".join(cells))[:80],
            expected=f"columns between tabs or spaces, of which number {column} is not empty",
            hint="an empty line ends a sentence; --word_column and --tag_column say which columns "
            "count",
        )
    return cells[column].strip()


def infer_scheme(found: list[Sentence], path: Path) -> str:
    """The scheme that all sentences follow: IOB2 if there are several.

    Raises:
        UserError: a tag is none, or there is none that all follow; says the first tag that does not
            follow the scheme which most of the file does.
    """
    wrong: dict[str, Any] = {}
    for scheme in schemes.SCHEMES:
        wrong[scheme] = next(
            (
                (one.numbers[at], one)
                for one in found
                if (at := _first_wrong(one, scheme, path)) is not None
            ),
            None,
        )
        if wrong[scheme] is None:
            return scheme
    scheme = max(wrong, key=lambda scheme: wrong[scheme][0])
    raise _wrong(wrong[scheme][1], scheme, path, "or name the scheme by --scheme")


def _first_wrong(one: Sentence, scheme: str, path: Path) -> int | None:
    try:
        return schemes.first_wrong(one.tags, scheme)
    except ValueError as error:
        number = next(
            number for number, tag in zip(one.numbers, one.tags) if f"{tag!r}" in str(error)
        )
        raise UserError(
            f"{path}:{number}: {error}",
            found=str(error).split(" is ")[0],
            expected="O, or B-, I-, E- or S- before a type, as B-PER",
            hint="--tag_column names the column of the tags; `prepare task` takes other tags",
        ) from None


def _wrong(one: Sentence, scheme: str, path: Path, hint: str) -> UserError:
    at = schemes.first_wrong(one.tags, scheme) or 0
    before = f"{one.tags[at - 1]} before it" if at else "first in its sentence"
    expected = {
        "IOB2": "B where an entity begins, I where it goes on",
        "IOB1": "I in entities, B only where one follows another of its type",
        "BIOES": "B, I, E in entities of several words, S in those of one",
    }[scheme]
    return UserError(
        f"{path}:{one.numbers[at]}: the tag {one.tags[at]!r} does not follow {scheme}",
        found=f"{one.tags[at]} of the word {one.words[at]!r}, {before}",
        expected=expected,
        hint=f"mend the line, {hint}",
    )


def _in_iob2(one: Sentence, scheme: str, path: Path) -> list[str]:
    if _first_wrong(one, scheme, path) is not None:
        raise _wrong(one, scheme, path, "or name another scheme by --scheme")
    return schemes.as_iob2(one.tags, scheme)


def _example(number: int, one: Sentence, tags: list[str], ids: dict[str, int], path: Path) -> dict:
    for line, tag in zip(one.numbers, tags):
        if tag not in ids:
            raise UserError(
                f"{path}:{line} has an entity of a type that the training file does not have",
                found=tag[2:],
                expected=f"one of {', '.join(sorted({name[2:] for name in ids} - {''}))}",
                hint="mend the line, or add such an entity to the training file",
            )
    return dict(
        tokens=one.words, tags=[ids[tag] for tag in tags], document=one.document, idx=number
    )


def _count(examples: list[dict], names: tuple[str, ...]) -> dict:
    tally = Tally(names)
    for example in examples:
        tally.add([example["tokens"]], example["tags"])
    found = sum(names[tag].startswith("B-") for example in examples for tag in example["tags"])
    return tally.counts() | dict(documents=examples[-1]["document"] + 1, entities=found)


def _features(names: tuple[str, ...]) -> dict:
    import numpy as np
    from tensorflow_datasets import features

    return dict(
        tokens=features.Sequence(features.Text()),
        document=np.int32,
        idx=np.int32,
        tags=features.Sequence(features.ClassLabel(names=list(names))),
    )
