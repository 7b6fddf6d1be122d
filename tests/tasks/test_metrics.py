import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn

from bert_jax.tasks.metrics import METRICS, score


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_two_classes_by_hand():
    labels, predictions = [1, 1, 1, 0, 0, 0, 0, 1], [1, 1, 0, 0, 0, 1, 0, 0]
    # 2 true positives, 1 false one, 2 missed, 3 true negatives.
    expected = dict(
        accuracy=5 / 8,
        f1=2 * 2 / (2 * 2 + 1 + 2),
        macro_f1=(4 / 7 + 6 / 9) / 2,
        micro_f1=5 / 8,
        matthews=(2 * 3 - 1 * 2) / (3 * 4 * 4 * 5) ** 0.5,
    )
    scores = score(list(expected), labels, predictions)
    assert scores.pop("mean") == pytest.approx(np.mean(list(expected.values())))
    assert scores == pytest.approx(expected)


def test_exactly_the_libraries():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, 500))
    assert score(["matthews"], labels, predictions) == {
        "matthews": sklearn.matthews_corrcoef(labels, predictions)
    }
    assert score(["macro_f1"], labels, predictions)["macro_f1"] == sklearn.f1_score(
        labels, predictions, average="macro"
    )
    numbers = rng.normal(size=(2, 500)).round(1)
    assert score(["pearson", "spearman"], *numbers) == {
        "pearson": (p := stats.pearsonr(*numbers).statistic),
        "spearman": (s := stats.spearmanr(*numbers).statistic),
        "mean": (p + s) / 2,
    }


def test_ties_take_their_mean_rank():
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    assert score(["spearman"], [1.0, 2.0, 3.0, 4.0], [0.0, 5.0, 5.0, 9.0])[
        "spearman"
    ] == pytest.approx(4.5 / (4.5 * 5) ** 0.5)


def test_several_labels_an_example():
    labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], bool)
    predictions = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0]], bool)
    scores = score(["accuracy", "micro_f1", "macro_f1"], labels, predictions)
    assert scores["accuracy"] == pytest.approx(1 / 3)
    assert scores["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


@pytest.mark.parametrize("labels", [[0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
@pytest.mark.parametrize("predictions", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_constant_classes_have_defined_scores(labels, predictions):
    scores = score(["accuracy", "f1", "macro_f1", "micro_f1", "matthews"], labels, predictions)
    assert scores["matthews"] == 0
    assert scores["f1"] == pytest.approx(sklearn.f1_score(labels, predictions, zero_division=0))
    assert np.isfinite(list(scores.values())).all()


def test_degenerate_numbers():
    both = ["pearson", "spearman"]
    assert score(both, [0.0, 1.0, 2.0], [3.0, 3.0, 3.0]) == dict(pearson=0, spearman=0, mean=0)
    assert score(both, [1.0], [2.0]) == dict(pearson=0, spearman=0, mean=0)
    assert all(np.isnan(list(score(both, [0.0, 1.0, 2.0], [3.0, np.nan, 3.0]).values())))
    nearly = np.float32(1) + np.float32(2e-7) * np.arange(3, dtype=np.float32)
    assert score(["spearman"], [0.0, 1.0, 2.0], nearly)["spearman"] == pytest.approx(1)
    assert np.isfinite(score(["pearson"], [0.0, 1.0, 2.0], nearly)["pearson"])


@pytest.mark.parametrize("labels, predictions", [([], []), ([1, 0], [1]), ([[1], [0]], [1, 0])])
def test_nothing_to_score_is_an_error(labels, predictions):
    for name in METRICS:
        with pytest.raises(ValueError, match="one of each"):
            score([name], labels, predictions)
