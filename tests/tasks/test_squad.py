import pytest

from bert_jax.tasks import squad


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The  A an cat.", "cat"),
        ("theatre, a-the-an", "theatre athean"),
        ("U.S.", "us"),
        ("’s “x”", "’s “x”"),
        ("the\u00a0cat\u2003", "cat"),
        ("ẞ İ", "ß i̇"),
        ("a_the the_", "athe"),
        ("", ""),
        ("the", ""),
    ],
)
def test_texts_are_compared_without_articles_case_and_punctuation(text, expected):
    assert squad.normalised(text) == expected


def test_scores_of_1_1():
    answers = [["the Cat", "a dog"], ["New York City"], ["the"]]
    assert squad.score(answers, ["cat!", "York City", "a"]) == dict(
        f1=100.0 * (1 + 2 * 1 * (2 / 3) / (1 + 2 / 3) + 0) / 3, exact=100.0 * 2 / 3
    )
    with pytest.raises(ValueError, match="an answer to each"):
        squad.score([[]], [""])


def test_scores_of_2_0():
    answers, predictions = [["cat"], [], ["dog"], []], ["the cat", "x", "", ""]
    found = squad.score_unanswerable(answers, predictions, [-1.0, 2.0, 0.5, -3.0], threshold=1.0)
    assert found["exact"] == 75 and found["HasAns_f1"] == 50 and found["NoAns_f1"] == 100
    assert found["best_f1"] == 75 and found["best_f1_thresh"] == -1.0
    assert (
        squad.score_unanswerable(answers, predictions, [-1.0, 2.0, 0.5, -3.0], threshold=9.0)[
            "NoAns_exact"
        ]
        == 50
    )


def test_nothing_left_of_a_text_is_no_answer_of_2_0_and_nothing_right_of_1_1():
    assert squad.score_unanswerable([["the"], []], ["a", "an"], [0, 0], 1)["f1"] == 100
    assert squad.score([["the"]], ["a"]) == dict(f1=0, exact=100)
