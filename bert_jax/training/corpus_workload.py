"""Learning from a corpus: masked sentence pairs, and held-out text to score on."""

import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from bert_jax.batching import Batch
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import Config
from bert_jax.corpus import preparation
from bert_jax.corpus.known import check_order
from bert_jax.corpus.selected import folder_of
from bert_jax.corpus.statistics import warnings_of
from bert_jax.corpus.token_store import token_counts
from bert_jax.objectives import choose
from bert_jax.parallel import mesh as meshes
from bert_jax.pretraining.baselines import trivial_scores
from bert_jax.pretraining.batches import predictions_of
from bert_jax.pretraining.held_out import HeldOutText, evaluation_rows
from bert_jax.pretraining.masking import rate_at
from bert_jax.pretraining.mixture import MixedSource, training_source
from bert_jax.pretraining.source import PairSource
from bert_jax.training.budget import steps_of_budget
from bert_jax.training.corpus_evaluator import CorpusEvaluator
from bert_jax.training.phases import Phase, phases_of
from bert_jax.training.plan import make_plan
from bert_jax.training.vocabularies import prepare_vocabulary
from bert_jax.training.workload import Shape


def batch_shapes(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of a recipe's batches, as `bert_jax.pretraining.batches` makes them."""
    rows, length, predictions = (
        config.train.batch_size,
        config.instances.length,
        predictions_of(config),
    )
    of_tokens = dict.fromkeys(
        ("input_ids", "token_type_ids", "position_ids", "segment_ids"), (length, np.int32)
    )
    of_predictions = dict(
        masked_positions=(predictions, np.int32),
        masked_ids=(predictions, np.int32),
        masked_weights=(predictions, np.float32),
    )
    of_examples = dict(
        example_positions=(1, np.int32),
        example_weights=(1, np.float32),
        next_sentence_labels=(1, np.int32),
    )
    return {
        name: jax.ShapeDtypeStruct((rows, size), dtype)
        for name, (size, dtype) in (of_tokens | of_predictions | of_examples).items()
    }


class CorpusData:
    """Vocabulary and token stores of a run on a corpus, made if they are not there.

    Args:
        recipe: the recipe.
        workdir: of the run; gets the vocabulary and, unless `store.dir` names another place, the
            token stores.
        source: the checkpoint that a new run starts from; None if there is none.
        progress: whether to show progress on a terminal.
    """

    def __init__(self, recipe: Config, workdir: Path, source: Pretrained | None, progress: bool):
        self.vocabulary = prepare_vocabulary(recipe, workdir, source)
        self.texts = preparation.open_or_make(recipe, workdir, self.vocabulary, progress)
        self.manifests = {}
        for name, text in self.texts.items():
            for split, store in text._asdict().items():
                label = split if len(self.texts) == 1 else f"{folder_of(name)}/{split}"
                self.manifests[label] = store.manifest
        self.sources = {name: manifest["source"] for name, manifest in self.manifests.items()}

    @staticmethod
    def check(recipe: Config, mesh: Mesh) -> None:
        """Raises a UserError for what is known to be wrong before any data is prepared."""
        train = recipe.train
        choose(recipe.objectives)
        check_order(recipe)
        for phase in phases_of(recipe):
            rows = phase.config.train.batch_size
            key = "instances.phases" if recipe.instances.phases else "train.batch_size"
            meshes.check_rows(mesh, rows, key)
            meshes.check_parts(mesh, rows, train.replicas * train.accumulation)
        meshes.check_rows(mesh, evaluation_rows(recipe), "evaluate.batch_size")

    def workload(self, recipe: Config, mesh: Mesh, console: Console) -> "CorpusWorkload":
        """Plans the first epoch, and leaves out held-out documents that are trained on.

        Raises:
            UserError: a budget does not pay for a step, or warm-up is longer than the run.
        """
        return CorpusWorkload(self, recipe, mesh, console)


class CorpusWorkload:
    """Batches of masked instances of a corpus, and held-out text to score on.

    Args:
        data: the tokenised corpora.
        recipe: the recipe.
        mesh: the devices.
        console: gets warnings about the text.
    """

    def __init__(self, data: CorpusData, recipe: Config, mesh: Mesh, console: Console):
        self._data, self._recipe, self._mesh = data, recipe, mesh
        self._train = {name: text.train for name, text in data.texts.items()}
        held_out = {name: text.held_out for name, text in data.texts.items()}
        for name, store in self._train.items():
            for warning in warnings_of(store, recipe.objectives):
                console.print(f"{name}: {warning}", highlight=False, markup=False)
        self._held_out = HeldOutText(
            held_out, self._train.values(), data.vocabulary, recipe, console
        )
        self._sources: dict[int, PairSource | MixedSource] = {}  # by length
        self._planning = threading.Lock()
        vocab_size = len(data.vocabulary)
        steps = steps_of_budget(recipe, vocab_size, batch_shapes(recipe))
        examples = len(self._source(phases_of(recipe)[0]))
        self.plan = make_plan(recipe, examples, vocab_size=vocab_size, steps=steps)
        self._phases = phases_of(recipe, steps)
        self._host_rows = {
            phase.shape[0]: meshes.host_rows(mesh, phase.shape[0]) for phase in self._phases
        }

    def _source(self, phase: Phase) -> PairSource | MixedSource:
        """The examples of a phase, planned when they are first asked for."""
        with self._planning:
            length = phase.shape[1]
            if length not in self._sources:
                self._sources[length] = training_source(
                    self._train, self._data.vocabulary, phase.config
                )
            return self._sources[length]

    def shapes(self) -> dict[Shape, dict[str, jax.ShapeDtypeStruct]]:
        return {phase.shape: batch_shapes(phase.config) for phase in self._phases}

    def steps_by_shape(self) -> dict[Shape, np.ndarray]:
        steps: dict[Shape, list[np.ndarray]] = {}
        for phase in self._phases:
            numbers = np.arange(phase.first, phase.first + phase.steps)
            steps.setdefault(phase.shape, []).append(numbers)
        return {shape: np.concatenate(parts) for shape, parts in steps.items()}

    def batch(self, step: int) -> tuple[Shape, Batch]:
        phase = next(phase for phase in reversed(self._phases) if step >= phase.first)
        masking, rows = phase.config.masking, phase.shape[0]
        rate = rate_at(step, self.plan.steps, masking.rate, masking.final_rate)
        examples = phase.taken + (step - phase.first) * rows + self._host_rows[rows]
        return phase.shape, self._source(phase).batch(examples, rate)

    def evaluator(self, params_sharding: Any) -> CorpusEvaluator:
        return CorpusEvaluator(self._held_out, self.plan, self._mesh, params_sharding)

    def metadata(self) -> dict:
        return {}

    def baselines(self) -> dict[str, float]:
        counts = np.sum([token_counts(store) for store in self._train.values()], axis=0)
        return trivial_scores(self._held_out.batches(), counts, self.plan.objectives)

    def description(self) -> dict[str, str]:
        tokens = {name: len(store.tokens) for name, store in self._train.items()}
        data = (
            f"{sum(tokens.values()):,} tokens, {self.plan.examples:,} examples an epoch, "
            f"{self._held_out.examples:,} held out"
        )
        if self._recipe.corpus.mixture:
            source: Any = self._source(self._phases[0])
            for name, (examples, passes) in zip(tokens, source.shares(), strict=True):
                data += (
                    f"\n{name}: {tokens[name]:,} tokens, {examples / len(source):.1%} of the "
                    f"examples, {passes:.3g} passes an epoch"
                )
        batches = []
        for phase in self._phases:
            rows, length = phase.shape
            text = f"{rows} rows of {length} tokens"
            batches.append(text + (f" for {phase.steps:,} steps" if len(self._phases) > 1 else ""))
        return {"data": data, "batch": ", then ".join(batches)}
