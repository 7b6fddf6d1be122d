"""Learning from a corpus: masked sentence pairs, and held-out text to score on."""

import threading
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import Config
from bert_jax.data import preparation
from bert_jax.data.baselines import trivial_scores
from bert_jax.data.batches import Batch, predictions_of
from bert_jax.data.known import check_order
from bert_jax.data.masking import rate_at
from bert_jax.data.mixture import MixedSource, folder_of, training_source
from bert_jax.data.source import PairSource
from bert_jax.data.statistics import warnings_of
from bert_jax.data.store import token_counts
from bert_jax.objectives import choose
from bert_jax.parallel import mesh as meshes
from bert_jax.training.budget import with_budget
from bert_jax.training.held_out import HeldOut, held_out_sources, rows_of
from bert_jax.training.phases import Phase, phases_of

Shape = tuple[int, int]  # rows and tokens of a batch


def batch_shapes(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of a recipe's batches, as `bert_jax.data.batches` makes them."""
    rows, length, predictions = config.train.batch_size, config.instances.length, predictions_of(config)
    of_tokens = dict.fromkeys(("input_ids", "token_type_ids", "position_ids", "segment_ids"), (length, np.int32))
    of_predictions = dict(masked_positions=(predictions, np.int32), masked_ids=(predictions, np.int32),
                          masked_weights=(predictions, np.float32))
    of_examples = dict(example_positions=(1, np.int32), example_weights=(1, np.float32),
                       next_sentence_labels=(1, np.int32))
    return {name: jax.ShapeDtypeStruct((rows, size), dtype)
            for name, (size, dtype) in (of_tokens | of_predictions | of_examples).items()}


class Pretraining:
    """What a run on a corpus learns from; `Finetuning` has the same methods.

    Args:
        config: the recipe.
        workdir: of the run; gets vocabulary and token stores if they are not there.
        source: the checkpoint that a new run starts from; None if there is none.
        progress: show it on a terminal.
    """

    def __init__(self, config: Config, workdir: Path, source: Pretrained | None, progress: bool):
        self.vocabulary, self._texts = preparation.open_or_make(config, workdir, source, progress)
        self.manifests = {
            split if len(self._texts) == 1 else f"{folder_of(name)}/{split}": store.manifest
            for name, text in self._texts.items() for split, store in text._asdict().items()}
        self.sources = {name: manifest["source"] for name, manifest in self.manifests.items()}

    @staticmethod
    def check(config: Config, mesh: Mesh) -> None:
        """Raises a UserError for what can be known to be wrong before any data is prepared."""
        train = config.train
        choose(config.objectives)
        check_order(config)
        for phase in phases_of(config):
            rows = phase.config.train.batch_size
            meshes.check_rows(mesh, rows, "instances.phases" if config.instances.phases else "train.batch_size")
            meshes.check_parts(mesh, rows, train.replicas * train.accumulation)
        meshes.check_rows(mesh, rows_of(config), "evaluate.batch_size")

    def plan(self, config: Config, mesh: Mesh, console: Console) -> Config:
        """Plans the epochs; returns the recipe with all that follows from the data."""
        config = configs.with_vocabulary(config, len(self.vocabulary))
        config = with_budget(config, batch_shapes(config))
        self._sources: dict[int, PairSource | MixedSource] = {}  # by length
        self._planning = threading.Lock()
        self._train, held_out = ({name: getattr(text, split) for name, text in self._texts.items()}
                                 for split in ("train", "held_out"))
        for name, store in self._train.items():
            for warning in warnings_of(store, config.objectives):
                console.print(f"{name}: {warning}", highlight=False, markup=False)
        self._scored = held_out_sources(held_out, self._train.values(), self.vocabulary, config, console)
        self.examples = len(self._source(phases_of(config)[0]))
        self._config = configs.with_steps(config, self.examples)
        self._phases = phases_of(self._config)
        self._host_rows = {rows: meshes.host_rows(mesh, rows) for rows in {phase.shape[0] for phase in self._phases}}
        self._mesh = mesh
        return self._config

    def _source(self, phase: Phase) -> PairSource | MixedSource:
        """The examples of a phase, planned when they are first asked for."""
        with self._planning:
            length = phase.shape[1]
            if length not in self._sources:
                self._sources[length] = training_source(self._train, self.vocabulary, phase.config)
            return self._sources[length]

    def shapes(self) -> dict[Shape, dict[str, jax.ShapeDtypeStruct]]:
        """The shapes in which batches come, by rows and tokens."""
        return {phase.shape: batch_shapes(phase.config) for phase in self._phases}

    def steps_by_shape(self) -> dict[Shape, np.ndarray]:
        """The steps whose batches have a shape, int64."""
        found: dict = {}
        for phase in self._phases:
            found.setdefault(phase.shape, []).append(np.arange(phase.first, phase.first + phase.steps))
        return {shape: np.concatenate(steps) for shape, steps in found.items()}

    def batch(self, step: int) -> tuple[Shape, Batch]:
        """Rows and tokens of a step's batch, and those of its rows that this host prepares."""
        phase = next(phase for phase in reversed(self._phases) if step >= phase.first)
        masking, rows = phase.config.masking, phase.shape[0]
        rate = rate_at(step, self._config.train.steps, masking.rate, masking.final_rate)
        examples = phase.taken + (step - phase.first) * rows + self._host_rows[rows]
        return phase.shape, self._source(phase).batch(examples, rate)

    def held_out(self, params_sharding) -> HeldOut:
        """What scores parameters on held-out text."""
        self._scorer = HeldOut(self._scored, self._config, self._mesh, params_sharding)
        return self._scorer

    def said(self) -> dict:
        """What a checkpoint says beside its model: nothing."""
        return {}

    def baselines(self) -> dict[str, float]:
        """What no learning at all would score."""
        counts = sum(map(token_counts, self._train.values()))
        return trivial_scores(self._scorer.batches(), counts, self._config.objectives)

    def facts(self) -> dict[str, str]:
        """What the start-up summary says of the data."""
        tokens = {name: len(store.tokens) for name, store in self._train.items()}
        data = (f"{sum(tokens.values()):,} tokens, {self.examples:,} examples an epoch, "
                f"{self._scorer.examples:,} held out")
        if self._config.corpus.mixture:
            source = self._source(self._phases[0])
            data += "".join(f"\n{name}: {tokens[name]:,} tokens, {examples / len(source):.1%} of the examples, "
                            f"{passes:.3g} passes an epoch"
                            for name, (examples, passes) in zip(tokens, source.shares(), strict=True))
        return {"data": data,
                "batch": ", then ".join(
                    f"{rows} rows of {length} tokens" + (f" for {phase.steps:,} steps" if len(self._phases) > 1 else "")
                    for phase in self._phases for rows, length in [phase.shape])}
