"""Inference of the columns of a table, or features of a data set, that hold texts and labels."""

from collections.abc import Sequence

from bert_jax.errors import UserError, nearest

# Pairs before single texts, and the more telling of two names first.
PAIRS = (
    ("text", "text_pair"),
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("sent1", "sent2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("question", "answer"),
    ("query", "document"),
    ("#1 String", "#2 String"),
)
TEXTS = (
    "tokens",
    "words",
    "text",
    "sentence",
    "review",
    "content",
    "document",
    "tweet",
    "question",
    "premise",
)
CHOICES = ("choices", "endings", "options")
LABELS = (
    "label",
    "labels",
    "gold_label",
    "target",
    "score",
    "class",
    "category",
    "sentiment",
    "rating",
    "tags",
    "ner_tags",
    "is_duplicate",
    "Quality",
)
NUMBERS = ("idx", "id", "index", "guid", "uid", "pairID", "promptID", "")


def choose_label(names: Sequence[str], given: str, where: str, option: str) -> str:
    """The column of the labels.

    Args:
        names: of the columns that could be it.
        given: what the user says; empty: it is inferred.
        where: names the file or the data set.
        option: by which the user says it: '--label'.

    Raises:
        UserError: `given` is not there, or nothing is given and no name, or more than one, is known
            as that of labels.
    """
    if given:
        return _there(given, names, where, option)
    known = [name for name in LABELS if name in names]
    if len(known) == 1:
        return known[0]
    raise UserError(
        f"which column of {where} holds the labels is not clear",
        found=_listed(names),
        expected="one column named " + ", ".join(LABELS[:5]) + " or the like",
        hint=f"{option}={(known or [*names, 'COLUMN'])[0]}",
    )


def choose_texts(
    names: Sequence[str], given: Sequence[str], where: str, options: Sequence[str]
) -> tuple[str, ...]:
    """The column of the text, or the two of a pair.

    Args:
        names: of the columns that could be it.
        given: what the user says, text first, '' where nothing; a text alone is no pair.
        where: names the file or the data set.
        options: by which the user says text and pair: ('--text', '--text_pair').

    Raises:
        UserError: what is given is not there, or nothing is given and the names do not tell.
    """
    if given[0]:
        return tuple(
            _there(name, names, where, option) for name, option in zip(given, options) if name
        )
    if given[1]:
        raise UserError(
            f"{options[1]} needs {options[0]} beside it",
            found=f"{options[1]}={given[1]}",
            expected="both columns of the pair",
        )
    for pair in PAIRS:
        if set(pair) <= set(names):
            return pair
    for name in TEXTS:
        if name in names:
            return (name,)
    others = tuple(name for name in names if name not in NUMBERS)
    if len(others) == 1:
        return others
    raise UserError(
        f"which columns of {where} hold the texts is not clear",
        found=_listed(names),
        expected="a column named text or sentence, or two such as sentence1 and sentence2",
        hint=f"{options[0]}=COLUMN, and {options[1]}=COLUMN for the second text of a pair",
    )


def _there(name: str, names: Sequence[str], where: str, option: str) -> str:
    if name in names:
        return name
    close = nearest(name, names)
    raise UserError(
        f"{where} has no column {name!r} for {option}",
        found=_listed(names),
        expected="one of these",
        hint=f"{option}={close}" if close else None,
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "no column"
