"""Words of a text, as BERT sees them before WordPiece: by the rules of Google's code or of Hugging
Face's.

Both are rules for single characters, by the Unicode tables of Python, and so a few passes over the
whole text.
"""

import unicodedata
from collections.abc import Callable

from bert_jax.config import TokenizerConfig

_CJK = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
_ASCII_SYMBOLS = "$+<=>^`|~"  # no punctuation in Unicode, and yet to BERT


def splitter(config: TokenizerConfig) -> Callable[[str], list[str]]:
    """A function that gives the words of a text, normalised and punctuation apart.

    It is what `BasicTokenizer` does in google-research/bert's `tokenization.py`, or in
    transformers' `BertTokenizerLegacy`, which drops other characters and composes (NFC) what is
    left.
    """
    dropped = ("Cc", "Cf") if config.rules == "google" else ("Cc", "Cf", "Cn", "Co", "Cs")
    strip_accents = config.lowercase if config.accents == "with_case" else config.accents == "strip"
    clean = _Table(lambda character: _cleaned(character, dropped, config.split_cjk))

    # Both split at spaces first. That can wait: what follows gives the same on either side of a
    # space as across it, the final sigma of lower() included, and makes no space of anything else.
    def words(text: str) -> list[str]:
        text = text.translate(clean)
        if config.rules == "huggingface":
            text = unicodedata.normalize("NFC", text)
        if config.lowercase:
            text = text.lower()
        if strip_accents:
            text = unicodedata.normalize("NFD", text).translate(_WITHOUT_MARKS)
        return text.translate(_PUNCTUATION_APART).split()

    return words


class _Table(dict):
    """Code point to what `str.translate` puts in its place, filled as code points are met."""

    def __init__(self, replacement: Callable[[str], str | None]):
        self._replacement = replacement

    def __missing__(self, code: int) -> str | None:
        self[code] = replacement = self._replacement(chr(code))
        return replacement


def _cleaned(character: str, dropped: tuple[str, ...], split_cjk: bool) -> str | None:
    category = unicodedata.category(character)
    if character in "\t\n\r" or category == "Zs":
        return " "
    if character == "\ufffd" or category in dropped:
        return None
    if split_cjk and any(first <= ord(character) <= last for first, last in _CJK):
        return f" {character} "
    return character


def _without_mark(character: str) -> str | None:
    return None if unicodedata.category(character) == "Mn" else character


def _apart(character: str) -> str:
    is_punctuation = character in _ASCII_SYMBOLS or unicodedata.category(character).startswith("P")
    return f" {character} " if is_punctuation else character


_WITHOUT_MARKS, _PUNCTUATION_APART = _Table(_without_mark), _Table(_apart)
