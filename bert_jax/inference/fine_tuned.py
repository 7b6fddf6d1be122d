"""A fine-tuned model that answers on new text:

from bert_jax.inference.fine_tuned import FineTuned

model = FineTuned.load("runs/mrpc")
model(["He went home."], ["Home he went."])
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from bert_jax.checkpoint import initial, runs
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import ComputeConfig, Config, EvaluateConfig, MeshConfig, TaskConfig
from bert_jax.errors import UserError
from bert_jax.model.heads import LABELLED
from bert_jax.objectives import OBJECTIVES, OF_KIND
from bert_jax.parallel import hosts
from bert_jax.parallel import mesh as meshes
from bert_jax.remote import path_of
from bert_jax.runs.files import RESULTS
from bert_jax.tasks import tokenised
from bert_jax.tasks.answers import Answers
from bert_jax.tasks.examples import ANSWERABLE, UNANSWERABLE, Examples
from bert_jax.tasks.predictions import Predictions, check_metrics
from bert_jax.tasks.tokenised import TokenisedTask, tokenise
from bert_jax.text.wordpiece import Encoder
from bert_jax.training import state
from bert_jax.training.plan import without_data
from bert_jax.training.predicting import Predictor
from bert_jax.training.task_workload import TaskEvaluator, scored_splits

EVALUATION = "evaluation"


class FineTuned:
    """A model with a head that classifies examples or tokens, gives numbers, answers or chooses.
    Made by `load`."""

    def __init__(self, pretrained: Pretrained, config: Config):
        self.kind, self.labels = pretrained.kind, pretrained.labels
        mesh, plan = meshes.make_mesh(config.mesh), without_data(config)
        self.vocabulary, self.tokenizer = initial.vocabulary_of(pretrained), config.tokenizer
        self._encode = Encoder(self.vocabulary, config.tokenizer)
        self._mesh = mesh
        with jax.set_mesh(mesh):
            self._params, _ = state.params_from(pretrained, plan, self.vocabulary, mesh)
            self.predict = Predictor(
                plan, self.vocabulary, mesh, jax.tree.map(lambda x: x.sharding, self._params)
            )

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        length: int = 0,
        batch_size: int = 64,
        compute: ComputeConfig = ComputeConfig(),
        task: TaskConfig = TaskConfig(),
        null_threshold: float | None = None,
    ) -> "FineTuned":
        """The model of a checkpoint of any format, on all devices.

        Args:
            path: a run that learned a task, or a directory of Hugging Face's with such a head.
            length: most tokens of an example, special tokens included; longer texts lose their end.
                0: as many as in training, or if that is not known as the model takes.
            batch_size: examples that are computed at once.
            compute: how.
            task: says what there is to windows and answers.
            null_threshold: of answers, instead of the one that `task` has; None: what the run found
                to be best on its first validation split unless `task` has one.

        Raises:
            UserError: the checkpoint cannot be opened, has no such head or no vocabulary, or takes
                shorter texts.
        """
        pretrained = open_pretrained(path_of(path))
        if not pretrained.kind or OBJECTIVES[OF_KIND[pretrained.kind]].HEAD not in pretrained.heads:
            raise UserError(
                f"{pretrained.path} has not learned a task",
                found=f"heads: {', '.join(pretrained.heads) or 'none'}",
                expected="a head that classifies, answers or chooses",
                hint="train.py --config=configs/finetune/... makes one",
            )
        length = length or pretrained.length or pretrained.model.max_position_embeddings
        if length > pretrained.model.max_position_embeddings:
            raise UserError(
                f"{pretrained.path} does not take texts of {length} tokens",
                found=f"length {length}",
                expected=f"at most {pretrained.model.max_position_embeddings}, its positions",
            )
        pretrained = dataclasses.replace(
            pretrained, labels=_labels(pretrained, null_threshold is not None)
        )
        if null_threshold is None:
            null_threshold = task.null_threshold or _tuned_threshold(path_of(path))
        config = Config(
            model=pretrained.model,
            probe=pretrained.probe,
            tokenizer=pretrained.tokenizer,
            objectives=(OF_KIND[pretrained.kind],),
            task=dataclasses.replace(task, length=length, null_threshold=null_threshold),
            evaluate=EvaluateConfig(batch_size=batch_size),
            compute=compute,
            mesh=MeshConfig(),
        )
        return cls(pretrained, config)

    def __call__(
        self, texts: Sequence[str] | Sequence[list[str]], pairs: Sequence[str] | None = None
    ) -> list[dict]:
        """Answers, one for each text.

        Args:
            texts: the texts; for tagging lists of words, for answers questions.
            pairs: the second texts of pairs, the contexts of questions, or of each text the
                choices, a list.

        Returns:
            For each `prediction`: a label, a list of labels (of several an example, or one a word),
            a number, an answer ('' where there is none), or the number of a choice; and
            `probabilities` of the labels or choices, or of an answer its `probability` among the
            best ones and the character where it starts.
        """
        if not len(texts):
            return []
        if self.kind in ("span", "choice") and pairs is None:
            raise ValueError(
                "for each question its context, or for each text a list of choices is needed"
            )
        if self.kind == "choice":
            return self._choices(texts, pairs)
        said = self.predictions(self.tokenised(texts, pairs))
        return [
            {name: value for name, value in line.items() if name != "idx"} for line in said.lines()
        ]

    def _choices(self, texts: Sequence[str], pairs: Sequence[list[str]]) -> list[dict]:
        """Answers to questions with choices, of which each may have another number."""
        answers, counts = [{}] * len(texts), np.array([len(choices) for choices in pairs])
        for count in np.unique(counts):
            numbers = np.flatnonzero(counts == count)
            said = self.predictions(
                self.tokenised(
                    [texts[i] for i in numbers],
                    [pairs[i] for i in numbers],
                    tuple(map(str, range(count))),
                )
            )
            for number, line in zip(numbers, said.lines()):
                answers[number] = dict(
                    prediction=int(line["prediction"]), probabilities=line["probabilities"]
                )
        return answers

    def tokenised(
        self, texts: Sequence, pairs: Sequence | None = None, labels: tuple[str, ...] | None = None
    ) -> TokenisedTask:
        """Texts as examples without labels."""
        pairs = None if pairs is None else list(pairs)
        if pairs is not None and len(pairs) != len(texts):
            raise ValueError(f"{len(texts)} texts and {len(pairs)} second texts")
        labels = self.labels if labels is None else labels
        return tokenise(
            Examples(self.kind, list(texts), pairs, None, np.arange(len(texts)), labels, {}, {}),
            self._encode,
        )

    def predictions(self, task: TokenisedTask) -> Predictions | Answers:
        """Returns the predictions for tokenised examples."""
        with jax.set_mesh(self._mesh):
            return self.predict(self._params, task)

    def score(self, validation: TaskEvaluator) -> dict[str, float]:
        """Returns the metrics of the model on splits, as `TaskEvaluator.score`."""
        with jax.set_mesh(self._mesh):
            return validation.score(self._params)

    def check(self, task: TokenisedTask, where: str) -> None:
        """Raises a UserError unless the examples, which lie `where`, have labels as the model has
        them."""
        # What answers or chooses has none: it may be asked what can have no answer, or has another
        # number of choices.
        has_labels = OBJECTIVES[OF_KIND[self.kind]].HEAD in LABELLED
        if task.kind != self.kind or has_labels and task.label_names != self.labels:
            raise UserError(
                f"{where}, has other labels than the model",
                found=f"{task.kind}: {', '.join(task.label_names) or 'numbers'}",
                expected=f"{self.kind}: {', '.join(self.labels) or 'numbers'}",
                hint="another data set, or prepare it with these labels in this order",
            )


def _labels(pretrained: Pretrained, may_be_unanswerable: bool) -> tuple[str, ...]:
    """The labels of a model, also where it does not name them: Hugging Face's directories number
    them then, and do not say whether there may be no answer."""
    if pretrained.kind == "regression":
        return ()
    if pretrained.kind == "span":
        return pretrained.labels or (ANSWERABLE, UNANSWERABLE)[: 1 + may_be_unanswerable]
    return pretrained.labels or tuple(f"LABEL_{i}" for i in range(pretrained.model.num_labels))


def _tuned_threshold(path: Path) -> float:
    """Returns the threshold for 'no answer' that a run selected on its first validation split; 0
    if it selected none."""
    found = runs.find(path)[0] / RESULTS if runs.is_one(path) else None
    results = json.loads(found.read_text()) if found and found.exists() else {}
    return next((value for name, value in results.items() if name.endswith("/best_f1_thresh")), 0.0)


def score(config: Config, checkpoint: Path, workdir: Path) -> dict[str, float]:
    """Scores a fine-tuned checkpoint on the validation splits of the recipe's task.

    Args:
        config: the recipe, of which `task`, `compute` and `evaluate` count.
        checkpoint: see `FineTuned.load`.
        workdir: gets the tokenised splits, and in EVALUATION what was predicted, as
            `TaskEvaluator.write` has it.

    Returns:
        What `train` reports: 'SPLIT/loss', 'SPLIT/METRIC', and the number of `examples`; nothing of
        splits whose labels are hidden.

    Raises:
        UserError: the checkpoint has not learned a task, or another one than the data set's.
    """
    model = FineTuned.load(
        checkpoint,
        config.task.length,
        config.evaluate.batch_size or config.train.batch_size,
        config.compute,
        config.task,
    )
    directory = Path(config.task.cache_dir or workdir / "task")
    splits = hosts.first_host_first(
        lambda: scored_splits(
            config,
            lambda split: tokenised.open_or_make(
                directory, config.task, split, model.vocabulary, model.tokenizer
            ),
        )
    )
    for split, task in splits.items():
        check_metrics(task, config.task.metrics)
        model.check(task, f"{config.task.name}, split {split}")
    validation = TaskEvaluator(splits, config, model.predict)
    scores = model.score(validation)
    if jax.process_index() == 0:
        validation.write(workdir / EVALUATION, tune=False)
    return scores


def in_chunks(model: FineTuned, rows: Iterator[tuple], at_once: int = 4096) -> Iterator[dict]:
    """Answers for rows `(text,)` or `(text, pair)`, in bounded memory."""
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == at_once:
            yield from model(*zip(*chunk))
            chunk = []
    if chunk:
        yield from model(*zip(*chunk))
