import random

import conlleval
import pytest

from bert_jax.importers.schemes import as_iob2, first_wrong
from bert_jax.tasks.entities import are_tags, entities, score


@pytest.mark.parametrize(
    "tags, expected",
    [
        ("O B-P I-P O", [("P", 1, 3)]),
        ("B-P B-P I-L", [("P", 0, 1), ("P", 1, 2), ("L", 2, 3)]),
        ("I-P I-P I-L", [("P", 0, 2), ("L", 2, 3)]),
        ("O", []),
        ("B-A-B I-A-B I-A", [("A-B", 0, 2), ("A", 2, 3)]),
    ],
)
def test_entities_are_found_as_conlleval_finds_them(tags, expected):
    assert list(entities(tags.split())) == expected


def test_scores_are_of_whole_entities():
    tags = [["B-P", "I-P", "O", "B-L"], ["O", "B-P"]]
    assert score(tags, tags) == dict(entity_f1=1, entity_precision=1, entity_recall=1)
    found = score(tags, [["B-P", "O", "O", "B-L"], ["O", "O"]])
    assert found == dict(entity_precision=1 / 2, entity_recall=1 / 3, entity_f1=pytest.approx(0.4))
    assert (
        score(tags, [["O"] * 4, ["O"] * 2])["entity_f1"]
        == 0
        == score([["O"]], [["O"]])["entity_f1"]
    )


def test_scores_are_those_of_conlleval():
    for seed in range(30):
        draw = random.Random(seed)
        names = ["O", "O", "O", "B-P", "I-P", "B-L", "I-L"]
        pairs = [
            [
                (draw.choice(names),) * 2
                if draw.random() < 0.6
                else (draw.choice(names), draw.choice(names))
                for _ in range(draw.randint(1, 9))
            ]
            for _ in range(40)
        ]
        tags, guessed = ([[pair[i] for pair in sentence] for sentence in pairs] for i in (0, 1))
        lines = [line for sentence in pairs for line in (*(f"w {a} {b}" for a, b in sentence), "")]
        theirs = conlleval.evaluate(lines)["overall"]["chunks"]["evals"]
        ours = score(tags, guessed)
        assert (
            ours["entity_precision"],
            ours["entity_recall"],
            ours["entity_f1"],
        ) == pytest.approx((theirs["prec"], theirs["rec"], theirs["f1"]), abs=1e-9)


def test_tags_of_entities_are_told_from_others():
    assert are_tags(("O", "B-P", "I-P")) and are_tags(("O", "B-P"))
    assert (
        not are_tags(("NOUN", "VERB"))
        and not are_tags(("O",))
        and not are_tags(("O", "B-P", "E-P"))
    )


@pytest.mark.parametrize(
    "scheme, tags, at",
    [
        ("IOB2", "B-P I-P O B-L B-L", None),
        ("IOB2", "O I-P", 1),
        ("IOB2", "B-P I-L", 1),
        ("IOB2", "S-P", 0),
        ("IOB1", "I-P I-P B-P I-L", None),
        ("IOB1", "O B-P", 1),
        ("IOB1", "I-L B-P", 1),
        ("BIOES", "B-P I-P E-P S-L O", None),
        ("BIOES", "B-P O", 1),
        ("BIOES", "B-P I-P", 1),
        ("BIOES", "I-P E-P", 0),
        ("BIOES", "B-P E-L", 1),
        ("BIOES", "S-P E-P", 1),
        ("BIOES", "B-P L-P U-L", None),
        ("BIOES", "B-P", 0),
        ("BIOES", "B-P B-P", 1),
        ("BIOES", "B-P S-P", 1),
    ],
)
def test_a_tag_that_does_not_follow_its_scheme_is_found(scheme, tags, at):
    assert first_wrong(tags.split(), scheme) == at


@pytest.mark.parametrize(
    "scheme, tags, expected",
    [
        ("IOB1", "I-P I-P B-P I-L O I-L", "B-P I-P B-P B-L O B-L"),
        ("IOB2", "B-P I-P O", "B-P I-P O"),
        ("BIOES", "B-P I-P E-P S-L", "B-P I-P I-P B-L"),
        ("BIOES", "B-P L-P U-P", "B-P I-P B-P"),
    ],
)
def test_all_schemes_become_iob2(scheme, tags, expected):
    assert as_iob2(tags.split(), scheme) == expected.split()


@pytest.mark.parametrize("tag", ["P", "X-P", "B-", "B"])
def test_what_is_no_tag_is_refused(tag):
    with pytest.raises(ValueError, match=f"'{tag}' is no tag"):
        first_wrong(["O", tag], "IOB2")
