"""Precision, recall and F1 of the entities that tags of words say, whole ones."""

from collections.abc import Iterator, Sequence

from bert_jax.importers.schemes import OUTSIDE

METRICS = ("entity_f1", "entity_precision", "entity_recall")


def are_tags(names: Sequence[str]) -> bool:
    """Returns True if names of classes are IOB2 tags of entities, so that entities can be
    scored."""
    kinds = {name[2:] for name in names if name.startswith("B-") and len(name) > 2}
    return (
        OUTSIDE in names
        and bool(kinds)
        and set(names) <= {OUTSIDE, *(f"{p}-{k}" for p in "BI" for k in kinds)}
    )


def entities(tags: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """(type, first word, one past the last) of each entity in tags of IOB2, which need not follow
    it.

    As in conlleval an I that continues nothing of its type begins an entity.
    """
    begin, kind = None, ""
    for number, tag in enumerate((*tags, OUTSIDE)):
        prefix, of = tag[:1], tag[2:]
        if begin is not None and (prefix != "I" or of != kind):
            yield kind, begin, number
            begin = None
        if prefix != OUTSIDE and begin is None:
            begin, kind = number, of


def score(tags: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> dict[str, float]:
    """METRICS of whole entities: right are those of the same words and the same type. Where there
    is none, 0.

    Args:
        tags: of the words of each sentence, in IOB2.
        predictions: the same of what was predicted.
    """
    true, guessed = (
        {
            (number, *entity)
            for number, of_sentence in enumerate(sentences)
            for entity in entities(of_sentence)
        }
        for sentences in (tags, predictions)
    )
    right = len(true & guessed)
    precision, recall = (right / len(found) if found else 0.0 for found in (guessed, true))
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return dict(entity_f1=f1, entity_precision=precision, entity_recall=recall)
