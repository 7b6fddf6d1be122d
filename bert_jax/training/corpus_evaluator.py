"""Scores on held-out text: every example counts once, whatever the mesh."""

import functools
import math
import operator
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from bert_jax.objectives import LANGUAGE
from bert_jax.parallel import mesh as meshes
from bert_jax.pretraining.held_out import HeldOutText, evaluation_rows
from bert_jax.training.plan import Plan
from bert_jax.training.step import make_evaluation_step


class CorpusEvaluator:
    """Held-out text and the compiled step that scores it.

    Args:
        text: the held-out examples.
        plan: the run's plan.
        mesh: the devices that hold the parameters.
        params_sharding: the shardings of the parameters.
    """

    def __init__(self, text: HeldOutText, plan: Plan, mesh: Mesh, params_sharding: Any):
        self._text, self._plan, self._mesh = text, plan, mesh
        self.examples = text.examples
        self._step = jax.jit(
            make_evaluation_step(plan),
            in_shardings=(params_sharding, meshes.row_sharding(mesh)),
            out_shardings=meshes.replicated(mesh),
        )

    def score(self, params: dict) -> dict[str, float]:
        """Returns each objective's mean loss, in nats, and accuracy, and the perplexity of tokens.

        With several corpora these are over all examples; `CORPUS/mlm_loss` and so on are of each.
        """
        rows = evaluation_rows(self._plan.recipe)
        batches = self._text.batches(meshes.host_rows(self._mesh, rows))
        sums: dict[int, dict] = {}
        for corpus, batch in zip(self._text.corpus_of_batch, batches, strict=True):
            part = self._step(params, meshes.to_devices(batch, self._mesh, rows))
            # Summed in float64 on the host: float32 loses whole examples past 16 million of them.
            part = jax.tree.map(float, jax.device_get(part))
            sums[corpus] = _added(sums[corpus], part) if corpus in sums else part
        scores = _means(functools.reduce(_added, sums.values()))
        if len(sums) > 1:
            for corpus, part in sums.items():
                for name, score in _means(part).items():
                    scores[f"{self._text.names[corpus]}/{name}"] = score
        return scores | dict(examples=self.examples)

    def selection_score(self, scores: dict[str, float]) -> float:
        """Returns the negative sum of the losses."""
        return -sum(scores[f"{name}_loss"] for name in self._plan.objectives)

    def write(self, directory: Path) -> None:
        """Writes nothing: there are no predictions of single examples to keep."""


def _added(sums: dict, others: dict) -> dict:
    return jax.tree.map(operator.add, sums, others)


def _means(sums: dict) -> dict[str, float]:
    metrics = {}
    for name, total in sums.items():
        metrics[f"{name}_loss"] = total["loss"] / total["weight"]
        metrics[f"{name}_accuracy"] = total["correct"] / total["weight"]
        if name in LANGUAGE:
            metrics[f"{name}_perplexity"] = math.exp(metrics[f"{name}_loss"])
    return metrics
