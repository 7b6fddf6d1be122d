"""WordPiece: text to token ids by BERT's rules, with the model of the `tokenizers` library at the
end."""

import itertools
import re
from collections.abc import Callable

import numpy as np
from tokenizers.models import WordPiece

from bert_jax.config import TokenizerConfig
from bert_jax.text.vocabulary import CONTINUATION, UNK, Vocabulary
from bert_jax.text.words import splitter


def wordpiece(vocabulary: Vocabulary, config: TokenizerConfig) -> Callable[[str], list[int]]:
    """Returns a function that gives the ids of a text; it adds no special tokens and finds none in
    the text."""
    words, pieces = splitter(config), pieces_of(vocabulary, config)

    def ids(text: str) -> list[int]:
        all_pieces = itertools.chain.from_iterable(map(pieces, words(text)))
        return [piece.id for piece in all_pieces]

    return ids


def pieces_of(vocabulary: Vocabulary, config: TokenizerConfig) -> Callable[[str], list]:
    """A function that gives the pieces of a word, as tokens of the `tokenizers` library."""
    # Not the library's own normaliser and splitter: they lower a final sigma otherwise, drop
    # private characters but keep unassigned ones, and have Unicode tables of their own, with fewer
    # punctuation marks.
    return WordPiece(
        vocabulary.ids,
        unk_token=UNK,
        max_input_chars_per_word=config.max_chars_per_word,
        continuing_subword_prefix=CONTINUATION,
    ).tokenize


def identity(config: TokenizerConfig) -> dict:
    """All keys, beside the vocabulary, that ids depend on: what was made with others is another
    text."""
    return {
        name: getattr(config, name)
        for name in ("rules", "lowercase", "accents", "split_cjk", "max_chars_per_word")
    }


# All rules see a space in these four wherever they stand, and what they do does not cross it, so
# text may be cut there before all else. Other ASCII "spaces", such as the form feed, they drop and
# join what is around: str.split() would not do.
_BETWEEN_SPACES = re.compile(r"[^ \t\n\r]+")
split_at_spaces, between_spaces = _BETWEEN_SPACES.findall, _BETWEEN_SPACES.finditer


class Encoder:
    """Sentences to ids, about as fast as looking up the strings between their spaces.

    Text repeats itself: most strings were met before, and their ids are remembered, in bounded
    memory. The ids are those of `wordpiece`, since it sees nothing of a string's neighbours beyond
    a space.
    """

    def __init__(self, vocabulary: Vocabulary, config: TokenizerConfig):
        self.vocabulary, self.config = vocabulary, config
        self._ids = _Remembered(wordpiece(vocabulary, config))

    def __call__(self, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The sentences' ids one after the other, int32 `[tokens]`, and lengths, int32
        `[sentences]`."""
        ids_of = self._ids.__getitem__
        rows = [b"".join(map(ids_of, split_at_spaces(sentence))) for sentence in sentences]
        lengths = np.fromiter(map(len, rows), np.int32, len(rows)) // 4
        return np.frombuffer(b"".join(rows), np.int32), lengths


class _Remembered(dict):
    """String to the bytes of its int32 ids, by `wordpiece` when it is not yet known."""

    most, longest = 1 << 18, 40  # strings that are kept, about 60 MB; characters of one

    def __init__(self, encode: Callable[[str], list[int]]):
        self._encode = encode

    def __missing__(self, string: str) -> bytes:
        ids = np.array(self._encode(string), np.int32).tobytes()
        if len(string) <= self.longest:
            if len(self) >= self.most:
                self.clear()  # the frequent ones are back at once
            self[string] = ids
        return ids
