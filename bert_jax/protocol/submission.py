"""GLUE's test sets, predicted by the best model of each task, as the zip of files that
gluebenchmark.com scores."""

import dataclasses
import os
import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jax
from rich.console import Console

from bert_jax.checkpoint import runs
from bert_jax.errors import UserError
from bert_jax.inference.fine_tuned import FineTuned
from bert_jax.protocol.fine_tuning import Run
from bert_jax.tasks import examples, tokenised
from bert_jax.tasks.glue import TASKS, Task, leaderboard_file

DIRECTORY, ARCHIVE = "submission", "submission.zip"

# All that gluebenchmark.com wants in one zip: the task and the split of each file.
FILES: dict[str, tuple[Task, str]] = {}
for _task in TASKS.values():
    FILES |= {file: (_task, split) for split, file in _task.leaderboard.items()}


def make(
    planned: list[Run], results: dict[str, dict], workdir: Path, console: Console
) -> Path | None:
    """Predicts the test sets of the GLUE tasks in `results`, and AX where MNLI is one of them.

    Writes WORKDIR/submission/*.tsv and WORKDIR/submission.zip, in place of those that were there.

    Args:
        planned: from `protocol.plan`.
        results: from `protocol.fine_tune`.
        workdir: of the protocol.
        console: told what is left out and why, and what is missing.

    Returns:
        The zip; None if there is nothing to put into it, or there are several hosts.

    Raises:
        UserError: a test split has not the published number of rows, and not because `prepare
            --partial` was asked for another; a model or a split has other classes than GLUE; or a
            prediction is no number.
    """
    best = _best_runs(planned, results)
    if not best:
        return None
    if jax.process_count() > 1:
        _say(
            console,
            "test predictions: not made by several hosts; the same command on one host trains "
            "nothing "
            "again and makes them",
        )
        return None
    rows = _rows(best, workdir, console)
    texts = {}
    for name, one in best.items():
        if files := [file for file in rows if _model_of(FILES[file][0]) == name]:
            with console.status(f"predicting the test sets of {', '.join(files)}"):
                texts |= _predict(one, workdir / one.name, files)
    if not texts:
        return None
    path = write(texts, rows, workdir)
    missing = [file for file in FILES if file not in texts]
    _say(
        console,
        f"{ARCHIVE} has {len(texts)} of the {len(FILES)} files that gluebenchmark.com wants"
        + (
            f" and it refuses a zip without all of them; missing: {', '.join(missing)}"
            if missing
            else ""
        ),
    )
    return path


def _best_runs(planned: list[Run], results: dict[str, dict]) -> dict[str, Run]:
    """The best run of each GLUE task, by the task's short name."""
    by_name = {one.name: one for one in planned}
    return {
        task.removeprefix("glue/"): by_name[found["best"]]
        for task, found in results.items()
        if task.removeprefix("glue/") in TASKS
    }


def _model_of(task: Task) -> str:
    return task.scored_by or task.name.removeprefix("glue/")


def _rows(best: dict[str, Run], workdir: Path, console: Console) -> dict[str, int]:
    """The number of rows of each file that can be made; says why one of a task in `best` cannot.

    All are looked at before anything is predicted: that may take long.
    """
    rows = {}
    for file, (task, split) in FILES.items():
        one = best.get(_model_of(task))
        if not one:
            continue
        if not runs.is_one(workdir / one.name):
            _say(
                console,
                f"{file}: left out, there is no checkpoint in {workdir / one.name} any more",
            )
            continue
        try:
            source = examples.opened(task.name, one.config.task.data_dir, split)
        except UserError as error:
            _say(console, f"{file}: left out, {str(error).splitlines()[0]}")
            continue
        if note := check_rows(task, split, source):
            _say(console, f"{file}: {note}")
        rows[file] = len(source)
    return rows


def check_rows(task: Task, split: str, source: Sequence) -> str:
    """Compares the number of rows of a test split with the published one.

    Args:
        task: of TASKS.
        split: of it.
        source: that split, from `examples.opened`.

    Returns:
        What a person should know of it, mostly nothing.

    Raises:
        UserError: it is another one, and the data set was not made so by `prepare --partial`.
    """
    found, published = len(source), task.rows[split]
    if found == published:
        return ""
    # Our importer keeps what it counted, and without --partial refuses any number but the published
    # one.
    counts = dict(source.dataset_info.metadata or {}).get("counts", {})
    if counts.get(split, {}).get("rows") == found:
        return (
            f"{found:,} rows where {published:,} are published, as it was prepared with "
            "--partial: no score for it"
        )
    raise UserError(
        f"the split {split!r} of {task.name} is not the whole test set",
        found=f"{found:,} rows",
        expected=f"{published:,} rows, as published",
        hint="prepare it anew: `python -m bert_jax prepare glue` with the official files",
    )


