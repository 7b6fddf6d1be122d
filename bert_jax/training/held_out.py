"""Scores on held-out text: every example once, whatever the mesh."""

import dataclasses
import functools
import math
import operator
from collections.abc import Iterable, Iterator
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from bert_jax.config import Config
from bert_jax.data.batches import Batch
from bert_jax.data.mixture import folder_of, with_seed_of
from bert_jax.data.pipeline import prefetched
from bert_jax.data.source import PairSource, without_documents
from bert_jax.data.store import TokenStore
from bert_jax.objectives import LANGUAGE
from bert_jax.parallel import mesh as meshes
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training.step import make_evaluation_step


def rows_of(config: Config) -> int:
    """Rows of an evaluation batch."""
    return config.evaluate.batch_size or config.train.batch_size


def held_out_sources(held_out: dict[str, TokenStore], training: Iterable[TokenStore], vocabulary: Vocabulary,
                     config: Config, console: Console) -> dict[str, PairSource]:
    """The held-out examples of each corpus, without documents that were trained on; says how many those are.

    Args:
        held_out: the store of each corpus by its name.
        training: those of the training splits; none if they are not there to compare with.
    """
    config = dataclasses.replace(config, seed=config.evaluate.seed)
    trained_on = [store.document_hashes for store in training]
    sources = {}
    for name, store in held_out.items():
        keep = None
        if trained_on:
            keep = without_documents(store, np.concatenate(trained_on))
            if not keep.all():
                console.print(f"{np.sum(~keep):,} held-out documents" + (f" of {name}" if len(held_out) > 1 else "")
                              + " are in the training split too and are left out")
        sources[name] = PairSource(store, vocabulary, with_seed_of(config, name), keep)
    return sources


class HeldOut:
    """The held-out examples of a run in batches, and the compiled step that scores them.

    Args:
        sources: of each corpus by its name; their first epochs are what is scored, always with the same masks.
        config: the recipe.
        mesh: where the parameters lie.
        params_sharding: how.
    """

    def __init__(self, sources: dict[str, PairSource], config: Config, mesh: Mesh, params_sharding):
        self._sources, self._config, self._mesh = list(sources.values()), config, mesh
        self._names = [folder_of(name) for name in sources]
        self._rows = rows_of(config)
        self._examples = [min(config.evaluate.max_examples or len(source), len(source)) for source in self._sources]
        self.examples = sum(self._examples)
        # A batch is of one corpus: its scores can be told apart.
        self._batches = [(i, first) for i, examples in enumerate(self._examples)
                         for first in range(0, examples, self._rows)]
        self._step = jax.jit(
            make_evaluation_step(config),
            in_shardings=(params_sharding, meshes.row_sharding(mesh)),
            out_shardings=meshes.replicated(mesh),
        )

    def batches(self, rows: np.ndarray | None = None) -> Iterator[Batch]:
        """The held-out batches, or of each the given rows; the last one of a corpus is filled with padding rows."""
        rows = np.arange(self._rows) if rows is None else rows

        def batch(number: int) -> Batch:
            corpus, first = self._batches[number]
            examples = first + rows
            return self._sources[corpus].batch(np.where(examples < self._examples[corpus], examples, -1))

        compute = self._config.compute
        return prefetched(batch, 0, len(self._batches), compute.data_threads, compute.prefetch)

    def score(self, params) -> dict[str, float]:
        """For each objective its mean loss, in nats, and accuracy; of tokens the perplexity too.

        Of several corpora these are over all examples; `CORPUS/mlm_loss` and so on are of each.
        """
        sums: dict[int, dict] = {}
        batches = self.batches(meshes.host_rows(self._mesh, self._rows))
        for (corpus, _), batch in zip(self._batches, batches, strict=True):
            part = self._step(params, meshes.to_devices(batch, self._mesh, self._rows))
            # Summed in float64 on the host: float32 loses whole examples past 16 million of them.
            part = jax.tree.map(float, jax.device_get(part))
            sums[corpus] = jax.tree.map(operator.add, sums[corpus], part) if corpus in sums else part
        of_each = {} if len(sums) == 1 else {
            f"{self._names[corpus]}/{name}": score for corpus, part in sums.items()
            for name, score in self._means(part).items()}
        together = functools.reduce(lambda a, b: jax.tree.map(operator.add, a, b), sums.values())
        return self._means(together) | of_each | dict(examples=self.examples)

    @staticmethod
    def _means(sums: dict) -> dict[str, float]:
        metrics = {}
        for name, total in sums.items():
            metrics[f"{name}_loss"] = total["loss"] / total["weight"]
            metrics[f"{name}_accuracy"] = total["correct"] / total["weight"]
            if name in LANGUAGE:
                metrics[f"{name}_perplexity"] = math.exp(metrics[f"{name}_loss"])
        return metrics

    def counted(self, scores: dict[str, float]) -> float:
        """What says how good scores are, larger being better: the sum of the losses, negative."""
        return -sum(scores[f"{name}_loss"] for name in self._config.objectives)

    def write(self, directory: Path) -> None:
        """Writes nothing: there are no predictions of single examples to keep."""
