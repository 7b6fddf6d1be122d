"""Sentences of a document."""

import re
from collections.abc import Iterable, Iterator

import sentencex

_BLANK_LINE = re.compile(r"\n\s*\n")


def split(text: str, language: str = "en") -> list[str]:
    """Returns the sentences of running text, by rules; a blank line always ends one, a single line
    break never does.

    `language` is an ISO 639-1 code; one that has no rules of its own gets general ones. White space
    within a sentence becomes single spaces, so that hard-wrapped lines read on.
    """
    # Collapsed before it is split: the rules take "Mr.\nSmith" for two sentences, and "Mr. Smith"
    # for one.
    sentences: list[str] = []
    for paragraph in _BLANK_LINE.split(text):
        sentences += map(str.strip, sentencex.segment(language, " ".join(paragraph.split())))
    return [sentence for sentence in sentences if sentence]


def lines(text: str, language: str = "en") -> list[str]:
    """The sentences of text that has one a line, stripped; blank lines are dropped, `language` is
    ignored."""
    return [line for line in map(str.strip, text.splitlines()) if line]


def batches(texts: Iterable[str], characters: int) -> Iterator[list[str]]:
    """Groups consecutive texts; each group but the last has at least so many characters."""
    batch, size = [], 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= characters:
            yield batch
            batch, size = [], 0
    yield batch


SPLITTERS = {"split": split, "lines": lines}
