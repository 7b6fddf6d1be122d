"""Names of scores for people: how each is titled, and the trivial baseline it is compared with."""

from collections.abc import Iterable
from typing import NamedTuple

from bert_jax.objectives import LANGUAGE


class Score(NamedTuple):
    """A score as tables and plots show it.

    Attributes:
        name: in `metrics.jsonl` and `results.json`.
        title: for people.
        baseline: name of the trivial score to compare with; empty if there is none.
        baseline_title: for people.
    """

    name: str
    title: str
    baseline: str = ""
    baseline_title: str = ""


def known_scores(names: Iterable[str]) -> list[Score]:
    """Returns those of these scores that a person reads, in a fixed order; a task's come last."""
    names = dict.fromkeys(names)
    scores: list[Score] = []
    for objective in LANGUAGE:
        scores += _of_tokens(objective)
    for objective in ("nsp", "sop"):
        scores += _of_pairs(objective)
    # The scores of a task are called SPLIT/METRIC, and so are their baselines.
    scores += [Score(name, name, name, "constant prediction") for name in names if "/" in name]
    return [score for score in scores if score.name in names]


def _of_tokens(objective: str) -> list[Score]:
    title = objective.upper()
    return [
        Score(f"{objective}_loss", f"{title} loss (nats)", f"{objective}_unigram_loss", "unigram"),
        Score(
            f"{objective}_perplexity",
            f"{title} perplexity",
            f"{objective}_unigram_perplexity",
            "unigram",
        ),
        Score(
            f"{objective}_accuracy",
            f"{title} accuracy",
            f"{objective}_most_frequent_accuracy",
            "most frequent token",
        ),
    ]


def _of_pairs(objective: str) -> list[Score]:
    title = objective.upper()
    return [
        Score(f"{objective}_loss", f"{title} loss (nats)"),
        Score(
            f"{objective}_accuracy",
            f"{title} accuracy",
            f"{objective}_majority_accuracy",
            "majority class",
        ),
    ]
