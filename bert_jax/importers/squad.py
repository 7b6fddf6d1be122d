"""SQuAD, or questions of your own in its format, as a TFDS data set with the features of TFDS's own
`squad`.

    {"version": "1.1", "data": [{"title": ..., "paragraphs": [{"context": ..., "qas": [ {"id": ...,
        "question": ..., "answers": [{"text": ..., "answer_start": 0}], "is_impossible":
        false}]}]}]}

`is_impossible` is what makes it 2.0: without it each question has an answer. A test file may be
without answers.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bert_jax.errors import UserError
from bert_jax.importers import dataset

VERSIONS = {
    "1.1": "each question has an answer",
    "2.0": "a question may have none (`is_impossible`)",
}


class Answer(NamedTuple):
    """An answer to a question: its text, and the character of the context at which it begins."""

    text: str
    start: int


def check_answer(answer: Answer, context: str, where: str) -> None:
    """Raises a UserError unless the answer to the question `where` stands in its context, where it
    says."""
    begin, end = answer.start, answer.start + len(answer.text)
    if begin >= 0 and context[begin:end] == answer.text:
        return
    at = context.find(answer.text)
    raise UserError(
        f"an answer to {where} is not in its context",
        found=f"{context[max(begin, 0) : max(end, 0)]!r} at character {begin}",
        expected=f"{answer.text!r}"
        + (f", which stands at {at}" if at >= 0 else ", which stands nowhere"),
        hint="mend answer_start, counted in characters of the context, or leave the question out",
    )


def prepare(files: Mapping[str, Path], name: str, data_dir: str, version: str = "") -> Any:
    """Writes files as the data set `name`, a split a file, and returns its `DatasetInfo`.

    `info.metadata['counts']` has, by split, `rows`, `longest` (words of a context), `contexts` and,
    of 2.0, `unanswerable`.

    Args:
        files: by split: `train`, `validation` and, where there is one, `test`, which may be without
            answers.
        name: of the data set: lower-case letters, digits, underscores.
        data_dir: a local TFDS data directory; empty: TFDS's own default.
        version: a key of VERSIONS; empty: that of the training file.

    Raises:
        UserError: a file is no such JSON or of the other version, an id is there twice, an answer
            is not in its context, or `name` is prepared from other files. Then nothing is written.
    """
    dataset.check_name(name)
    if version and version not in VERSIONS:
        raise UserError(
            "not a version of SQuAD", found=repr(version), expected=" or ".join(VERSIONS)
        )
    read = {split: questions(path) for split, path in files.items()}
    said = "--version"
    if not version:
        version, said = _version(read["train"]), f"{files['train']}, the training file"
    for split, path in files.items():
        _check_version(read[split], path, version, said, hidden=split == "test")
    examples = {
        split: list(_examples(files[split], found, version)) for split, found in read.items()
    }
    counts = {split: _count(of_split) for split, of_split in examples.items()}
    return dataset.write_files(
        files,
        examples.__getitem__,
        _features(version),
        name=name,
        data_dir=data_dir,
        made_with=dict(format="squad", version=version),
        counts=counts,
        description=f"Questions in the format of SQuAD {version}.",
    )


def questions(path: Path) -> list[tuple[str, str, dict]]:
    """(title, context, question) for each question of a file.

    Raises:
        UserError: it is no such JSON, has no questions, or an id is there twice.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"the file {path} cannot be read", found=error.strerror, expected="a file of SQuAD"
        ) from None
    except ValueError as error:  # of UTF-8 too
        raise UserError(
            f"{path} is not JSON",
            found=str(error)[:200],
            expected="a file of SQuAD, one JSON object",
            hint="download it again, whole",
        ) from None
    try:
        found = [
            (str(article.get("title", "")), paragraph["context"], question)
            for article in values["data"]
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
        for _, context, question in found:
            _check_question(context, question)
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as error:
        raise UserError(
            f"{path} is not in the format of SQuAD",
            found=f"{type(error).__name__}: {error}",
            expected='{"data": [{"paragraphs": [{"context": "...", "qas": [{"id": "...", '
            '"question": "...", "answers": [...]}]}]}]}',
            hint="python -m bert_jax prepare task is for other files",
        ) from None
    if not found:
        raise UserError(
            f"{path} has no questions", found="no paragraph with `qas`", expected="at least one"
        )
    twice = [
        id for id, times in Counter(question["id"] for _, _, question in found).items() if times > 1
    ]
    if twice:
        raise UserError(
            f"two questions of {path} have one id",
            found=", ".join(map(repr, twice[:3])),
            expected="each id once, by which answers are found again",
        )
    return found


def _check_question(context: object, question: dict) -> None:
    for value in (context, question["id"], question["question"]):
        if not isinstance(value, str):
            raise TypeError(f"{value!r:.60} is no string")
        value.encode("utf-8")  # JSON may hold half of a surrogate pair
    for answer in question.get("answers", ()):
        if not isinstance(answer["text"], str) or not isinstance(answer["answer_start"], int):
            raise TypeError(f"{answer!r:.60} is no answer")


def _version(found: list[tuple[str, str, dict]]) -> str:
    return "2.0" if any("is_impossible" in question for _, _, question in found) else "1.1"


def _check_version(found: list, path: Path, version: str, said: str, hidden: bool) -> None:
    if _version(found) != version and not (hidden and version == "2.0"):
        raise UserError(
            f"{path} is in the format of the other version",
            found=f"{_version(found)}: {VERSIONS[_version(found)]}",
            expected=f"{version}, as {said} has it",
            hint=f"the file of SQuAD {version}, or leave the other file out",
        )
    for _, _, question in found:
        answers, impossible = question.get("answers", ()), question.get("is_impossible", False)
        if bool(answers) == impossible and not (hidden and not answers):
            raise UserError(
                f"question {question['id']!r} of {path} does not fit SQuAD {version}",
                found=f"{len(answers)} answers"
                + f", is_impossible: {json.dumps(impossible)}" * (version == "2.0"),
                expected="answers, or is_impossible: true"
                if version == "2.0"
                else "at least one answer",
                hint=None if version == "2.0" else "is_impossible says so in the format of 2.0",
            )


def _examples(path: Path, found: list[tuple[str, str, dict]], version: str) -> Iterator[dict]:
    """Yields the example that is written for each question.

    Raises:
        UserError: an answer is not in its context.
    """
    for title, context, question in found:
        answers = question.get("answers", [])
        for answer in answers:
            check_answer(
                Answer(answer["text"], answer["answer_start"]),
                context,
                f"question {question['id']!r} of {path}",
            )
        example = dict(
            id=question["id"],
            title=title,
            context=context,
            question=question["question"],
            answers=_columns(answers),
        )
        if version == "2.0":
            example |= dict(
                is_impossible=question.get("is_impossible", False),
                plausible_answers=_columns(question.get("plausible_answers", [])),
            )
        yield example


def _columns(answers: list[dict]) -> dict[str, list]:
    return {name: [answer[name] for answer in answers] for name in ("text", "answer_start")}


def _count(examples: list[dict]) -> dict:
    contexts = {example["context"] for example in examples}
    counts = dict(
        rows=len(examples),
        longest=max(len(context.split()) for context in contexts),
        contexts=len(contexts),
    )
    if "is_impossible" in examples[0]:
        counts["unanswerable"] = sum(example["is_impossible"] for example in examples)
    return counts


def _features(version: str) -> dict:
    import numpy as np
    from tensorflow_datasets import features

    answers = features.Sequence({"text": features.Text(), "answer_start": np.int32})
    shown = dict(
        id=np.str_,
        title=features.Text(),
        context=features.Text(),
        question=features.Text(),
        answers=answers,
    )
    return (
        shown | dict(plausible_answers=answers, is_impossible=np.bool_)
        if version == "2.0"
        else shown
    )