def _predict(one: Run, directory: Path, files: list[str]) -> dict[str, str]:
    """The texts of the files that the model of a run predicts, by their names."""
    config = one.config
    model = FineTuned.load(directory, config.task.length, compute=config.compute)
    texts = {}
    for file in files:
        task, split = FILES[file]
        examples_of = tokenised.open_or_make(
            Path(config.task.cache_dir),
            dataclasses.replace(config.task, name=task.name),
            split,
            model.vocabulary,
            model.tokenizer,
        )
        for where, labels in (
            (directory, model.labels),
            (f"the split {split!r} of {task.name}", examples_of.label_names),
        ):
            if tuple(labels) != task.labels:
                raise UserError(
                    f"{where} has other classes than {task.name}",
                    found=", ".join(labels) or "numbers",
                    expected=f"{', '.join(task.labels) or 'numbers'}, in this order",
                    hint="prepare it anew: `python -m bert_jax prepare glue` with the official "
                    "files",
                )
        predictions = model.predictions(examples_of)
        try:
            texts[file] = leaderboard_file(task, predictions.task.ids, predictions.decided)
        except ValueError as error:
            raise UserError(
                f"{file} cannot be made of the split {split!r} of {task.name} and the model in "
                f"{directory}",
                found=str(error),
                expected="rows 0, 1, ... and a class or number for each",
            ) from None
    return texts


def write(texts: dict[str, str], rows: dict[str, int], workdir: Path) -> Path:
    """Writes the files into `workdir`, in a directory and in a zip, which is there whole or not at
    all.

    Equal files make equal bytes of a zip, whenever and wherever it is written.

    Args:
        texts: of the files, by names of FILES.
        rows: how many each has.
        workdir: gets `submission/` and `submission.zip`.

    Returns:
        The zip.

    Raises:
        UserError: as `check`, of what was written; then what was there before stays.
    """
    archive, directory = workdir / ARCHIVE, workdir / DIRECTORY
    temporary, made = workdir / f".{ARCHIVE}.tmp", workdir / f".{DIRECTORY}.tmp"
    shutil.rmtree(made, ignore_errors=True)
    try:
        with zipfile.ZipFile(
            temporary, "w", zipfile.ZIP_STORED
        ) as file:  # what zlib makes depends on its version
            for name in sorted(texts):
                member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                member.create_system, member.external_attr = 3, 0o644 << 16
                file.writestr(member, texts[name])
        check(temporary, rows)
        made.mkdir()
        for name, text in texts.items():
            (made / name).write_bytes(text.encode())
        shutil.rmtree(directory, ignore_errors=True)
        made.rename(directory)
        os.replace(temporary, archive)
    finally:
        temporary.unlink(missing_ok=True)
        shutil.rmtree(made, ignore_errors=True)
    return archive


def check(path: Path, rows: dict[str, int]) -> None:
    """Reads a zip for gluebenchmark.com again.

    Args:
        path: of the zip.
        rows: by the names of the files that it should have, of FILES, how many rows each should
            have.

    Raises:
        UserError: it is damaged, has other files, or one of them has another header or number of
            rows, rows that are not numbered 0, 1, ... in this order, or predictions that are not
            spelled as the task's are.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            texts = {name: archive.read(name).decode() for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read",
            found=str(error),
            expected="a zip of text files",
            hint="room on the disk?",
        ) from None
    if sorted(texts) != sorted(rows):
        raise UserError(
            f"{path} has other files",
            found=", ".join(sorted(texts)) or "none",
            expected=", ".join(sorted(rows)),
        )
    for name, text in texts.items():
        wrong = _wrong(text, FILES[name][0], rows[name])
        if wrong:
            found, expected = wrong
            raise UserError(
                f"{name} in {path} is not what gluebenchmark.com takes",
                found=found,
                expected=expected,
            )


def _wrong(text: str, task: Task, rows: int) -> tuple[str, str] | None:
    """Returns the first difference between a file and what was expected of it, as (found,
    expected); None if there is none."""
    header, *lines = text.split("\n")
    if header != "index\tprediction":
        return repr(header), "the header 'index\\tprediction'"
    if not lines or lines.pop():
        return "a last line that does not end", "a line break at the end"
    if len(lines) != rows:
        return f"{len(lines):,} rows", f"{rows:,} rows"
    for number, line in enumerate(lines):
        index, _, prediction = line.partition("\t")
        if index != str(number):
            return f"{line!r} in row {number:,}", f"the index {number}"
        if not _is_spelled(prediction, task):
            return f"{prediction!r} in row {number:,}", " or ".join(
                task.spelling
            ) or "a number from 0 to 5"
    return None


def _is_spelled(prediction: str, task: Task) -> bool:
    if task.kind == "regression":
        return bool(re.fullmatch(r"[0-5]\.\d{3}", prediction)) and float(prediction) <= 5
    return prediction in task.spelling


def _say(console: Console, line: str) -> None:
    console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
