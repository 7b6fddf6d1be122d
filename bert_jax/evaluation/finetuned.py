"""A fine-tuned model that answers on new text:

    from bert_jax.evaluation.finetuned import FineTuned

    model = FineTuned.load("runs/mrpc")
    model(["He went home."], ["Home he went."])
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from bert_jax.checkpoint import initial
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import ComputeConfig, Config, EvaluateConfig, MeshConfig, TaskConfig
from bert_jax.errors import UserError
from bert_jax.model.heads import LABELLED
from bert_jax.objectives import OF_KIND
from bert_jax.parallel import hosts
from bert_jax.parallel import mesh as meshes
from bert_jax.remote import path_of
from bert_jax.tasks import tokenised
from bert_jax.tasks.examples import Examples
from bert_jax.tasks.tokenised import TokenisedTask, tokenise
from bert_jax.text.wordpiece import Encoder
from bert_jax.training import state
from bert_jax.training.finetuning import Validation, scored_splits
from bert_jax.training.predicting import Predictions, Predictor


class FineTuned:
    """A model with a head that classifies examples or tokens, or gives numbers. Made by `load`."""

    def __init__(self, pretrained: Pretrained, config: Config):
        self.kind, self.labels = pretrained.kind, pretrained.labels
        mesh = meshes.make_mesh(config.mesh)
        self.vocabulary, self.tokenizer = initial.vocabulary_of(pretrained), config.tokenizer
        self._encode = Encoder(self.vocabulary, config.tokenizer)
        self._mesh = mesh
        with jax.set_mesh(mesh):
            self._params, _ = state.params_from(pretrained, config, self.vocabulary, mesh)
            self.predict = Predictor(config, self.vocabulary, mesh, jax.tree.map(lambda x: x.sharding, self._params))

    @classmethod
    def load(cls, path: str | os.PathLike, length: int = 0, batch_size: int = 64,
             compute: ComputeConfig = ComputeConfig()) -> "FineTuned":
        """The model of a checkpoint of any format, on all devices.

        Args:
            path: a run that learned a task, or a directory of Hugging Face's with such a head.
            length: most tokens of an example, special tokens included; longer texts lose their end. 0: as many as in
                training, or if that is not known as the model takes.
            batch_size: examples that are computed at once.
            compute: how.

        Raises:
            UserError: the checkpoint cannot be opened, has no such head or no vocabulary, or takes shorter texts.
        """
        pretrained = open_pretrained(path_of(path))
        heads = [head for head in pretrained.heads if head in LABELLED]
        if not heads or not pretrained.kind:
            raise UserError(f"{pretrained.path} has not learned a task",
                            found=f"heads: {', '.join(pretrained.heads) or 'none'}",
                            expected="a head that classifies examples or tokens",
                            hint="train.py --config=configs/finetune/... makes one")
        length = length or pretrained.length or pretrained.model.max_position_embeddings
        if length > pretrained.model.max_position_embeddings:
            raise UserError(f"{pretrained.path} does not take texts of {length} tokens", found=f"length {length}",
                            expected=f"at most {pretrained.model.max_position_embeddings}, its positions")
        # What Hugging Face's directories leave unnamed they number.
        labels = pretrained.labels or tuple(f"LABEL_{i}" for i in range(pretrained.model.num_labels))
        pretrained = dataclasses.replace(pretrained, labels=() if pretrained.kind == "regression" else labels)
        config = Config(
            model=pretrained.model, tokenizer=pretrained.tokenizer, objectives=(OF_KIND[pretrained.kind],),
            task=TaskConfig(length=length), evaluate=EvaluateConfig(batch_size=batch_size), compute=compute,
            mesh=MeshConfig())
        return cls(pretrained, config)

    def __call__(self, texts: Sequence[str] | Sequence[list[str]], pairs: Sequence[str] | None = None) -> list[dict]:
        """Answers, one for each text.

        Args:
            texts: the texts; for tagging lists of words.
            pairs: the second texts of pairs.

        Returns:
            For each `prediction`: a label, a list of labels (of several an example, or one a word), or a number; and
            `probabilities` of the labels, unless it is a number.
        """
        if not len(texts):
            return []
        said = self.predictions(self.tokenised(texts, pairs))
        return [{name: value for name, value in line.items() if name != "idx"} for line in said.lines(self.labels)]

    def tokenised(self, texts: Sequence, pairs: Sequence[str] | None = None) -> TokenisedTask:
        """Texts as examples without labels."""
        pairs = None if pairs is None else list(pairs)
        if pairs is not None and len(pairs) != len(texts):
            raise ValueError(f"{len(texts)} texts and {len(pairs)} second texts")
        return tokenise(Examples(self.kind, list(texts), pairs, None, np.arange(len(texts)), self.labels, {}, {}),
                        self._encode)

    def predictions(self, task: TokenisedTask) -> Predictions:
        """What the model says of tokenised examples."""
        with jax.set_mesh(self._mesh):
            return self.predict(self._params, task)

    def score(self, validation: Validation) -> dict[str, float]:
        """What the model scores on splits."""
        with jax.set_mesh(self._mesh):
            return validation.score(self._params)

    def check(self, task: TokenisedTask, where: str) -> None:
        """Raises a UserError unless the examples, which lie `where`, have labels as the model has them."""
        if (task.kind, task.label_names) != (self.kind, self.labels):
            raise UserError(f"{where}, has other labels than the model",
                            found=f"{task.kind}: {', '.join(task.label_names) or 'numbers'}",
                            expected=f"{self.kind}: {', '.join(self.labels) or 'numbers'}",
                            hint="another data set, or prepare it with these labels in this order")


def score(config: Config, checkpoint: Path, workdir: Path) -> dict[str, float]:
    """Scores a fine-tuned checkpoint on the validation splits of the recipe's task.

    Args:
        config: the recipe, of which `task`, `compute` and `evaluate` count.
        checkpoint: see `FineTuned.load`.
        workdir: gets the tokenised splits.

    Returns:
        What `train` reports: 'SPLIT/loss', 'SPLIT/METRIC', and the number of `examples`.

    Raises:
        UserError: the checkpoint has not learned a task, or another one than the data set's.
    """
    model = FineTuned.load(checkpoint, config.task.length, config.evaluate.batch_size or config.train.batch_size,
                           config.compute)
    directory = Path(config.task.cache_dir or workdir / "task")
    splits = hosts.first_host_first(lambda: scored_splits(config, lambda split: tokenised.open_or_make(
        directory, config.task, split, model.vocabulary, model.tokenizer)))
    for split, task in splits.items():
        model.check(task, f"{config.task.name}, split {split}")
        if task.hidden:
            raise UserError(f"{config.task.name}, split {split}, has no labels", found="hidden ones",
                            expected="labels to score with", hint="another --config.task.validation_splits")
    return model.score(Validation(splits, config, model.predict))


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
