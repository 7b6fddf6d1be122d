"""The metrics of labelled tasks, as scikit-learn and SciPy compute them."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats
from sklearn import metrics as sklearn


def score(names: Sequence[str], labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """The metrics of these names, keys of METRICS; and `mean`, theirs, where there are several.

    Nothing to tell apart is no merit: without a positive label or prediction F1 is 0, and where
    labels or predictions are all the same Matthews', Pearson's and Spearman's coefficients are 0. A
    NaN among predicted numbers makes Pearson's and Spearman's NaN.

    Args:
        names: of the metrics.
        labels: class ids or numbers `[examples]`, or bool `[examples, classes]` of several labels
            an example.
        predictions: the same of what was predicted.

    Raises:
        ValueError: there is no example, or shapes differ.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape or not len(labels):
        raise ValueError(
            f"labels {labels.shape} and predictions {predictions.shape}: one of each an example "
            f"is needed"
        )
    scores = {name: float(METRICS[name](labels, predictions)) for name in names}
    return scores | {"mean": sum(scores.values()) / len(scores)} if len(scores) > 1 else scores


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Share of examples that are right; of several labels an example, all must be."""
    return sklearn.accuracy_score(labels, predictions)


def f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """F1 of class 1, of two classes."""
    return sklearn.f1_score(labels, predictions, zero_division=0)


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean F1 of the classes that stand among labels or predictions; of several labels an example,
    of all."""
    return sklearn.f1_score(labels, predictions, average="macro", zero_division=0)


def micro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """F1 of the decisions on all classes taken together; of one label an example, the accuracy."""
    return sklearn.f1_score(labels, predictions, average="micro", zero_division=0)


def matthews(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Matthews' correlation coefficient, of two classes or more."""
    if _constant(labels) or _constant(predictions):
        return 0.0
    return sklearn.matthews_corrcoef(labels, predictions)


def pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Pearson's correlation coefficient."""
    return _correlation(stats.pearsonr, labels, predictions)


def spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Spearman's rank correlation coefficient; ties take their mean rank."""
    return _correlation(stats.spearmanr, labels, predictions)


def _correlation(coefficient, labels: np.ndarray, predictions: np.ndarray) -> float:
    if np.isnan(predictions).any():
        return float("nan")
    if _constant(labels) or _constant(predictions):
        return 0.0
    with warnings.catch_warnings():
        # Of predictions that are nearly the same: their coefficient is as exact as they are.
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return coefficient(labels.astype(np.float64), predictions.astype(np.float64)).statistic


def _constant(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


METRICS = {
    "accuracy": accuracy,
    "f1": f1,
    "macro_f1": macro_f1,
    "micro_f1": micro_f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}
