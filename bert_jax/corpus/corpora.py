"""A corpus: unlabelled documents, read from a prepared TFDS data set by random access, without
TensorFlow."""

import dataclasses
from functools import cached_property
from typing import Any

from bert_jax.config import CorpusConfig
from bert_jax.corpus.known import cleaning_of
from bert_jax.datasets import prepared
from bert_jax.errors import UserError
from bert_jax.text.cleaning import CLEANERS


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Documents of a split, numbered from 0. Made by `open_corpus`."""

    name: str
    data_dir: str
    split: str
    text_feature: str
    source: Any = dataclasses.field(repr=False)
    cleaning: str = "none"

    def __len__(self) -> int:
        return len(self.source)

    def texts(self, start: int, stop: int) -> list[str]:
        """The documents from `start` up to and without `stop`, cleaned; at most `len(self)`.

        Raises:
            UserError: a shard cannot be read.
        """
        examples = prepared.examples(self.source, range(*slice(start, stop).indices(len(self))))
        clean = CLEANERS[self.cleaning]
        return [clean(example[self.text_feature].decode("utf-8")) for example in examples]

    @cached_property
    def identity(self) -> dict:
        """Returns a description of the text before it is cleaned, as JSON can hold it: equal
        identities mean the same documents in the same order.

        See `prepared.identity`, whose size is that of the files.
        """
        return {
            **prepared.identity(self.source),
            "text_feature": self.text_feature,
            "documents": len(self),
        }


def open_split(corpus: CorpusConfig, split: str) -> Corpus:
    """A split of a recipe's corpus; `open_corpus` says what is raised."""
    return open_corpus(
        corpus.name, corpus.data_dir, split, corpus.text_feature, cleaning_of(corpus)
    )


def open_corpus(
    name: str, data_dir: str, split: str, text_feature: str = "text", cleaning: str = "none"
) -> Corpus:
    """Opens a prepared data set, in about a second: only its metadata and a directory listing are
    read.

    Args:
        name: a TFDS name with, where there is one, the config: 'wikipedia/20230601.en'.
        data_dir: the TFDS data directory, local or gs://; empty: TFDS's own default.
        split: a split, slices included: 'train[:90%]'.
        text_feature: the feature that holds a document's text.
        cleaning: a key of `bert_jax.text.cleaning.CLEANERS`.

    Raises:
        UserError: the data set is not prepared there, is neither ArrayRecord nor TFRecord, lacks
            files, the split or the feature, or the split is empty.
    """
    source = prepared.open_split(
        name,
        data_dir,
        split,
        section="corpus",
        hint="`python -m bert_jax prepare text` for local text, "
        "`python -m bert_jax prepare documentation` for the demo corpus",
    )
    _check_feature(source.dataset_info, text_feature)
    return Corpus(name, data_dir, split, text_feature, source, cleaning)


def _check_feature(info: Any, text_feature: str) -> None:
    import tensorflow_datasets as tfds

    texts = [
        name for name, feature in info.features.items() if isinstance(feature, tfds.features.Text)
    ]
    if text_feature not in texts:
        raise UserError(
            f"{info.full_name} has no text feature {text_feature!r}",
            found=", ".join(sorted(info.features)),
            expected=" or ".join(texts) or "a feature of text",
            hint=f"--config.corpus.text_feature={texts[0]}" if texts else "another data set",
        )
