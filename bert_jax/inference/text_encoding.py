"""Texts as token ids, with special tokens, cut to a length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bert_jax.config import TokenizerConfig
from bert_jax.tasks.inputs import kept_lengths
from bert_jax.text.vocabulary import MASK, Vocabulary
from bert_jax.text.wordpiece import Encoder


@dataclass(frozen=True)
class EncodedText:
    """A text, or a pair of texts, as the model reads it: [CLS] text [SEP], or [CLS] text [SEP]
    second text [SEP].

    Attributes:
        input_ids: int32 `[tokens]`.
        token_type_ids: int32 `[tokens]`: 1 in the second text and its [SEP], else 0.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.input_ids)


class TextEncoder:
    """Encodes texts. "[MASK]" in a text is the mask token; other special tokens are plain text.

    Args:
        vocabulary: the vocabulary of the model.
        config: the rules of its tokenizer.
        length: maximum number of tokens of an encoded text, special tokens included.
    """

    def __init__(self, vocabulary: Vocabulary, config: TokenizerConfig, length: int) -> None:
        self.vocabulary, self.length = vocabulary, length
        self._encode = Encoder(vocabulary, config)

    def ids(self, text: str) -> np.ndarray:
        """Returns the ids of a text, uncut and without special tokens, int32 `[tokens]`."""
        if not isinstance(text, str):
            raise TypeError(f"a text is a string, not {type(text).__name__}: {text!r:.80}")
        between_masks = text.split(MASK)
        ids, lengths = self._encode(between_masks)
        if len(between_masks) == 1:
            return ids
        return np.insert(ids, np.cumsum(lengths)[:-1], self.vocabulary.mask)

    def tokens(self, ids: np.ndarray) -> list[str]:
        """Returns the tokens of ids `[tokens]`."""
        return [self.vocabulary.tokens[id] for id in ids]

    def __call__(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[EncodedText]:
        """Encodes texts, or pairs of texts.

        The longer text of a pair loses its end first if both together are too long.

        Raises:
            ValueError: there are not as many second texts as texts.
            TypeError: a text is not a string.
        """
        if pairs is None:
            return [self._joined([self.ids(text)]) for text in texts]
        if len(pairs) != len(texts):
            raise ValueError(f"{len(texts)} texts and {len(pairs)} second texts")
        return [
            self._joined([self.ids(text), self.ids(pair)])
            for text, pair in zip(texts, pairs, strict=True)
        ]

    def _joined(self, parts: list[np.ndarray]) -> EncodedText:
        """Returns one or two texts with their special tokens."""
        lengths = kept_lengths(np.array([[len(part) for part in parts]]), self.length)[0]
        special = [[self.vocabulary.sep]] * len(parts)
        pieces: list = [[self.vocabulary.cls]]
        for part, length, end in zip(parts, lengths, special, strict=True):
            pieces += [part[:length], end]
        input_ids = np.concatenate(pieces).astype(np.int32)
        first = int(lengths[0]) + 2  # with [CLS] and [SEP]
        token_type_ids = (np.arange(len(input_ids)) >= first).astype(np.int32)
        return EncodedText(input_ids, token_type_ids)
