"""Your own text files as a TFDS data set with a held-out share.

Files are read twice: once to fingerprint every document, 8 bytes each, once to write. So all that
is wrong with the input is found before anything is written, and memory does not grow with the text.
"""

import glob
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.errors import UserError
from bert_jax.importers import dataset
from bert_jax.importers.lines import lines

FORMATS = {
    "sentences": "a sentence a line, a blank line between documents, as Google's BERT",
    "documents": "a document a file",
    "jsonl": "a JSON object a line, each with a document",
}


def prepare(
    inputs: Sequence[str | Path],
    format: str,
    name: str,
    data_dir: str,
    held_out: float = 0.05,
    json_field: str = "text",
) -> Any:
    """Writes files as the data set `name`, splits `train` and `validation`, and returns its
    `DatasetInfo`.

    Documents that repeat an earlier one but for white space are dropped. Which side one falls on
    depends on its own words only: not on the order of files, nor on what else there is. Records
    stand in the order of sorted paths; lines of `sentences` stay lines. `info.metadata['counts']`
    has `documents`, `duplicates` and `held_out`.

    Args:
        inputs: files, directories (all files below that are not hidden) and globs.
        format: a key of FORMATS.
        name: of the data set: lower-case letters, digits, underscores.
        data_dir: a local TFDS data directory; empty: TFDS's own default.
        held_out: share of documents, between 0 and 1, that goes to `validation`.
        json_field: where a JSONL object has its text.

    Raises:
        UserError: the input is wrong, a side would be empty, or `name` is prepared from other text.
            Then nothing is written. The same text again is no error: what is prepared stays.
    """
    dataset.check_name(name)
    if format not in FORMATS:
        raise UserError("not a format of text", found=repr(format), expected=", ".join(FORMATS))
    if not 0 < held_out < 1:
        raise UserError(
            "held_out is out of range", found=held_out, expected="a share between 0 and 1"
        )
    files = find_files(inputs)

    def documents(doing: str) -> Iterator[str]:
        for path in dataset.progress(files, doing):
            yield from read(path, format, json_field)

    prints = np.fromiter((fingerprint(text) for text in documents("reading")), np.uint64)
    if not prints.size:
        raise UserError(
            "the input has no text", found=f"{len(files)} files, all blank", expected="documents"
        )
    distinct, first = np.unique(prints, return_index=True)
    kept = np.zeros(prints.size, bool)
    kept[first] = True
    in_validation = prints < np.uint64(held_out * 2**64)
    counts = dict(
        documents=distinct.size,
        duplicates=prints.size - distinct.size,
        held_out=int((kept & in_validation).sum()),
    )
    _check_sides(counts, held_out)
    digest = hashlib.sha256(distinct.tobytes()).hexdigest()
    recipe = dict(format=format, held_out=held_out, text=digest)
    return dataset.existing(name, data_dir, recipe) or dataset.write(
        (
            ("validation" if is_validation else "train", text)
            for text, keep, is_validation in zip(
                documents("writing"), kept, in_validation, strict=True
            )
            if keep
        ),
        name=name,
        data_dir=data_dir,
        recipe=recipe,
        counts=counts,
        description=f"Local text, {FORMATS[format]}; {held_out:g} of it held out by a hash of its "
        f"words.",
    )


def _check_sides(counts: dict[str, int], held_out: float) -> None:
    if not 0 < counts["held_out"] < counts["documents"]:
        raise UserError(
            "one side of the held-out share would be empty",
            found=f"{counts['held_out']} of {counts['documents']} documents held out at "
            f"{held_out:g}",
            expected="at least one document on each side",
            hint="another held_out share, or more and smaller documents",
        )


def find_files(inputs: Sequence[str | Path]) -> list[Path]:
    """Every file that files, directories and globs name, once, sorted.

    Raises:
        UserError: one of the inputs names no file.
    """
    found = set()
    for entry in map(str, inputs):
        path = Path(entry).expanduser()
        if path.is_dir():
            matches = [
                p
                for p in path.rglob("*")
                if not any(part.startswith(".") for part in p.relative_to(path).parts)
            ]
        else:
            matches = [path] if path.exists() else map(Path, glob.glob(str(path), recursive=True))
        files = [p for p in matches if p.is_file()]
        if not files:
            raise UserError(
                f"no file matches {entry!r}",
                found=f"nothing there, from {Path.cwd()}",
                expected="a file, a directory with files, or a glob such as 'books/**/*.txt'",
                hint="quote a glob, so that the shell leaves it alone",
            )
        found.update(files)
    if not found:
        raise UserError("no input is named", expected="at least one file, directory or glob")
    return sorted(found)


def read(path: Path, format: str, json_field: str = "text") -> Iterator[str]:
    """The documents of a file that are not blank.

    Raises:
        UserError: it is not UTF-8, or a line is no JSON object with a text in `json_field`.
    """
    match format:
        case "documents":
            texts = iter(["".join(lines(path)).strip()])
        case "sentences":
            texts = _sentences(path)
        case "jsonl":
            texts = _jsonl(path, json_field)
    return (text for text in texts if text and not text.isspace())


def fingerprint(text: str) -> int:
    """64 bits that depend on the words alone, not on the white space between them."""
    return int.from_bytes(
        hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).digest(), "big"
    )


def _sentences(path: Path) -> Iterator[str]:
    sentences = []
    for line in lines(path):
        if line.strip():
            sentences.append(line.strip())
        elif sentences:
            yield "\n".join(sentences)
            sentences = []
    yield "\n".join(sentences)


def _jsonl(path: Path, field: str) -> Iterator[str]:
    def wrong(number: int, found: str) -> UserError:
        return UserError(
            f"{path}:{number} is not a document",
            found=found,
            expected=f'a JSON object a line, as {{"{field}": "..."}}',
            hint="mend or remove the line, or name another field by --json_field",
        )

    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise wrong(number, f"{error.msg} at column {error.colno}") from error
        if not isinstance(value, dict):
            raise wrong(number, f"a {type(value).__name__}")
        if field not in value:
            raise wrong(number, f"no field {field!r}; the fields are {', '.join(map(repr, value))}")
        if not isinstance(value[field], str):
            raise wrong(number, f"the field {field!r} is a {type(value[field]).__name__}")
        yield value[field]
