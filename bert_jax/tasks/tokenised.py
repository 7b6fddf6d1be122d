"""A split of a task as token ids, kept on disk so that the next run need not read and tokenise it
again."""

import dataclasses
import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bert_jax.config import TaskConfig, TokenizerConfig
from bert_jax.datasets import prepared
from bert_jax.errors import UserError
from bert_jax.importers.squad import Answer
from bert_jax.tasks import examples
from bert_jax.text.alignment import AlignedEncoder
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import Encoder, identity

FORMAT = 2  # of the files
_ARRAYS = ("tokens", "begins", "lengths", "labels", "ids")


@dataclasses.dataclass(frozen=True, eq=False)
class Contexts:
    """Contexts of questions, and the characters of each of their tokens.

    Attributes:
        texts: the contexts, each once.
        of: int64 `[examples]`, that of each question.
        characters: int32 `[tokens, 2]`, of each token of a context its first character and the one
            after its last; 0 of the others.
        answers: of each question; empty where there is none.
    """

    texts: list[str]
    of: np.ndarray
    characters: np.ndarray
    answers: list[list[Answer]]


@dataclasses.dataclass(frozen=True, eq=False)
class TokenisedTask:
    """Token ids of labelled examples, without special tokens; untruncated.

    Attributes:
        kind: as `tasks.examples.Examples` has it.
        label_names: by class id; none of numbers.
        tokens: int32 `[tokens]`, all texts; several examples may share one.
        begins, lengths: int64 `[examples, texts]`, where each text of an example begins in
            `tokens`, and how many it has. Of a question with choices these are as many pairs, one
            after the other.
        labels: int32 or float32 `[examples]`; bool `[examples, classes]`; of tagging int32
            `[tokens]`, the class at each word's first token and -1 elsewhere; of spans int32
            `[examples, 2]`, the first and the last token of the first answer, counted in the
            context, and -1 where there is none. Where they are hidden they are 0.
        hidden: whether they are.
        ids: int64 `[examples]`, the number of each in its file; of spans strings.
        source: what was read, as JSON can hold it.
        documents: int64 `[examples]`, of tagging the document of each, if that is known; rising.
        contexts: of spans; None otherwise.
    """

    kind: str
    label_names: tuple[str, ...]
    tokens: np.ndarray
    begins: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    hidden: bool
    ids: np.ndarray
    source: dict
    documents: np.ndarray | None = None
    contexts: Contexts | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def choices(self) -> int:
        """Number of pairs of texts in an example."""
        return self.begins.shape[1] // 2 if self.kind == "choice" else 1

    def take(self, chosen: np.ndarray) -> "TokenisedTask":
        """Some of the examples, by their numbers."""
        contexts = self.contexts and dataclasses.replace(
            self.contexts,
            of=self.contexts.of[chosen],
            answers=[self.contexts.answers[i] for i in chosen],
        )
        return dataclasses.replace(
            self,
            begins=self.begins[chosen],
            lengths=self.lengths[chosen],
            ids=self.ids[chosen],
            contexts=contexts,
            labels=self.labels if self.kind == "tagging" else self.labels[chosen],
            documents=None if self.documents is None else self.documents[chosen],
        )

    def words(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the first token of every word of tagged examples, int64 `[words]`, and the number
        of words of each example, int64 `[examples]`."""
        starts = np.concatenate([[0], np.cumsum(self.labels >= 0)])
        begins, ends = self.begins[:, 0], self.begins[:, 0] + self.lengths[:, 0]
        counts = starts[ends] - starts[begins]
        return np.flatnonzero(self.labels >= 0)[slices(starts[begins], counts)], counts

    @property
    def known_labels(self) -> np.ndarray:
        """The labels; of tagging `[words]`, those of all words one after the other."""
        return self.labels[self.words()[0]] if self.kind == "tagging" else self.labels


def slices(begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers from each of `begins` on, as many as `lengths` says, one slice after the
    other."""
    ends = np.cumsum(lengths)
    return np.repeat(begins - (ends - lengths), lengths) + np.arange(lengths.sum())


def open_or_make(
    directory: Path,
    config: TaskConfig,
    split: str,
    vocabulary: Vocabulary,
    tokenizer: TokenizerConfig,
) -> TokenisedTask:
    """The tokens of a split, made if they are not there.

    Args:
        directory: of the files; one that was made from something else is made anew.
        split: of the data set that `config` names.

    Raises:
        UserError: as `tasks.examples.read`.
    """
    made_from = dict(
        format=FORMAT,
        task=[config.name, split, config.text, config.text_pair, config.label],
        vocabulary=vocabulary.digest,
        tokenizer=identity(tokenizer),
    )
    made_from["source"] = prepared.identity(examples.opened(config.name, config.data_dir, split))
    name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
    path = directory / f"{config.name.replace('/', '-')}-{split.partition('[')[0]}-{name}.npz"
    if path.exists():
        try:
            return _load(path)
        except (
            OSError,
            ValueError,
            KeyError,
            zipfile.BadZipFile,
        ):  # a file that was cut short is made anew
            pass
    found = examples.read(
        config.name,
        config.data_dir,
        split,
        text=config.text,
        text_pair=config.text_pair,
        label=config.label,
    )
    made = tokenise(found, Encoder(vocabulary, tokenizer))
    directory.mkdir(parents=True, exist_ok=True)
    _save(made, path)
    return made


def _save(task: TokenisedTask, path: Path) -> None:
    about = dict(
        kind=task.kind, label_names=task.label_names, hidden=task.hidden, source=task.source
    )
    arrays = {name: getattr(task, name) for name in _ARRAYS}
    if task.documents is not None:
        arrays["documents"] = task.documents
    if task.contexts:
        about |= dict(texts=task.contexts.texts, answers=task.contexts.answers)
        arrays |= dict(of=task.contexts.of, characters=task.contexts.characters)
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    np.savez(temporary, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    os.replace(temporary, path)


def _load(path: Path) -> TokenisedTask:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays.pop("about").tobytes())
    contexts = (
        Contexts(
            about.pop("texts"),
            arrays.pop("of"),
            arrays.pop("characters"),
            [[Answer(*answer) for answer in of] for of in about.pop("answers")],
        )
        if "of" in arrays
        else None
    )
    return TokenisedTask(
        **arrays, **about | dict(label_names=tuple(about["label_names"])), contexts=contexts
    )


def tokenise(found: examples.Examples, encode: Encoder) -> TokenisedTask:
    """The tokens of labelled examples; of tagging each word is tokenised by itself."""
    if found.kind == "tagging":
        return _tagged(found, encode)
    if found.kind == "span":
        return _questions(found, encode)
    if found.kind == "choice":
        texts = [
            text
            for first, choices in zip(found.texts_a, found.texts_b)
            for text in (first, *choices)
        ]
        tokens, lengths = encode(texts)
        begins, lengths = _in_rows(lengths, len(found))
        first = [0] * (lengths.shape[1] - 1)  # which all choices share
        choices = range(1, lengths.shape[1])
        pairs = [column for pair in zip(first, choices) for column in pair]
        begins, lengths = begins[:, pairs], lengths[:, pairs]
    else:
        texts = [found.texts_a] if found.texts_b is None else [found.texts_a, found.texts_b]
        tokens, lengths = encode([text for example in zip(*texts) for text in example])
        begins, lengths = _in_rows(lengths, len(found))
    hidden = found.labels is None
    labels = _unknown(found) if hidden else found.labels
    return TokenisedTask(
        found.kind,
        found.label_names,
        tokens,
        begins,
        lengths,
        labels,
        hidden,
        found.ids,
        found.identity,
    )


def _in_rows(lengths: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Begins and lengths `[rows, texts]` of texts that stand one after the other."""
    ends = np.cumsum(lengths, dtype=np.int64)
    return (ends - lengths).reshape(rows, -1), lengths.astype(np.int64).reshape(rows, -1)


def _unknown(found: examples.Examples) -> np.ndarray:
    """Labels of examples whose own are hidden: 0 everywhere."""
    if found.kind == "multilabel":
        return np.zeros((len(found), len(found.label_names)), bool)
    return np.zeros(len(found), np.float32 if found.kind == "regression" else np.int32)


def _tagged(found: examples.Examples, encode: Encoder) -> TokenisedTask:
    words = [word for sentence in found.texts_a for word in sentence]
    tokens, lengths = encode(words)
    # A word of which normalisation leaves nothing is one all the same, and has a class.
    tokens = np.insert(
        tokens, np.cumsum(lengths, dtype=np.int64)[lengths == 0], encode.vocabulary.unk
    ).astype(np.int32)
    lengths = np.maximum(lengths, 1)
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    of_words = (
        np.zeros(len(words), np.int32) if found.labels is None else np.concatenate(found.labels)
    )
    labels = np.full(len(tokens), -1, np.int32)
    labels[starts[:-1]] = of_words
    ends = starts[np.concatenate([[0], np.cumsum([len(sentence) for sentence in found.texts_a])])]
    return TokenisedTask(
        found.kind,
        found.label_names,
        tokens,
        ends[:-1, None],
        np.diff(ends)[:, None],
        labels,
        found.labels is None,
        found.ids,
        found.identity,
        documents=found.documents,
    )


def _questions(found: examples.Examples, encode: Encoder) -> TokenisedTask:
    align = AlignedEncoder(encode.vocabulary, encode.config)
    numbers = {text: number for number, text in enumerate(dict.fromkeys(found.texts_b))}
    of = np.array([numbers[text] for text in found.texts_b], np.int64)
    encoded = [align(text) for text in numbers]
    questions, lengths = encode(found.texts_a)
    sizes = np.array([len(ids) for ids, _ in encoded], np.int64)
    ends = np.cumsum(sizes)
    lengths = lengths.astype(np.int64)
    at = ends[-1] + np.cumsum(lengths) - lengths
    characters = np.concatenate(
        [places for _, places in encoded] + [np.zeros((len(questions), 2), np.int32)]
    )
    answers = [[] for _ in found.ids] if found.labels is None else found.labels
    labels = np.array(
        [
            _token_span(answer[0], encoded[context][1]) if answer else (-1, -1)
            for answer, context in zip(answers, of)
        ],
        np.int32,
    )
    return TokenisedTask(
        found.kind,
        found.label_names,
        np.concatenate([ids for ids, _ in encoded] + [questions]),
        np.stack([at, (ends - sizes)[of]], axis=1),
        np.stack([lengths, sizes[of]], axis=1),
        labels,
        found.labels is None,
        found.ids,
        found.identity,
        contexts=Contexts(list(numbers), of, characters, answers),
    )


def _token_span(answer: Answer, places: np.ndarray) -> tuple[int, int]:
    """The first and the last token of an answer; -1 if normalisation leaves nothing of it."""
    first = int(np.searchsorted(places[:, 1], answer.start, side="right"))
    last = int(np.searchsorted(places[:, 0], answer.start + len(answer.text))) - 1
    return (first, last) if first <= last else (-1, -1)


def check_same_labels(one: TokenisedTask, other: TokenisedTask, splits: Sequence[str]) -> None:
    """Raises a UserError unless two splits have the same kind and names of labels."""
    if (one.kind, one.label_names) != (other.kind, other.label_names):
        raise UserError(
            "two splits of config.task.name have different labels",
            found=f"{splits[1]}: {other.kind} of {', '.join(other.label_names) or 'numbers'}",
            expected=f"as {splits[0]}: {one.kind} of {', '.join(one.label_names) or 'numbers'}",
            hint="prepare both together: python -m bert_jax prepare task",
        )
