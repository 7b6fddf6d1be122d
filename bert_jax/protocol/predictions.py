"""Predictions of a run, read from its files, with their confusion matrix and calibration."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn import metrics as sklearn
from sklearn.preprocessing import MultiLabelBinarizer

from bert_jax.runs.files import PREDICTIONS

ONE_OF = ("classification", "choice")  # kinds of tasks in which a prediction has a probability
BINS = 10  # of confidences, all of the same width


@dataclasses.dataclass(frozen=True)
class Predicted:
    """The labels of a split and what a model said of them.

    Attributes:
        kind: 'classification', 'choice', 'regression', 'multilabel' or 'tagging'.
        labels: names of classes or numbers `[examples]`, names `[words]` of tagging, or a list of
            names an example.
        predictions: the same of what was predicted.
        confidences: float64 `[examples]`, of classes and choices the probability of what was
            predicted; None otherwise.
    """

    kind: str
    labels: list
    predictions: list
    confidences: np.ndarray | None = None

    @property
    def classes(self) -> list[str]:
        """All names that stand among labels or predictions, by the alphabet; none of numbers."""
        if self.kind == "regression":
            return []
        both = [*self.labels, *self.predictions]
        return sorted(set().union(*both) if self.kind == "multilabel" else set(both))


def read(run: Path, split: str, kind: str) -> Predicted | None:
    """The predictions of a run on a split; None if it left none, their labels are hidden, or they
    are answers.

    Args:
        run: its workdir.
        split: a validation split.
        kind: of the task.
    """
    path = run / PREDICTIONS / f"{split}.jsonl"
    lines = (
        [json.loads(line) for line in path.read_text().splitlines() if line]
        if path.exists()
        else []
    )
    if not lines or "label" not in lines[0] or kind == "span":
        return None
    labels, predictions = ([line[name] for line in lines] for name in ("label", "prediction"))
    if kind == "tagging":  # words are what is counted
        labels, predictions = (
            list(itertools.chain.from_iterable(x)) for x in (labels, predictions)
        )
    confidences = (
        np.array([max(line["probabilities"]) for line in lines]) if kind in ONE_OF else None
    )
    return Predicted(kind, labels, predictions, confidences)


def confusion(predicted: Predicted) -> np.ndarray:
    """Returns the confusion matrix, int `[classes, classes]`: rows are labels, columns are
    predictions."""
    return sklearn.confusion_matrix(
        predicted.labels, predicted.predictions, labels=predicted.classes
    )


def f1_of_labels(predicted: Predicted) -> tuple[np.ndarray, np.ndarray]:
    """The F1 of each class, `[classes]`, where an example has several labels; and how many examples
    have it."""
    binary = MultiLabelBinarizer(classes=predicted.classes)
    labels, predictions = (
        binary.fit_transform(x) for x in (predicted.labels, predicted.predictions)
    )
    return sklearn.f1_score(labels, predictions, average=None, zero_division=0), labels.sum(axis=0)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Accuracy of a model by its confidence.

    Attributes:
        counts: int `[bins]`, the examples of each bin of confidences.
        confidences: float `[bins]`, their mean; NaN where there are none.
        accuracies: float `[bins]`, the share of them that is right; NaN where there are none.
        error: the expected calibration error (Naeini et al., 2015; Guo et al., 2017): the distance
            of the two, the mean over examples.
    """

    counts: np.ndarray
    confidences: np.ndarray
    accuracies: np.ndarray
    error: float


def calibration(predicted: Predicted) -> Calibration:
    """The calibration of classes or choices, in BINS bins of one width from 0 to 1; NaN counts as
    no confidence."""
    right = np.array(predicted.labels) == np.array(predicted.predictions)
    sure = np.nan_to_num(predicted.confidences)
    found = stats.binned_statistic(sure, [sure, right], statistic="mean", bins=BINS, range=(0, 1))
    counts = np.bincount(found.binnumber, minlength=BINS + 2)[
        1:-1
    ]  # the first and the last are outside of the range
    confidences, accuracies = found.statistic
    gaps = np.abs(confidences - accuracies)
    return Calibration(
        counts, confidences, accuracies, float(np.nansum(gaps * counts) / counts.sum())
    )
