"""Labelled examples: a split of any prepared TFDS data set, GLUE's and your own files among
them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bert_jax.datasets import prepared
from bert_jax.datasets.columns import CHOICES, choose_label, choose_texts
from bert_jax.errors import UserError
from bert_jax.importers.squad import Answer, check_answer

_AT_ONCE = 1024
ANSWERABLE, UNANSWERABLE = "answer", "no answer"  # what there may be to a question


@dataclass(frozen=True)
class Examples:
    """Labelled texts of a split, in the order of their `idx` where they have one. Made by `read`.

    Attributes:
        kind: 'classification', 'regression', 'multilabel', 'tagging', 'span' or 'choice'.
        texts_a: `[examples]` texts: of spans the questions; of tagging, lists of words.
        texts_b: `[examples]`, the second text of each pair: of spans the contexts; of choices a
            list of them; None where there are no pairs.
        labels: int32 class ids `[examples]`, of choices their numbers; float32 numbers
            `[examples]`; bool `[examples, classes]` of several labels an example; int32 class ids
            `[words]` of each example; or of each question a list of `Answer`s, empty where it has
            none. None where labels are hidden.
        ids: int64 `[examples]`, the number of each in its file; without `idx`, in the data set. Of
            spans strings.
        label_names: by class id; none of numbers; of spans ANSWERABLE, and UNANSWERABLE where that
            may be.
        features: which features these are: `texts` and `label`.
        identity: what was read, as `prepared.identity` says it.
        documents: int64 `[examples]`, of tagging the document that each is of, if the data set
            says.
    """

    kind: str
    texts_a: list[str] | list[list[str]]
    texts_b: list[str] | list[list[str]] | None
    labels: np.ndarray | list | None
    ids: np.ndarray
    label_names: tuple[str, ...]
    features: dict[str, tuple[str, ...] | str]
    identity: dict = field(repr=False)
    documents: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts_a)


def read(
    name: str, data_dir: str, split: str, *, text: str = "", text_pair: str = "", label: str = ""
) -> Examples:
    """Reads a split of a prepared data set whole.

    The kind of task follows from the label's feature: a class, a number, several classes, several
    classes beside a text that is a list of words, or answers, as SQuAD has them; a class beside a
    list of choices is the number of one.

    Args:
        name: a TFDS name with, where there is one, the config: 'glue/mrpc'.
        data_dir: the TFDS data directory, local or gs://; empty: TFDS's own default.
        split: a split, slices included: 'train[:90%]'.
        text, text_pair, label: the features of these; empty: inferred from their names. With a text
            given and no pair there is no pair.

    Raises:
        UserError: the data set cannot be opened (see `prepared.open_split`) or read, features are
            not there or not clear, or the labels of a part of the split are hidden.
    """
    source = opened(name, data_dir, split)
    where = f"{source.dataset_info.full_name} in {source.dataset_info.data_dir}"
    features = source.dataset_info.features
    texts, label, kind = _choose(features, (text, text_pair), label, where)
    records = _records(source)
    if kind == "span":
        return _questions(records, texts, label, where, prepared.identity(source))
    numbered = "idx" in features and _is_scalar(features["idx"], np.integer)
    ids = np.array([record["idx"] if numbered else i for i, record in enumerate(records)], np.int64)
    order = np.argsort(ids, kind="stable")
    records, ids = [records[i] for i in order], ids[order]
    if kind == "tagging":
        # TFDS's conll2003 begins every split with a record of no words.
        keep = [i for i, record in enumerate(records) if len(record[texts[0]])]
        records, ids = [records[i] for i in keep], ids[keep]
    names = _class_names(features[label])
    return Examples(
        kind=kind,
        texts_a=[_decoded(record[texts[0]]) for record in records],
        texts_b=[_decoded(record[texts[1]]) for record in records] if len(texts) == 2 else None,
        labels=_labels(
            [record[label] for record in records], kind, names, f"{where}, split {split}, {label!r}"
        ),
        ids=ids,
        label_names=names,
        features=dict(texts=texts, label=label),
        identity=prepared.identity(source),
        documents=np.array([record["document"] for record in records], np.int64)
        if "document" in features
        else None,
    )


def _questions(
    records: list[dict], texts: tuple[str, ...], label: str, where: str, identity: dict
) -> Examples:
    """Questions in the order in which the data set has them; those of a context need not stand
    together."""
    questions, contexts = ([_decoded(record[text]) for record in records] for text in texts)
    ids = np.array(
        [_decoded(record["id"]) if "id" in record else str(i) for i, record in enumerate(records)]
    )
    answers = [
        [Answer(_decoded(text), int(start)) for text, start in zip(of["text"], of["answer_start"])]
        for of in (record[label] for record in records)
    ]
    for id, context, of_question in zip(ids, contexts, answers):
        for answer in of_question:
            check_answer(answer, context, f"question {str(id)!r} of {where}")
    unanswerable = bool(records) and "is_impossible" in records[0]
    answered = [
        bool(of or unanswerable and record["is_impossible"]) for of, record in zip(answers, records)
    ]
    hidden = not any(answered)
    if not hidden and not all(answered):
        raise UserError(
            f"a question of {where} has no answer",
            found=str(ids[answered.index(False)]),
            expected="an answer to each, or the feature `is_impossible`, as SQuAD 2.0 has it",
            hint="prepare it anew: python -m bert_jax prepare squad",
        )
    return Examples(
        kind="span",
        texts_a=questions,
        texts_b=contexts,
        labels=None if hidden else answers,
        ids=ids,
        label_names=(ANSWERABLE, UNANSWERABLE) if unanswerable else (ANSWERABLE,),
        features=dict(texts=texts, label=label),
        identity=identity,
    )


def opened(name: str, data_dir: str, split: str) -> Any:
    """The data source of a split; `bert_jax.datasets.prepared` says what can be done with it, and
    what is raised."""
    return prepared.open_split(
        name,
        data_dir,
        split,
        section="task",
        hint="`python -m bert_jax prepare glue` for GLUE from its official files, "
        "`squad`, `ner`, `choice` or `task` instead of `glue` for others and your own files",
    )


def _choose(
    features, texts: Sequence[str], label: str, where: str
) -> tuple[tuple[str, ...], str, str]:
    """Names of the features of text and label, and the kind of task."""
    kinds = {
        name: _kind(features[name]) for name in sorted(features)
    }  # which TFDS gives in any order
    if "span" in kinds.values():
        label = label or "answers"
        texts = tuple(given or usual for given, usual in zip(texts, ("question", "context")))
        there = [name for name, kind in kinds.items() if kind == "text"]
        spans = [name for name, kind in kinds.items() if kind == "span"]
        return (
            choose_texts(there, texts, where, ("--config.task.text", "--config.task.text_pair")),
            choose_label(spans, label, where, "--config.task.label"),
            "span",
        )
    labels = [
        name
        for name, kind in kinds.items()
        if kind in ("classification", "regression", "multilabel")
    ]
    if len(labels) == 1:
        label = label or labels[0]
    label = choose_label(labels, label, where, "--config.task.label")
    kind = kinds[label]
    if kind == "multilabel" and "words" in kinds.values():
        kind = "tagging"
    choices = [name for name in (texts[1:] if texts[1] else CHOICES) if kinds.get(name) == "words"][
        :1
    ]
    if kind == "classification" and choices:
        there = [name for name, what in kinds.items() if what == "text"]
        (first,) = choose_texts(there, (texts[0], ""), where, ("--config.task.text", ""))
        return (first, *choices), label, "choice"
    wanted = "words" if kind == "tagging" else "text"
    there = [name for name, what in kinds.items() if what == wanted]
    return (
        choose_texts(there, texts, where, ("--config.task.text", "--config.task.text_pair")),
        label,
        kind,
    )


def _kind(feature) -> str:
    """Returns the part that a TFDS feature can have in a task: 'text', 'words', a kind of task, or
    ''."""
    from tensorflow_datasets import features

    if isinstance(feature, features.Sequence):
        return {"text": "words", "classification": "multilabel", "answer": "span"}.get(
            _kind(feature.feature), ""
        )
    if isinstance(feature, features.FeaturesDict):
        return "answer" if {"text", "answer_start"} <= set(feature) else ""
    if isinstance(feature, features.Text):
        return "text"
    if isinstance(feature, features.ClassLabel):
        return "classification"
    return "regression" if _is_scalar(feature, np.floating) else ""


def _is_scalar(feature, dtype) -> bool:
    from tensorflow_datasets import features

    return (
        isinstance(feature, features.Tensor)
        and feature.shape == ()
        and np.issubdtype(feature.np_dtype, dtype)
    )


def _class_names(feature) -> tuple[str, ...]:
    from tensorflow_datasets import features

    inner = feature.feature if isinstance(feature, features.Sequence) else feature
    return tuple(inner.names) if isinstance(inner, features.ClassLabel) else ()


def _records(source: Sequence) -> list[dict]:
    return [
        record
        for start in range(0, len(source), _AT_ONCE)
        for record in prepared.examples(source, range(start, min(start + _AT_ONCE, len(source))))
    ]


def _decoded(text: bytes | np.ndarray) -> str | list[str]:
    return (
        text.decode("utf-8") if isinstance(text, bytes) else [word.decode("utf-8") for word in text]
    )


def _labels(values: list, kind: str, names: tuple[str, ...], where: str):
    """The labels as `Examples` has them.

    TFDS hides labels, those of test sets mostly, by -1, also where they are numbers; our builder
    hides numbers by NaN.
    """
    if kind == "regression":
        labels = np.array(values, np.float32)
        hidden = np.isnan(labels) | (labels == -1).all()
    elif kind in ("classification", "choice"):
        labels = np.array(values, np.int32)
        hidden = labels == -1
    else:
        labels = [np.asarray(value, np.int32) for value in values]
        hidden = np.array([(ids == -1).any() for ids in labels])
    if hidden.all():
        return None
    if hidden.any():
        raise UserError(
            f"{where}: some labels are hidden",
            found=f"{hidden.sum():,} of {len(values):,} are -1 or NaN",
            expected="all of a split, or none",
            hint="another split, or a slice of it",
        )
    if kind != "multilabel":
        return labels
    several = np.zeros((len(labels), len(names)), bool)
    for row, ids in zip(several, labels):
        row[ids] = True
    return several
