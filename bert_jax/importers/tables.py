"""Rows of tab-separated, comma-separated and JSON-lines files."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bert_jax.errors import UserError
from bert_jax.importers.lines import lines

FORMATS = {
    "tsv": "columns separated by tabs, named by the first line",
    "csv": "columns separated by commas, quoted where need be, named by the first line",
    "jsonl": "a JSON object a line",
}


def format_of(path: Path) -> str:
    """The format that a file's name tells.

    Raises:
        UserError: it tells none.
    """
    format = {".json": "jsonl"}.get(path.suffix, path.suffix[1:])
    if format not in FORMATS:
        raise UserError(
            f"the format of {path} is not clear",
            found=f"the name ends in {path.suffix!r}",
            expected=" or ".join("." + name for name in FORMATS),
            hint="--format=tsv, say",
        )
    return format


def read(path: Path, format: str, quoting: bool = False) -> Iterator[tuple[int, dict]]:
    """(line number, {column: value}) of each row, in order; blank lines are none.

    Args:
        path: the file.
        format: a key of FORMATS.
        quoting: of tab-separated files: cells may stand in double quotes, as they may in
            comma-separated ones.

    Raises:
        UserError: the file is missing, not UTF-8 or has no rows; a line has other columns than the
            first, two columns have one name, or a line is no JSON object.
    """
    if not path.is_file():
        raise UserError(
            f"the file {path} is not there",
            found="a directory" if path.is_dir() else "no such file",
            expected=f"a file of rows: {FORMATS[format]}",
        )
    rows = _json_rows(path) if format == "jsonl" else _table_rows(path, format, quoting)
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise UserError(
            f"{path} has no rows",
            found="no line" if format == "jsonl" else "at most a header",
            expected="at least one",
            hint="leave the split out if it is meant to be empty",
        )


def cell(row: dict, column: str, path: Path, number: int) -> object:
    """Returns the value in a column of a row of `read`.

    Raises:
        UserError: nothing.
    """
    if column not in row or row[column] is None:
        raise UserError(
            f"{path}:{number} has no value in {column!r}",
            found=", ".join(map(repr, row)),
            expected=f"the field {column!r}",
            hint="fill it in, or leave the row out",
        )
    return row[column]


def columns(path: Path, format: str, quoting: bool = False) -> list[str]:
    """The names of a file's columns, in order; of JSON lines, those of the first line.

    Raises:
        UserError: as `read` does.
    """
    _, first = next(read(path, format, quoting))
    return list(first)


def _table_rows(path: Path, format: str, quoting: bool) -> Iterator[tuple[int, dict]]:
    cells = (
        _quoted_cells(path, "," if format == "csv" else "\t")
        if quoting or format == "csv"
        else _tabbed_cells(path)
    )
    names = None
    for number, row in cells:
        if names is None:
            names = row
            _check_header(path, names)
        elif len(row) != len(names):
            raise UserError(
                f"{path}:{number} has another number of columns than the header",
                found=len(row),
                expected=f"{len(names)}: {', '.join(names)}",
                hint=_column_hint(format, quoting),
            )
        else:
            yield number, dict(zip(names, row))


def _tabbed_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines(path), 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if line:
            yield number, line.split("\t")


def _quoted_cells(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(
        sys.maxsize
    )  # a document may be longer than the 128 KiB that csv takes for an error
    reader = csv.reader(lines(path), delimiter=delimiter, strict=True)
    number = 1
    try:
        for row in reader:
            if row:
                yield number, row
            number = reader.line_num + 1  # a quoted cell may go over several lines
    except csv.Error as error:
        raise UserError(
            f"{path}:{number} is no row of cells",
            found=str(error),
            expected='quotes that are closed, and doubled ("") within a cell',
            hint="mend the line",
        ) from error


def _check_header(path: Path, names: list[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(
            f"two columns of {path} have one name",
            found=", ".join(map(repr, twice)),
            expected="a first line with the names of the columns, each once",
            hint="add that line if the file begins with a row",
        )


def _column_hint(format: str, quoting: bool) -> str:
    if format == "csv":
        return "quote cells that hold commas"
    return (
        "mend the line"
        if quoting
        else "mend the line; --quoting if cells stand in quotes, --format=csv for commas"
    )


def _json_rows(path: Path) -> Iterator[tuple[int, dict]]:
    def wrong(number: int, found: str) -> UserError:
        return UserError(
            f"{path}:{number} is no row",
            found=found,
            expected='a JSON object, as {"text": "...", "label": "..."}',
            hint="mend or remove the line",
        )

    def once(pairs: list[tuple[str, object]]) -> dict:
        row = dict(pairs)
        if len(row) < len(pairs):
            raise ValueError("a field stands there twice")
        return row

    for number, line in enumerate(lines(path), 1):
        if line.isspace():
            continue
        try:
            row = json.loads(line, object_pairs_hook=once)
        except ValueError as error:
            raise wrong(number, str(error)) from error
        if not isinstance(row, dict):
            raise wrong(number, f"a {type(row).__name__}")
        yield number, row
