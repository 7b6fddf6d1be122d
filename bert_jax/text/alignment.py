"""Tokens with the characters that each stands for, so that an answer in tokens is one in the
text."""

import unicodedata
from collections.abc import Callable

import numpy as np

from bert_jax.config import TokenizerConfig
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import between_spaces, pieces_of
from bert_jax.text.words import splitter

_Aligned = tuple[
    list[int], list[int], list[int]
]  # ids, and the first and one past the last character of each


class AlignedEncoder:
    """A text's ids, as `Encoder` gives them, and where in the text each token stands."""

    def __init__(self, vocabulary: Vocabulary, config: TokenizerConfig):
        self._words, self._pieces = splitter(config), pieces_of(vocabulary, config)
        self._known: dict[str, _Aligned] = {}  # by what stands between two spaces

    def __call__(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """int32 `[tokens]`, and int32 `[tokens, 2]`: of each token its first character and the one
        after its last.

        [UNK] stands for its whole word. Where normalisation mixes characters, so that it cannot be
        told of which one a piece was made, each piece stands for all that is between two spaces.
        """
        ids, begins, ends = [], [], []
        for match in between_spaces(text):
            string, at = match[0], match.start()
            known = self._known.get(string)
            if known is None:
                known = self._known[string] = self._aligned(string)
            ids += known[0]
            begins += [at + i for i in known[1]]
            ends += [at + i for i in known[2]]
        return np.array(ids, np.int32), np.array([begins, ends], np.int32).reshape(2, -1).T

    def _aligned(self, string: str) -> _Aligned:
        words = self._words(string)
        sources = _sources(string, words, self._words)
        ids, begins, ends, at = [], [], [], 0
        for word in words:
            encoded = word.encode("utf-8")
            for piece in self._pieces(word):
                # The library counts bytes.
                first, last = (at + len(encoded[:place].decode("utf-8")) for place in piece.offsets)
                ids.append(piece.id)
                begins.append(sources[first][0])
                ends.append(sources[last - 1][1])
            at += len(word)
        return ids, begins, ends


def _sources(
    string: str, words: list[str], split: Callable[[str], list[str]]
) -> list[tuple[int, int]]:
    """Returns for each character of the words the span of `string` that it was made of: its first
    character, and the one after its last.

    A character goes through normalisation by itself, or with the marks that follow it.
    """
    sources, made, begin = [], [], 0
    for end in range(1, len(string) + 1):
        if end < len(string) and unicodedata.category(string[end]).startswith("M"):
            continue
        parts = "".join(split(string[begin:end]))
        made.append(parts)
        sources += [(begin, end)] * len(parts)
        begin = end
    # Not so for a sigma that is final only beside others, which is one character all the same, or
    # for syllables that are put together.
    if len(sources) == sum(map(len, words)) and "".join(made).lower().replace("ς", "σ") == "".join(
        words
    ).lower().replace("ς", "σ"):
        return sources
    return [(0, len(string))] * sum(map(len, words))
