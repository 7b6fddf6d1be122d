"""The ten tasks of GLUE (Wang et al., 2018, arXiv:1804.07461): what they are made of and how they
are scored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bert_jax.importers.glue import ROWS


@dataclass(frozen=True)
class Task:
    """A task of GLUE.

    Attributes:
        name: the TFDS name.
        texts: the feature that holds the text, or the two that hold a pair.
        labels: names of the classes by id; none for a regression.
        kind: 'classification' or 'regression'.
        metrics: all that the GLUE paper reports, in its order.
        selection: the metric, a key of what `metrics.score` gives, that the GLUE paper takes as the
            score of the task:
            the mean where it reports two.
        bert: the one metric that table 1 of the BERT paper (arXiv:1810.04805) reports; empty where
            it has none.
        train: the split to train on; empty: there is none.
        validation: the splits with labels to select by and to report.
        leaderboard: the file of predictions that gluebenchmark.com takes, by test split; their
            labels are hidden.
        spelling: of each class in that file.
        scored_by: the task whose model predicts this one.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    bert: str
    leaderboard: dict[str, str]
    kind: str = "classification"
    train: str = "train"
    validation: tuple[str, ...] = ("validation",)
    spelling: tuple[str, ...] = ("0", "1")
    scored_by: str = ""

    @property
    def selection(self) -> str:
        return self.metrics[0] if len(self.metrics) == 1 else "mean"

    @property
    def rows(self) -> dict[str, int]:
        """Published numbers of rows by split."""
        return ROWS[self.name.removeprefix("glue/")]


_NLI = ("entailment", "neutral", "contradiction")
_TWO_WAY = ("entailment", "not_entailment")

TASKS: dict[str, Task] = {
    "cola": Task(
        "glue/cola",
        ("sentence",),
        ("unacceptable", "acceptable"),
        ("matthews",),
        "matthews",
        {"test": "CoLA.tsv"},
    ),
    "sst2": Task(
        "glue/sst2",
        ("sentence",),
        ("negative", "positive"),
        ("accuracy",),
        "accuracy",
        {"test": "SST-2.tsv"},
    ),
    "mrpc": Task(
        "glue/mrpc",
        ("sentence1", "sentence2"),
        ("not_equivalent", "equivalent"),
        ("accuracy", "f1"),
        "f1",
        {"test": "MRPC.tsv"},
    ),
    "qqp": Task(
        "glue/qqp",
        ("question1", "question2"),
        ("not_duplicate", "duplicate"),
        ("accuracy", "f1"),
        "f1",
        {"test": "QQP.tsv"},
    ),
    "stsb": Task(
        "glue/stsb",
        ("sentence1", "sentence2"),
        (),
        ("pearson", "spearman"),
        "spearman",
        {"test": "STS-B.tsv"},
        kind="regression",
        spelling=(),
    ),
    "mnli": Task(
        "glue/mnli",
        ("premise", "hypothesis"),
        _NLI,
        ("accuracy",),
        "accuracy",
        {"test_matched": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv"},
        validation=("validation_matched", "validation_mismatched"),
        spelling=_NLI,
    ),
    "qnli": Task(
        "glue/qnli",
        ("question", "sentence"),
        _TWO_WAY,
        ("accuracy",),
        "accuracy",
        {"test": "QNLI.tsv"},
        spelling=_TWO_WAY,
    ),
    "rte": Task(
        "glue/rte",
        ("sentence1", "sentence2"),
        _TWO_WAY,
        ("accuracy",),
        "accuracy",
        {"test": "RTE.tsv"},
        spelling=_TWO_WAY,
    ),
    # The BERT paper leaves WNLI out: its development set is made against what was learned from its
    # training set.
    "wnli": Task(
        "glue/wnli",
        ("sentence1", "sentence2"),
        ("not_entailment", "entailment"),
        ("accuracy",),
        "",
        {"test": "WNLI.tsv"},
    ),
    "ax": Task(
        "glue/ax",
        ("premise", "hypothesis"),
        _NLI,
        ("matthews",),
        "",
        {"test": "AX.tsv"},
        train="",
        validation=(),
        spelling=_NLI,
        scored_by="mnli",
    ),
}


# Small ones that are like it: a model of MNLI may be a better start for them (Phang et al., 2018,
# arXiv:1811.01088).
AFTER_MNLI = ("mrpc", "rte", "stsb")


def leaderboard_file(task: Task, ids: Sequence[int], predictions: Sequence[float]) -> str:
    """The text of a file of test predictions as gluebenchmark.com takes it.

    Args:
        task: of TASKS.
        ids: `[examples]`, the number of each row in its test file, in any order.
        predictions: class ids `[examples]`, or scores, which are held between 0 and 5.

    Raises:
        ValueError: the ids are not all of 0, 1, ..., each once, or a prediction is no class or no
            number.
    """
    predicted = dict(zip(map(int, ids), predictions, strict=True))
    if sorted(predicted) != list(range(len(ids))):
        raise ValueError(f"a prediction is needed for each of the rows 0 to {len(ids) - 1}, once")
    lines = ["index\tprediction"]
    lines += [f"{i}\t{_spelled(task, predicted[i])}" for i in range(len(ids))]
    return "\n".join(lines) + "\n"


def _spelled(task: Task, prediction: float) -> str:
    if task.kind == "regression":
        if not math.isfinite(prediction):
            raise ValueError(f"{prediction} is no score of {task.name}")
        return f"{min(max(float(prediction), 0.0), 5.0):.3f}"
    if not 0 <= prediction < len(task.labels):
        raise ValueError(f"{prediction} is no class of {task.name}: {', '.join(task.labels)}")
    return task.spelling[int(prediction)]
