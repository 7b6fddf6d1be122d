"""What is counted of predictions agrees with what one counts by hand."""

import json

import numpy as np
import pytest

from bert_jax.protocol import predictions
from bert_jax.protocol.predictions import Predicted


def test_calibration_by_hand():
    # In bins of a tenth: of 0.62 and 0.66 one is right, of 0.95 and 0.99 both, of 1.0, which is in
    # the last bin, none.
    found = predictions.calibration(
        Predicted(
            "classification", list("abaab"), list("aaaaa"), np.array([0.62, 0.66, 0.95, 0.99, 1.0])
        )
    )
    np.testing.assert_array_equal(found.counts, [0, 0, 0, 0, 0, 0, 2, 0, 0, 3])
    assert (
        found.accuracies[6] == 0.5
        and found.accuracies[9] == pytest.approx(2 / 3)
        and np.isnan(found.accuracies[0])
    )
    assert found.confidences[6] == pytest.approx(0.64) and found.confidences[9] == pytest.approx(
        0.98
    )
    assert found.error == pytest.approx((2 * 0.14 + 3 * (0.98 - 2 / 3)) / 5)


def test_calibration_at_its_ends():
    def error(labels, confidences):
        return predictions.calibration(
            Predicted("classification", labels, ["a"] * len(labels), confidences)
        ).error

    assert error(["a", "a"], np.array([1.0, 1.0])) == 0.0
    assert error(["b"], np.array([1.0])) == 1.0
    assert (
        error(["b", "b"], np.array([np.nan, 0.5])) == 0.25
    )  # of a model that diverged, NaN is no confidence


def test_a_perfect_model_has_a_diagonal_confusion_matrix():
    labels = ["c", "a", "b", "a"]
    perfect = Predicted("classification", labels, labels)
    np.testing.assert_array_equal(predictions.confusion(perfect), np.diag([2, 1, 1]))
    wrong = Predicted("classification", labels, ["c", "a", "a", "d"])
    np.testing.assert_array_equal(
        predictions.confusion(wrong), [[1, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    )


def test_f1_of_each_label():
    scores, counts = predictions.f1_of_labels(
        Predicted("multilabel", [["x"], ["x", "y"], []], [["x"], ["y"], ["z"]])
    )
    np.testing.assert_allclose(scores, [2 / 3, 1, 0])
    np.testing.assert_array_equal(counts, [2, 1, 0])


@pytest.mark.parametrize(
    "kind, lines, labels",
    [
        ("classification", [dict(prediction="a", probabilities=[0.7, 0.3], label="b")], ["b"]),
        ("regression", [dict(prediction=0.5, label=1.0)], [1.0]),
        ("multilabel", [dict(prediction=[], probabilities=[0.2, 0.3], label=["x"])], [["x"]]),
        (
            "tagging",
            [
                dict(prediction=[], probabilities=[], label=[]),
                dict(
                    prediction=["O", "P"], probabilities=[[0.9, 0.1], [0.4, 0.6]], label=["O", "O"]
                ),
            ],
            ["O", "O"],
        ),
    ],
)
def test_predictions_of_every_kind_are_read(kind, lines, labels, tmp_path):
    (tmp_path / "predictions").mkdir()
    path = tmp_path / "predictions" / "validation.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = predictions.read(tmp_path, "validation", kind)
    assert found.labels == labels
    assert (found.confidences is not None) == (kind == "classification")

    hidden = [{name: line[name] for name in line if name != "label"} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in hidden))
    assert predictions.read(tmp_path, "validation", kind) is None
    assert predictions.read(tmp_path, "test", kind) is None
