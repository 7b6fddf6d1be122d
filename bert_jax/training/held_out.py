"""Scores on held-out text: every example once, whatever the mesh."""

import dataclasses
import math
import operator
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from bert_jax.config import Config
from bert_jax.data.batches import Batch
from bert_jax.data.pipeline import prefetched
from bert_jax.data.source import PairSource, without_documents_of
from bert_jax.data.store import TokenStore
from bert_jax.objectives import LANGUAGE
from bert_jax.parallel import mesh as meshes
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training.step import make_evaluation_step


def rows_of(config: Config) -> int:
    """Rows of an evaluation batch."""
    return config.evaluate.batch_size or config.train.batch_size


def held_out_source(store: TokenStore, training: TokenStore | None, vocabulary: Vocabulary, config: Config,
                    console: Console) -> PairSource:
    """The held-out examples, without documents that were trained on; says how many those are.

    Args:
        training: the training split's store, or None if it is not there to compare with.
    """
    keep = None
    if training:
        keep = without_documents_of(store, training)
        if not keep.all():
            console.print(f"{np.sum(~keep):,} held-out documents are in the training split too and are left out")
    return PairSource(store, vocabulary, dataclasses.replace(config, seed=config.evaluate.seed), keep)


class HeldOut:
    """The held-out examples of a run in batches, and the compiled step that scores them.

    Args:
        source: of the held-out documents; its first epoch is what is scored, always with the same masks.
        config: the recipe.
        mesh: where the parameters lie.
        params_sharding: how.
    """

    def __init__(self, source: PairSource, config: Config, mesh: Mesh, params_sharding):
        self.examples = min(config.evaluate.max_examples or len(source), len(source))
        self._source, self._config, self._mesh = source, config, mesh
        self._rows = rows_of(config)
        self._step = jax.jit(
            make_evaluation_step(config),
            in_shardings=(params_sharding, meshes.row_sharding(mesh)),
            out_shardings=meshes.replicated(mesh),
        )

    def batches(self, rows: np.ndarray | None = None) -> Iterator[Batch]:
        """The held-out batches, or of each the given rows; the last one is filled with padding rows."""
        rows = np.arange(self._rows) if rows is None else rows

        def batch(number: int) -> Batch:
            examples = number * self._rows + rows
            return self._source.batch(np.where(examples < self.examples, examples, -1))

        compute = self._config.compute
        return prefetched(batch, 0, math.ceil(self.examples / self._rows), compute.data_threads, compute.prefetch)

    def score(self, params) -> dict[str, float]:
        """For each objective its mean loss, in nats, and accuracy; of tokens the perplexity too."""
        sums = None
        for batch in self.batches(meshes.host_rows(self._mesh, self._rows)):
            part = self._step(params, meshes.to_devices(batch, self._mesh, self._rows))
            # Summed in float64 on the host: float32 loses whole examples past 16 million of them.
            part = jax.tree.map(float, jax.device_get(part))
            sums = part if sums is None else jax.tree.map(operator.add, sums, part)
        metrics = {}
        for name, total in sums.items():
            metrics[f"{name}_loss"] = total["loss"] / total["weight"]
            metrics[f"{name}_accuracy"] = total["correct"] / total["weight"]
            if name in LANGUAGE:
                metrics[f"{name}_perplexity"] = math.exp(metrics[f"{name}_loss"])
        return metrics | dict(examples=self.examples)

    def counted(self, scores: dict[str, float]) -> float:
        """What says how good scores are, larger being better: the sum of the losses, negative."""
        return -sum(scores[f"{name}_loss"] for name in self._config.objectives)

    def write(self, directory: Path) -> None:
        """Writes nothing: there are no predictions of single examples to keep."""
