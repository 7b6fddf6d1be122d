import numpy as np
import pytest

from bert_jax.config import TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.tasks import examples, folds, tokenised
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import Encoder
from tests.made_tasks import LETTERS

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *LETTERS, "q", "x", "z"))


@pytest.fixture(params=["classification", "regression", "multilabel", "tagging"])
def task(request, tasks_dir):
    found = examples.read(request.param, str(tasks_dir), "train")
    return tokenised.tokenise(found, Encoder(VOCABULARY, TokenizerConfig()))


def content(task, example):
    """An example's tokens and labels."""
    at = slice(task.begins[example, 0], task.begins[example, -1] + task.lengths[example, -1])
    labels = task.labels[at] if task.kind == "tagging" else task.labels[example]
    return task.tokens[at].tolist(), np.asarray(labels).tolist()


def test_every_example_is_scored_once_and_learned_by_the_others(task):
    expected = {int(number): content(task, i) for i, number in enumerate(task.ids)}
    scored = []
    for fold in range(4):
        learned, held_out = folds.of_folds(task, 4, fold)
        assert len(held_out) == 50 and sorted([*learned.ids, *held_out.ids]) == sorted(task.ids)
        for part in (learned, held_out):
            assert {int(number): content(part, i) for i, number in enumerate(part.ids)} == {
                int(number): expected[int(number)] for number in part.ids
            }
        scored += held_out.ids.tolist()
        if task.kind == "classification":
            shares = [np.bincount(part.labels) / len(part) for part in (learned, held_out)]
            np.testing.assert_allclose(*shares, atol=0.02)
    assert sorted(scored) == sorted(task.ids)


def test_too_many_folds_are_refused(task):
    with pytest.raises(UserError, match="more folds than there are examples"):
        folds.of_folds(task.take(np.arange(20)), 21, 0)
