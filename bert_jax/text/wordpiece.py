"""WordPiece: text to token ids by BERT's rules, with the `tokenizers` library doing the work."""

import re

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from bert_jax.text.vocabulary import CONTINUATION, UNK, Vocabulary


def wordpiece(vocabulary: Vocabulary, lowercase: bool, max_chars_per_word: int) -> Tokenizer:
    """A tokenizer by BERT's rules that adds no special tokens and finds none in the text.

    Args:
        lowercase: lower-case the text and strip its accents.
        max_chars_per_word: a word of more characters becomes [UNK].
    """
    tokenizer = Tokenizer(WordPiece(
        vocabulary.ids, unk_token=UNK, max_input_chars_per_word=max_chars_per_word,
        continuing_subword_prefix=CONTINUATION,
    ))
    tokenizer.normalizer = normalizer(lowercase)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def normalizer(lowercase: bool) -> BertNormalizer:
    """What happens to text before it is split into words: as Google's code, accents go when case goes."""
    return BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=lowercase, lowercase=lowercase)


# Google's rules see a space in these four wherever they stand, so text may be cut there before all else.
# Other ASCII "spaces", such as the form feed, they drop and join what is around: str.split() would not do.
split_at_spaces = re.compile(r"[^ \t\n\r]+").findall


class Encoder:
    """Sentences to ids, about as fast as looking up the strings between their spaces.

    Text repeats itself: most strings were met before, and their ids are remembered, in bounded memory. The ids
    are the tokenizer's own, since it sees nothing of a string's neighbours beyond a space.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._ids = _Remembered(tokenizer)

    def __call__(self, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The sentences' ids one after the other, int32 `[tokens]`, and lengths, int32 `[sentences]`."""
        ids_of = self._ids.__getitem__
        rows = [b"".join(map(ids_of, split_at_spaces(sentence))) for sentence in sentences]
        lengths = np.fromiter(map(len, rows), np.int32, len(rows)) // 4
        return np.frombuffer(b"".join(rows), np.int32), lengths


class _Remembered(dict):
    """String to the bytes of its int32 ids, by the tokenizer when it is not yet known."""

    most, longest = 1 << 18, 40  # strings that are kept, about 60 MB; characters of one

    def __init__(self, tokenizer: Tokenizer):
        self._encode = tokenizer.encode_batch_fast

    def __missing__(self, string: str) -> bytes:
        encoding, = self._encode([string], add_special_tokens=False)
        ids = np.array(encoding.ids, np.int32).tobytes()
        if len(string) <= self.longest:
            if len(self) >= self.most:
                self.clear()  # the frequent ones are back at once
            self[string] = ids
        return ids
