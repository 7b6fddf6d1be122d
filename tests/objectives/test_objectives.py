import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_expit, log_softmax

from bert_jax.errors import UserError
from bert_jax.objectives import choose, mlm, multilabel, multiple_choice, nsp, regression, span, tag
from bert_jax.objectives.terms import choice


def test_choice_against_scipy():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 5, 11)).astype(np.float32) * 10
    labels = rng.integers(0, 11, (3, 5))
    weights = rng.integers(0, 2, (3, 5)).astype(np.float32)
    terms = choice(jnp.asarray(logits), jnp.asarray(labels), jnp.asarray(weights))
    chosen = np.take_along_axis(
        log_softmax(logits.astype(np.float64), axis=-1), labels[..., None], -1
    )[..., 0]
    np.testing.assert_allclose(terms.loss, -(chosen * weights).sum(), rtol=1e-6)
    assert terms.correct == ((logits.argmax(-1) == labels) * weights).sum()


def test_ties_count_as_argmax_counts_them():
    logits = jnp.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    labels = jnp.array([0, 1, 0])
    assert choice(logits, labels, jnp.array([1.0, 1.0, 1.0])).correct == 2


def test_large_logits_do_not_overflow():
    terms = choice(jnp.array([[1e4, -1e4]]), jnp.array([1]), jnp.ones(1))
    assert terms.loss == 2e4


def test_weights_say_what_counts(recipe, make_batch):
    from bert_jax.config import resolve

    batch = make_batch(resolve(recipe))
    assert mlm.weight(batch) == batch["masked_weights"].sum()
    assert nsp.weight(batch) == 8
    rng = np.random.default_rng(1)
    logits = jnp.asarray(rng.normal(size=(*batch["masked_ids"].shape, 101)), jnp.float32)
    terms = mlm.terms(logits, batch)
    batch["masked_ids"] = np.where(batch["masked_weights"] > 0, batch["masked_ids"], 7)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, mlm.terms(logits, batch), terms))


def test_unknown_objective_names_the_nearest():
    with pytest.raises(UserError, match="'mlm'"):
        choose(("mml",))


def test_regression_is_the_squared_error():
    batch = dict(labels=jnp.array([[1.0, 2.0, 9.0]]), example_weights=jnp.array([[1.0, 1.0, 0.0]]))
    terms = regression.terms(jnp.array([[[3.0], [1.5], [0.0]]]), batch)
    np.testing.assert_allclose(terms.loss, 4 + 0.25)
    assert terms.correct is None and regression.weight(batch) == 2


def test_several_labels_are_decided_each_by_itself():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(2, 3, 5)) * 20, rng.integers(0, 2, (2, 3, 5)).astype(bool)
    labels[0, 0] = logits[0, 0] > 0
    weights = np.array([[1, 1, 0], [1, 0, 1]], np.float32)
    batch = dict(labels=jnp.asarray(labels), example_weights=jnp.asarray(weights))
    terms = multilabel.terms(jnp.asarray(logits, jnp.float32), batch)
    expected = -np.where(labels, log_expit(logits), log_expit(-logits)).mean(-1)
    np.testing.assert_allclose(terms.loss, (expected * weights).sum(), rtol=1e-5)
    assert terms.correct == (((logits > 0) == labels).all(-1) * weights).sum() >= 1


def test_tags_count_where_words_begin():
    logits = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    batch = dict(
        labels=np.array([[0, 1, 2, 0], [1, 1, 0, 2]]),
        label_weights=np.array([[0, 1, 1, 0], [0, 0, 1, 0.0]]),
    )
    expected = choice(logits, batch["labels"], batch["label_weights"])
    assert tag.terms(logits, batch) == expected and tag.weight(batch) == 3


def test_ends_of_answers_are_chosen_among_the_tokens_of_their_example():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 7, 2)).astype(np.float32) * 5
    batch = dict(
        segment_ids=np.array([[1, 1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 0, 0, 0]]),
        labels=np.array([[[1, 2], [3, 3]], [[0, 3], [0, 0]]]),
        example_weights=np.array([[1, 1], [1, 0]], np.float32),
    )
    expected, right = 0.0, 0
    for row, first, end, labels in ((0, 0, 3, (1, 2)), (0, 3, 7, (3, 3)), (1, 0, 4, (0, 3))):
        for which, label in enumerate(labels):
            of = logits[row, first:end, which].astype(np.float64)
            expected -= log_softmax(of)[label - first] / 2
            right += (of.argmax() == label - first) / 2
    terms = span.terms(jnp.asarray(logits), batch)
    np.testing.assert_allclose(terms.loss, expected, rtol=1e-6)
    assert terms.correct == right and span.weight(batch) == 3


def test_choices_of_a_question_are_told_apart():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 6, 1)).astype(np.float32)
    batch = dict(
        labels=np.array([[2, 0], [1, 0]]),
        example_weights=np.array([[1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0]], np.float32),
    )
    expected = choice(
        logits[..., 0].reshape(2, 2, 3), batch["labels"], np.array([[1, 1], [1, 0]], np.float32)
    )
    assert multiple_choice.terms(logits, batch) == expected and multiple_choice.weight(batch) == 3
