"""A split of a task as token ids, kept on disk so that the next run need not read and tokenise it again."""

import dataclasses
import hashlib
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from bert_jax.config import TaskConfig, TokenizerConfig
from bert_jax.data import prepared
from bert_jax.errors import UserError
from bert_jax.tasks import examples
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import Encoder, identity

FORMAT = 1  # of the files
_ARRAYS = ("tokens", "offsets", "labels", "ids")


@dataclasses.dataclass(frozen=True, eq=False)
class TokenisedTask:
    """Token ids of labelled examples, without special tokens; untruncated.

    Attributes:
        kind: as `tasks.examples.Examples` has it.
        label_names: by class id; none of numbers.
        tokens: int32 `[tokens]`, all texts one after the other.
        offsets: int64 `[examples, texts + 1]`: where each text of an example begins and the last ends.
        labels: int32 or float32 `[examples]`, bool `[examples, classes]`, or int32 `[tokens]`: of tagging the class at
            each word's first token, and -1 elsewhere. Where they are hidden they are 0.
        hidden: whether they are.
        ids: int64 `[examples]`, the number of each in its file.
        source: what was read, as JSON can hold it.
    """

    kind: str
    label_names: tuple[str, ...]
    tokens: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    hidden: bool
    ids: np.ndarray
    source: dict

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, chosen: np.ndarray) -> "TokenisedTask":
        """Some of the examples, by their numbers."""
        begins, lengths = self.offsets[chosen, 0], self.offsets[chosen, -1] - self.offsets[chosen, 0]
        ends = np.cumsum(lengths)
        kept = np.repeat(begins - (ends - lengths), lengths) + np.arange(lengths.sum())  # of the tokens
        return dataclasses.replace(
            self, tokens=self.tokens[kept], offsets=self.offsets[chosen] + (ends - lengths - begins)[:, None],
            labels=self.labels[kept if self.kind == "tagging" else chosen], ids=self.ids[chosen])

    @property
    def known_labels(self) -> np.ndarray:
        """The labels; of tagging `[words]`, those of all words one after the other."""
        return self.labels[self.labels >= 0] if self.kind == "tagging" else self.labels


def open_or_make(
    directory: Path, config: TaskConfig, split: str, vocabulary: Vocabulary, tokenizer: TokenizerConfig,
) -> TokenisedTask:
    """The tokens of a split, made if they are not there.

    Args:
        directory: of the files; one that was made from something else is made anew.
        split: of the data set that `config` names.

    Raises:
        UserError: as `tasks.examples.read`.
    """
    made_from = dict(format=FORMAT, task=[config.name, split, config.text, config.text_pair, config.label],
                     vocabulary=vocabulary.digest, tokenizer=identity(tokenizer))
    made_from["source"] = prepared.identity(examples.opened(config.name, config.data_dir, split))
    name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
    path = directory / f"{config.name.replace('/', '-')}-{split.partition('[')[0]}-{name}.npz"
    if path.exists():
        try:
            return _load(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # a file that was cut short is made anew
            pass
    found = examples.read(config.name, config.data_dir, split, text=config.text, text_pair=config.text_pair,
                          label=config.label)
    made = tokenise(found, Encoder(vocabulary, tokenizer))
    directory.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    about = dict(kind=made.kind, label_names=made.label_names, hidden=made.hidden, source=made.source)
    np.savez(temporary, about=np.array(json.dumps(about)), **{name: getattr(made, name) for name in _ARRAYS})
    os.replace(temporary, path)
    return made


def _load(path: Path) -> TokenisedTask:
    with np.load(path) as file:
        about = json.loads(str(file["about"]))
        arrays = {name: file[name] for name in _ARRAYS}
    return TokenisedTask(**arrays, **about | dict(label_names=tuple(about["label_names"])))


def tokenise(found: examples.Examples, encode: Encoder) -> TokenisedTask:
    """The tokens of labelled examples; of tagging each word is tokenised by itself."""
    labels = _unknown(found) if found.labels is None else found.labels
    if found.kind == "tagging":
        words = [word for sentence in found.texts_a for word in sentence]
        tokens, lengths = encode(words)
        counts = np.array([len(sentence) for sentence in found.texts_a], np.int64)
        ends = np.concatenate([[0], np.cumsum(lengths)])[np.concatenate([[0], np.cumsum(counts)])]
        offsets = np.stack([ends[:-1], ends[1:]], axis=1)
        first = np.concatenate([[0], np.cumsum(lengths)])[:-1][lengths > 0]
        of_words, labels = np.concatenate(labels), np.full(len(tokens), -1, np.int32)
        labels[first] = of_words[lengths > 0]  # a word of which nothing is left has no token to classify
    else:
        texts = [found.texts_a] if found.texts_b is None else [found.texts_a, found.texts_b]
        tokens, lengths = encode([text for example in zip(*texts) for text in example])
        ends = np.cumsum(lengths, dtype=np.int64).reshape(-1, len(texts))
        offsets = np.concatenate([ends[:, :1] - lengths.reshape(ends.shape)[:, :1], ends], axis=1)
    return TokenisedTask(found.kind, found.label_names, tokens, offsets, labels, found.labels is None, found.ids,
                         found.identity)


def _unknown(found: examples.Examples):
    """Labels of examples whose own are hidden, as `Examples` would have them: 0 everywhere."""
    if found.kind == "tagging":
        return [np.zeros(len(words), np.int32) for words in found.texts_a]
    if found.kind == "multilabel":
        return np.zeros((len(found), len(found.label_names)), bool)
    return np.zeros(len(found), np.float32 if found.kind == "regression" else np.int32)


def check_same_labels(one: TokenisedTask, other: TokenisedTask, splits: tuple[str, str]) -> None:
    """Raises a UserError unless two splits have the same kind and names of labels."""
    if (one.kind, one.label_names) != (other.kind, other.label_names):
        raise UserError("two splits of config.task.name have different labels",
                        found=f"{splits[1]}: {other.kind} of {', '.join(other.label_names) or 'numbers'}",
                        expected=f"as {splits[0]}: {one.kind} of {', '.join(one.label_names) or 'numbers'}",
                        hint="prepare both together: python -m bert_jax prepare task")
