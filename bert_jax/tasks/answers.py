"""Answers to questions, from what a model says of each window over their contexts: the n best, and
the odds of none."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
from scipy.special import softmax

from bert_jax.tasks import squad
from bert_jax.tasks.examples import UNANSWERABLE
from bert_jax.tasks.inputs import Inputs
from bert_jax.tasks.tokenised import TokenisedTask

METRICS = ("f1", "exact")
METRICS_WITH_UNANSWERABLE = (
    "best_f1",
    "best_exact",
    "f1",
    "exact",
    "HasAns_f1",
    "HasAns_exact",
    "NoAns_f1",
    "NoAns_exact",
)
_FAR = 1e6  # odds of no answer where there is nothing that could be one


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """Predicted answers to questions, made by `answers_of`; `Predictions` has the same properties
    and methods.

    Attributes:
        task: the questions.
        scores: float32 `[questions, n]`, of the best answers, falling; -inf where there are fewer.
        characters: int64 `[questions, n, 2]`, where in its context each stands: the first and the
            one after the last.
        null_scores: float32 `[questions]`, of no answer; scores of answers are on the same scale.
        loss: the mean over windows; None if answers are hidden.
        threshold: by how much no answer must score better than the best answer to be what is
            predicted.
    """

    task: TokenisedTask
    scores: np.ndarray
    characters: np.ndarray
    null_scores: np.ndarray
    loss: float | None = None
    threshold: float = 0.0

    @property
    def null_odds(self) -> np.ndarray:
        """float64 `[questions]`: by how much no answer scores better than the best one."""
        return np.minimum(self.null_scores.astype(np.float64) - self.scores[:, 0], _FAR)

    @functools.cached_property
    def best(self) -> list[str]:
        """The best answer to each question, whatever the odds of none."""
        return [self._text(number, 0) for number in range(len(self.task))]

    @property
    def decided(self) -> list[str]:
        """The answer to each question; '' where there is none."""
        if UNANSWERABLE not in self.task.label_names:
            return self.best
        return [
            "" if odds > self.threshold else text for text, odds in zip(self.best, self.null_odds)
        ]

    def score(self, names: tuple[str, ...] = ()) -> dict[str, float]:
        """The official scores of these names as shares, and as they are the thresholds that belong
        to them; by default all that suit the task."""
        wanted = [[answer.text for answer in answers] for answers in self.task.contexts.answers]
        if UNANSWERABLE not in self.task.label_names:
            found = squad.score(wanted, self.best)
        else:
            found = squad.score_unanswerable(
                wanted, self.best, self.null_odds.tolist(), self.threshold
            )
        shares = {
            name: found[name] / 100
            for name in names or tuple(found)
            if name in found and name[-7:] != "_thresh"
        }
        return shares | {
            f"{name}_thresh": found[f"{name}_thresh"]
            for name in shares
            if f"{name}_thresh" in found
        }

    def best_threshold(self) -> float:
        """The threshold that gives the best F1; the present one where there is always an answer."""
        return self.score().get("best_f1_thresh", self.threshold)

    def lines(self) -> Iterator[dict]:
        """For each question what was predicted, its probability among the best answers and where it
        stands."""
        decided, odds = self.decided, self.null_odds
        for number, id in enumerate(self.task.ids.tolist()):
            nbest = self.n_best(number)
            line = dict(idx=id, prediction=decided[number])
            if decided[number]:
                line |= dict(
                    probability=nbest[0]["probability"], start=int(self.characters[number, 0, 0])
                )
            if UNANSWERABLE in self.task.label_names:
                line["null_odds"] = round(float(odds[number]), 6)
            if not self.task.hidden:
                line["label"] = [answer.text for answer in self.task.contexts.answers[number]]
            yield line

    def n_best(self, number: int) -> list[dict]:
        """The best answers to a question, each text once, with their scores and their shares of
        these."""
        scored = {}
        for place in range(np.isfinite(self.scores[number]).sum()):
            scored.setdefault(self._text(number, place), float(self.scores[number, place]))
        if UNANSWERABLE in self.task.label_names:
            scored[""] = float(self.null_scores[number])
        shares = softmax(list(scored.values())).round(6).tolist()
        return [
            dict(text=text, probability=share, score=round(score, 6))
            for (text, score), share in zip(scored.items(), shares)
        ]

    def official_files(self) -> dict[str, dict]:
        """Files as the official scorers read them, by their names: `predictions`,
        `nbest_predictions` and, where there may be no answer, `null_odds`."""
        ids = self.task.ids.tolist()
        files = dict(
            predictions=dict(zip(ids, self.decided)),
            nbest_predictions={id: self.n_best(number) for number, id in enumerate(ids)},
        )
        if UNANSWERABLE in self.task.label_names:
            files["null_odds"] = dict(zip(ids, self.null_odds.tolist()))
        return files

    def _text(self, number: int, place: int) -> str:
        if not np.isfinite(self.scores[number, place]):
            return ""
        begin, end = self.characters[number, place]
        return self.task.contexts.texts[self.task.contexts.of[number]][begin:end]


def unanswered(task: TokenisedTask) -> Answers:
    """Baseline that always predicts 'no answer'."""
    return Answers(
        task,
        np.full((len(task), 1), -np.inf, np.float32),
        np.zeros((len(task), 1, 2), np.int64),
        np.zeros(len(task), np.float32),
    )


def answers_of(
    inputs: Inputs,
    scores: list[np.ndarray],
    loss: float | None,
    longest: int,
    n: int,
    threshold: float = 0.0,
) -> Answers:
    """Reads answers off the scores of tokens.

    Of a window may be answers whose first token sees more context there than in any other one, as
    in Google's code; of all such pairs of a first and a last token the n with the highest sums
    count. No answer scores what [CLS] does in the window that is surest of an answer.

    Args:
        inputs: windows over the contexts.
        scores: float32 `[tokens, 2]` of each, that a token is the first or the last of the answer,
            from [CLS] on.
        loss: the mean.
        longest: tokens of an answer.
        n: answers to each question.
        threshold: see `Answers`.
    """
    task, questions = inputs.task, inputs.lengths[:, 0]
    found, spans, of = [], [], []
    for number, of_tokens in enumerate(scores):
        context = of_tokens[questions[number] + 2 : -1].astype(np.float32)
        first, end = inputs.counted[number] - inputs.begins[number, 1]
        sums = _sums(context, int(first), int(end), longest)
        best = np.argpartition(-sums, n, axis=None)[:n] if sums.size > n else np.arange(sums.size)
        best = best[np.isfinite(sums.flat[best])]
        starts = first + best // longest
        found.append(sums.flat[best])
        spans.append(inputs.begins[number, 1] + np.stack([starts, starts + best % longest], axis=1))
        of.append(np.full(len(best), inputs.examples[number]))
    found, spans, of = np.concatenate(found), np.concatenate(spans), np.concatenate(of)
    order = np.lexsort((spans[:, 1], spans[:, 0], -found, of))
    found, spans, of = found[order], spans[order], of[order]
    rank = np.arange(len(of)) - np.searchsorted(of, of)
    kept = rank < n
    best = np.full((len(task), n), -np.inf, np.float32)
    characters = np.zeros((len(task), n, 2), np.int64)
    best[of[kept], rank[kept]] = found[kept]
    places = task.contexts.characters[spans[kept]]  # [kept, 2, 2]
    characters[of[kept], rank[kept]] = np.stack([places[:, 0, 0], places[:, 1, 1]], axis=1)
    null = np.full(len(task), np.inf, np.float32)
    np.minimum.at(null, inputs.examples, np.array([x[0].sum() for x in scores], np.float32))
    return Answers(task, best, characters, null, loss, threshold)


def _sums(context: np.ndarray, first: int, end: int, longest: int) -> np.ndarray:
    """float32 `[starts, longest]`: of the pairs of a first token, from `first` to `end`, and a last
    one so many later; -inf where that is not in the window."""
    ends = np.full(len(context) + longest, -np.inf, np.float32)
    ends[: len(context)] = context[:, 1]
    following = np.lib.stride_tricks.sliding_window_view(ends, longest)[first:end]
    return context[first:end, 0][:, None] + following
