import math

import numpy as np
import pytest

from bert_jax.pretraining.baselines import trivial_scores


def batch(masked_ids, masked_weights, labels, example_weights) -> dict:
    return dict(
        masked_ids=np.array(masked_ids),
        masked_weights=np.array(masked_weights, np.float32),
        next_sentence_labels=np.array(labels)[:, None],
        example_weights=np.array(example_weights, np.float32)[:, None],
    )


BATCHES = [
    batch([[1, 2, 0], [3, 0, 0]], [[1, 1, 0], [1, 0, 0]], [1, 0], [1, 1]),
    # The last row is padding: neither its ids nor its label count.
    batch([[3, 3, 4], [0, 0, 0]], [[1, 1, 1], [0, 0, 0]], [1, 0], [1, 0]),
]
COUNTS = np.array([0, 5, 1, 10, 0])


def test_scores_are_those_of_counting_one_by_one():
    scores = trivial_scores(iter(BATCHES), COUNTS, ("mlm", "nsp"))
    predicted = [1, 2, 3, 3, 3, 4]
    shares = {token: (count + 1) / (16 + 5) for token, count in enumerate(COUNTS)}
    loss = -sum(math.log(shares[token]) for token in predicted) / len(predicted)
    assert scores == pytest.approx(
        dict(
            mlm_unigram_loss=loss,
            mlm_unigram_perplexity=math.exp(loss),
            mlm_most_frequent_accuracy=3 / 6,
            nsp_majority_accuracy=2 / 3,
        )
    )
    assert all(type(score) is float for score in scores.values())


def test_the_most_frequent_token_is_that_of_the_training_split():
    for counts, accuracy in (([0, 11, 1, 10, 0], 1 / 6), ([20, 1, 1, 1, 0], 0)):
        scores = trivial_scores(BATCHES, np.array(counts), ("mlm",))
        assert scores["mlm_most_frequent_accuracy"] == pytest.approx(accuracy)


def test_left_to_right_has_the_same_baselines():
    of = [trivial_scores(BATCHES, COUNTS, (name,)) for name in ("mlm", "lm")]
    assert {name.removeprefix("m"): score for name, score in of[0].items()} == of[1]


def test_counts_are_left_as_they_were():
    counts = COUNTS.copy()
    trivial_scores(BATCHES, counts, ("mlm",))
    assert np.array_equal(counts, COUNTS)
