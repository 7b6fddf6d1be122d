"""Exact match and F1 of answers, as the official scorers of SQuAD 1.1 and 2.0 compute them.

Rajpurkar et al., 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822). The two scorers differ where
normalisation leaves nothing of a text: for 1.1 such a prediction has an F1 of 0, for 2.0 it is one
of no answer.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalised(text: str) -> str:
    """A text as answers are compared: lower-cased, without ASCII punctuation and English articles,
    single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def score(answers: Sequence[Sequence[str]], predictions: Sequence[str]) -> dict[str, float]:
    """`f1` and `exact` in percent, as the scorer of SQuAD 1.1 prints them.

    Args:
        answers: of each question, at least one.
        predictions: a text for each question.

    Raises:
        ValueError: there is no question, or one without an answer.
    """
    exact, f1 = _best(answers, predictions, of_nothing=0.0)
    return dict(f1=100.0 * sum(f1) / len(f1), exact=100.0 * sum(exact) / len(exact))


def score_unanswerable(
    answers: Sequence[Sequence[str]],
    predictions: Sequence[str],
    null_odds: Sequence[float],
    threshold: float,
) -> dict[str, float]:
    """The scores of SQuAD 2.0 in percent, by the names of the official scorer.

    Args:
        answers: of each question; none if it has no answer.
        predictions: of each question a text, whatever its odds; '' stands for no answer.
        null_odds: how much likelier no answer is than this one, on any scale (the official
            `--na-prob-file`).
        threshold: odds above it mean no answer (`--na-prob-thresh`).

    Returns:
        `best_f1`, `best_f1_thresh`, `best_exact`, `best_exact_thresh`: the best that any threshold
        gives, and that one; `f1` and `exact` at `threshold`; and of questions that have answers and
        of those that have none, `HasAns_f1`, `HasAns_exact`, `NoAns_f1` and `NoAns_exact`, where
        there are such.

    Raises:
        ValueError: there is no question.
    """
    wanted = [
        [answer for answer in of_question if normalised(answer)] or [""] for of_question in answers
    ]
    exact, f1 = (np.array(x, np.float64) for x in _best(wanted, predictions, of_nothing=1.0))
    has_answer, odds = (
        np.array([bool(of_question) for of_question in answers]),
        np.asarray(null_odds),
    )
    said = np.array([bool(text) for text in predictions])
    found = {}
    for name, scores in (("f1", f1), ("exact", exact)):
        found[f"best_{name}"], found[f"best_{name}_thresh"] = _best_threshold(
            scores, odds, has_answer, said
        )
    for name, scores in (("f1", f1), ("exact", exact)):
        scores = np.where(odds > threshold, ~has_answer, scores)
        for prefix, chosen in (
            ("", np.ones_like(has_answer)),
            ("HasAns_", has_answer),
            ("NoAns_", ~has_answer),
        ):
            if chosen.any():
                found[prefix + name] = 100.0 * sum(scores[chosen].tolist()) / int(chosen.sum())
    return found


def _best(
    answers: Sequence[Sequence[str]], predictions: Sequence[str], of_nothing: float
) -> tuple[list, list]:
    """For each prediction its exact match and F1 with the answer that gives the most of each."""
    if not answers or not all(answers):
        raise ValueError("at least one question, and an answer to each, are needed")
    exact, f1 = [], []
    for of_question, prediction in zip(answers, predictions, strict=True):
        prediction = normalised(prediction)
        wanted = [normalised(answer) for answer in of_question]
        exact.append(float(prediction in wanted))
        f1.append(max(_f1(answer.split(), prediction.split(), of_nothing) for answer in wanted))
    return exact, f1


def _f1(answer: list[str], prediction: list[str], of_nothing: float) -> float:
    """F1 of two bags of words; `of_nothing` if both are empty."""
    if not (answer or prediction):
        return of_nothing
    shared = sum((Counter(answer) & Counter(prediction)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(prediction), shared / len(answer)
    return 2 * precision * recall / (precision + recall)


def _best_threshold(
    scores: np.ndarray, odds: np.ndarray, has_answer: np.ndarray, said: np.ndarray
) -> tuple[float, float]:
    """The best mean score in percent that a threshold of the odds gives, and the lowest such
    threshold."""
    order = np.argsort(odds, kind="stable")
    # From no answer to any question on, one more is answered at each step; a right one gains, and
    # one that there is nothing to answer to loses.
    gains = np.where(has_answer, scores, -said.astype(np.float64))[order]
    sums = np.cumsum(np.concatenate([[float((~has_answer).sum())], gains]))
    best = int(sums.argmax())
    return 100.0 * float(sums[best]) / len(scores), float(odds[order[best - 1]]) if best else 0.0
