"""Predictions for the examples of a task: decisions, probabilities, scores."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy.special import expit, softmax

from bert_jax.config import TaskConfig
from bert_jax.errors import UserError
from bert_jax.tasks import answers, entities, metrics
from bert_jax.tasks.answers import Answers, answers_of
from bert_jax.tasks.examples import UNANSWERABLE
from bert_jax.tasks.inputs import Inputs
from bert_jax.tasks.tokenised import TokenisedTask


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for the examples of a split, in the order of their file.

    Attributes:
        task: the examples.
        scores: float32 `[examples, classes]` or `[examples, choices]` logits, `[examples, 1]`
            numbers, or of tagging `[words, classes]` logits of all words one after the other.
        loss: the mean; None if labels are hidden.
    """

    task: TokenisedTask
    scores: np.ndarray
    loss: float | None = None

    @property
    def decided(self) -> np.ndarray:
        """Class ids `[examples]` or `[words]`, numbers `[examples]`, or bool `[examples,
        classes]`."""
        if self.task.kind == "regression":
            return self.scores[:, 0]
        return self.scores > 0 if self.task.kind == "multilabel" else self.scores.argmax(-1)

    def score(self, names: tuple[str, ...] = ()) -> dict[str, float]:
        """The metrics of these names, by default those that suit the task, as `score` says."""
        return score(self.task, self.decided, names)

    def shares(self) -> np.ndarray:
        """The probabilities that the model gives to classes; numbers as they are."""
        if self.task.kind == "regression":
            return self.scores
        return (
            expit(self.scores) if self.task.kind == "multilabel" else softmax(self.scores, axis=-1)
        )

    def lines(self) -> Iterator[dict]:
        """For each example what was predicted, by name, with the probabilities, and the label if it
        is known."""
        kind, names = self.task.kind, np.array(self.task.label_names)
        shares, decided, labels = self.shares(), self.decided, self.task.known_labels
        ends = np.cumsum(
            self.task.words()[1] if kind == "tagging" else np.ones(len(self.task), np.int64)
        )

        def named(values: np.ndarray):
            if kind == "regression":
                return float(values[0])
            if kind == "multilabel":
                return names[values[0]].tolist()
            found = names[values].tolist()
            return found if kind == "tagging" else found[0]

        for number, example in enumerate(self.task.ids):
            at = slice(ends[number - 1] if number else 0, ends[number])
            line = dict(idx=int(example), prediction=named(decided[at]))
            if kind != "regression":
                of_example = shares[at] if kind == "tagging" else shares[number]
                line["probabilities"] = np.round(of_example, 6).tolist()
            if not self.task.hidden:
                line["label"] = named(labels[at])
            yield line


def usual_metrics(task: TokenisedTask) -> tuple[str, ...]:
    """The metrics of a task that names none: several of one rank, whose mean counts, or the first
    is the one."""
    if task.kind == "tagging" and entities.are_tags(task.label_names):
        return (*entities.METRICS, "accuracy")
    if task.kind == "span":
        return (
            answers.METRICS_WITH_UNANSWERABLE
            if UNANSWERABLE in task.label_names
            else answers.METRICS
        )
    return dict(
        classification=("accuracy", "macro_f1"),
        regression=("pearson", "spearman"),
        choice=("accuracy",),
        multilabel=("micro_f1", "macro_f1"),
        tagging=("accuracy", "macro_f1"),
    )[task.kind]


def check_metrics(task: TokenisedTask, names: tuple[str, ...]) -> None:
    """Raises a UserError unless a task can be scored by the metrics of these names."""
    known = (
        usual_metrics(task)
        if task.kind == "span"
        else (
            *metrics.METRICS,
            *entities.METRICS * (task.kind == "tagging" and entities.are_tags(task.label_names)),
        )
    )
    for name in names:
        if name not in known:
            raise UserError(
                f"config.task.metrics names a metric that does not suit {task.kind}",
                found=repr(name),
                expected=f"some of {', '.join(known)}",
                hint="leave it empty for the usual ones",
            )


def score(task: TokenisedTask, decided, names: tuple[str, ...] = ()) -> dict[str, float]:
    """The metrics of decisions, by name; `mean`, theirs, where several count alike, and the first
    counts elsewhere.

    Args:
        task: the examples, of any kind but spans.
        decided: as `Predictions.decided` has it.
        names: of the metrics; none: `usual_metrics`.
    """
    names = names or usual_metrics(task)
    whole = [name for name in names if name in entities.METRICS]
    if not whole:
        return metrics.score(names, task.known_labels, decided)
    counts = task.words()[1]
    tags, guessed = (
        _by_sentence(np.array(task.label_names)[ids], counts)
        for ids in (task.known_labels, decided)
    )
    found = entities.score(tags, guessed)
    others = [name for name in names if name not in whole]
    found |= {name: metrics.METRICS[name](task.known_labels, decided) for name in others}
    return {name: float(found[name]) for name in names}


def _by_sentence(values: np.ndarray, counts: np.ndarray) -> list[list[str]]:
    return [part.tolist() for part in np.split(values, np.cumsum(counts)[:-1])]


def predicted(
    inputs: Inputs, scores: list[np.ndarray], loss: float | None, config: TaskConfig
) -> Predictions | Answers:
    """Returns the predictions for the examples of a task.

    Args:
        inputs: of the model.
        scores: of each what the head gave: `[classes]`, `[choices]`, or of heads of tokens
            `[tokens, outputs]`, from [CLS] on.
        loss: the mean.
        config: says how answers are read off.
    """
    task = inputs.task
    if task.kind == "span":
        return answers_of(
            inputs, scores, loss, config.max_answer_length, config.n_best, config.null_threshold
        )
    if task.kind != "tagging":
        return Predictions(task, np.stack(scores), loss)
    of_words = []
    for number, of_tokens in enumerate(scores):
        begin = inputs.begins[number, 0]
        first, end = inputs.counted[number]
        of_words.append(of_tokens[1 + first - begin : 1 + end - begin][task.labels[first:end] >= 0])
    return Predictions(task, np.concatenate(of_words), loss)
