"""Tagging schemes of entities: those that files have, and IOB2, in which we keep them.

IOB2 begins each entity with B and goes on with I. IOB1 begins it with I, and with B only if it
follows one of its own type. BIOES ends longer ones with E, and S is one of a single word; BILOU
calls these L and U.
"""

from collections.abc import Sequence
from itertools import pairwise

SCHEMES = ("IOB2", "IOB1", "BIOES")
OUTSIDE = "O"
_AS_BIOES = {"L": "E", "U": "S"}


def parts(tag: str) -> tuple[str, str]:
    """The prefix and the type of a tag: ('B', 'PER'); of the tag outside of entities ('O', '').

    Raises:
        ValueError: it has no prefix that a scheme knows, or no type.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, _, kind = tag.partition("-")
    prefix = _AS_BIOES.get(prefix, prefix)
    if prefix not in ("B", "I", "E", "S") or not kind:
        raise ValueError(f"{tag!r} is no tag of entities")
    return prefix, kind


def first_wrong(tags: Sequence[str], scheme: str) -> int | None:
    """The number of the first tag of a sentence that does not follow a scheme; None if all do.

    Raises:
        ValueError: as `parts`.
    """
    split = [(OUTSIDE, ""), *map(parts, tags), (OUTSIDE, "")]
    for number, ((before, kind_before), (prefix, kind)) in enumerate(pairwise(split)):
        same = kind == kind_before
        if scheme == "BIOES":
            open_before = before in ("B", "I")
            fine = (
                same
                if prefix in ("I", "E") and open_before
                else not open_before and prefix not in ("I", "E")
            )
            if not fine:
                # An entity that is not ended is wrong where it should go on, and at the end of a
                # sentence before that.
                return min(number, len(tags) - 1)
        elif prefix in ("E", "S"):
            return number
        elif scheme == "IOB2" and prefix == "I" and not (same and before in ("B", "I")):
            return number
        elif scheme == "IOB1" and prefix == "B" and not (same and before in ("B", "I")):
            return number
    return None


def as_iob2(tags: Sequence[str], scheme: str) -> list[str]:
    """Tags of a sentence, which follow a scheme, in IOB2."""
    split, made = [(OUTSIDE, ""), *map(parts, tags)], []
    for (before, kind_before), (prefix, kind) in pairwise(split):
        if scheme == "IOB1" and prefix == "I" and (before == OUTSIDE or kind != kind_before):
            prefix = "B"
        made.append(
            OUTSIDE if prefix == OUTSIDE else f"{dict(E='I', S='B').get(prefix, prefix)}-{kind}"
        )
    return made
