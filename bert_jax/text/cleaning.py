"""Running text of Wikipedia articles: the paper takes only "text passages", no lists, tables or
headers."""

import re

_WIKI40B = re.compile(r"_START_(ARTICLE|SECTION|PARAGRAPH)_")
# A sentence's end, and what may stand after it; Thai and Lao, which mark none, end with any letter.
_ENDS_A_SENTENCE = re.compile(r"[.!?…。！？．｡।॥։؟۔።၊။៕᙮\u0e00-\u0eff]['\"”’»›)\]）」』】]*\Z")
_NO_PROSE = {
    "see also",
    "references",
    "external links",
    "further reading",
    "notes",
    "bibliography",
    "sources",
    "footnotes",
    "citations",
    "works cited",
    "publications",
    "discography",
    "filmography",
}
_SHORTEST = 40  # letters; headings, captions and entries of lists are mostly shorter
_WIDE = 0x2E80  # from here on a letter of these scripts says about as much as three


def wikipedia(text: str) -> str:
    """The prose of an article as TFDS's `wikipedia` has it, a paragraph a line.

    There headings, entries of lists and remains of tables are lines like any other, without their
    markup. So what is kept are lines that end as a sentence does and are not short; and nothing of
    English articles' last sections, whose entries may look like sentences.
    """
    kept, prose = [], True
    for line in map(str.strip, text.split("\n")):
        if not line:
            continue
        if not _ENDS_A_SENTENCE.search(line):
            prose = line.lower() not in _NO_PROSE if len(line) < _SHORTEST else prose
        elif prose and not line.startswith(("|", "{", "!", "*", "#")) and _width(line) >= _SHORTEST:
            kept.append(line)
    return "\n\n".join(kept)


def wiki40b(text: str) -> str:
    """Returns the paragraphs of an article as TFDS's `wiki40b` has it, whose markers tell them from
    titles and headings."""
    before, *parts = _WIKI40B.split(text)
    paragraphs = (
        [part for kind, part in zip(parts[::2], parts[1::2]) if kind == "PARAGRAPH"]
        if parts
        else [before]
    )
    lines = [line.strip() for line in "_NEWLINE_".join(paragraphs).split("_NEWLINE_")]
    return "\n\n".join(line for line in lines if line)


def _width(line: str) -> int:
    return sum(3 if ord(letter) >= _WIDE else 1 for letter in line)


CLEANERS = {"none": lambda text: text, "wikipedia": wikipedia, "wiki40b": wiki40b}
