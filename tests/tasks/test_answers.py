import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_jax.config import TaskConfig, TokenizerConfig
from bert_jax.importers.squad import Answer
from bert_jax.tasks.answers import answers_of, unanswered
from bert_jax.tasks.examples import ANSWERABLE, UNANSWERABLE, Examples
from bert_jax.tasks.inputs import inputs_of
from bert_jax.tasks.tokenised import tokenise
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import Encoder

LETTERS = "abcdefghij"
ENCODER = Encoder(
    Vocabulary((*SPECIAL_TOKENS, *LETTERS, *(f"##{c}" for c in LETTERS), ".")), TokenizerConfig()
)
CONTEXTS = ["A b. C d e f g h i j", "j i H g", "A b. C d e f g h i j"]


def asked(answers, may_be_none=True, length=12, stride=3):
    names = (ANSWERABLE, UNANSWERABLE) if may_be_none else (ANSWERABLE,)
    found = Examples(
        "span", ["a b", "c", "d"], CONTEXTS, answers, np.array(["q1", "q2", "q3"]), names, {}, {}
    )
    return inputs_of(tokenise(found, ENCODER), TaskConfig(length=length, stride=stride))


ANSWERS = [[Answer("C d", 5), Answer("d", 7)], [], [Answer("j", 19)]]


def random_scores(inputs, seed):
    rng = np.random.default_rng(seed)
    # Few different numbers, so that there are ties.
    return [rng.integers(-4, 5, (size, 2)).astype(np.float32) for size in inputs.sizes]


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 6))
@settings(max_examples=50)
def test_the_best_answers_are_those_of_a_search_through_all(seed, longest, n):
    inputs = asked(ANSWERS)
    scores = random_scores(inputs, seed)
    found = answers_of(inputs, scores, None, longest, n)
    for question in range(3):
        candidates, null = [], []
        for number in np.flatnonzero(inputs.examples == question):
            before = inputs.lengths[number, 0] + 2
            null.append(scores[number][0].sum())
            for first in range(inputs.lengths[number, 1]):
                token = inputs.begins[number, 1] + first
                if not inputs.counted[number, 0] <= token < inputs.counted[number, 1]:
                    continue
                for last in range(first, min(first + longest, inputs.lengths[number, 1])):
                    candidates.append(
                        scores[number][before + first, 0] + scores[number][before + last, 1]
                    )
        expected = sorted(candidates, reverse=True)[:n]
        assert found.scores[question, : len(expected)].tolist() == expected
        assert np.isneginf(found.scores[question, len(expected) :]).all()
        assert found.null_scores[question] == min(null)
        assert found.null_odds[question] == min(null) - expected[0]


def point_at(inputs, question, first, last, sure=9.0):
    """Scores that say tokens `first` to `last` of the context of a question, and nothing of
    others."""
    scores = [np.zeros((size, 2), np.float32) for size in inputs.sizes]
    base = inputs.task.begins[question, 1]
    for number in np.flatnonzero(inputs.examples == question):
        before = inputs.lengths[number, 0] + 2
        for token, end in ((first, 0), (last, 1)):
            at = base + token - inputs.begins[number, 1]
            if 0 <= at < inputs.lengths[number, 1]:
                scores[number][before + at, end] = sure
    return scores


@pytest.mark.parametrize(
    "first, last, text", [(0, 0, "A"), (1, 2, "b."), (3, 6, "C d e f"), (10, 10, "j")]
)
def test_the_text_is_that_of_the_context(first, last, text):
    inputs = asked(ANSWERS, may_be_none=False)
    found = answers_of(inputs, point_at(inputs, 0, first, last), 0.5, 30, 3)
    line = next(found.lines())
    assert (
        found.best[0] == text
        and line["prediction"] == text
        and CONTEXTS[0][line["start"] :].startswith(text)
    )
    assert line["label"] == ["C d", "d"] and "null_odds" not in line
    assert found.n_best(0)[0]["text"] == text and found.n_best(0)[0]["probability"] > 0.9


def test_no_answer_is_predicted_where_it_scores_more_than_the_threshold():
    inputs = asked(ANSWERS)
    scores = point_at(inputs, 0, 3, 4)
    for number in np.flatnonzero(inputs.examples == 1):
        scores[number][0] = 3
    found = answers_of(inputs, scores, None, 30, 5)
    assert (
        found.null_odds.tolist() == [-18, 6, 0]
        and found.decided[:2] == ["C d", ""]
        and found.decided[2]
    )
    scores = found.score()
    assert (
        scores["HasAns_exact"] == 0.5
        and scores["NoAns_exact"] == 1
        and scores["best_f1"] == pytest.approx(2 / 3)
    )
    assert next(name for name in scores) == "best_f1" and scores["best_f1_thresh"] == -18
    tuned = dataclasses.replace(found, threshold=found.best_threshold())
    assert tuned.threshold == -18 and tuned.decided == ["C d", "", ""]
    files = json.loads(json.dumps(tuned.official_files()))
    assert files["predictions"] == dict(q1="C d", q2="", q3="") and files["null_odds"] == dict(
        q1=-18, q2=6, q3=0
    )
    assert {one["text"] for one in files["nbest_predictions"]["q2"]} >= {"", "j"}


def test_who_answers_nothing_is_right_where_there_is_no_answer():
    task = asked(ANSWERS).task
    scores = unanswered(task).score()
    assert (
        scores["exact"] == scores["best_exact"] == pytest.approx(1 / 3) and scores["NoAns_f1"] == 1
    )
    assert unanswered(
        asked([ANSWERS[0], ANSWERS[0][1:], ANSWERS[2]], may_be_none=False).task
    ).score() == dict(f1=0, exact=0)
