"""Interfaces between a run and what it learns from.

A run prepares its `Data` on disk, which may take hours and can be done ahead, and makes a
`Workload` of it, which plans every batch of the run. Both exist for corpora (`corpus_workload`)
and for tasks (`task_workload`).
"""

from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from bert_jax.batching import Batch
from bert_jax.config import Config
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training.plan import Plan

Shape = tuple[int, int]  # rows and tokens of a batch


class Data(Protocol):
    """Tokenised data of a run, on disk.

    Attributes:
        vocabulary: maps tokens to ids.
        sources: identity of the data by split, as JSON; a resumed run must find the same.
        manifests: what provenance records of the data, by split.
    """

    vocabulary: Vocabulary
    sources: dict[str, dict]
    manifests: dict[str, dict]

    def workload(self, recipe: Config, mesh: Mesh, console: Console) -> "Workload":
        """Plans all batches of a run.

        Raises:
            UserError: the data does not fit the recipe.
        """
        ...


class Workload(Protocol):
    """Batches of a run by step, and the scores that its parameters are judged by.

    Attributes:
        plan: the recipe, resolved against the data.
    """

    plan: Plan

    def shapes(self) -> dict[Shape, dict[str, jax.ShapeDtypeStruct]]:
        """Returns the arrays of a batch for each shape in which batches come."""
        ...

    def steps_by_shape(self) -> dict[Shape, np.ndarray]:
        """Returns the steps whose batches have a shape, int64 `[steps]`."""
        ...

    def batch(self, step: int) -> tuple[Shape, Batch]:
        """Returns the shape of a step's batch and the rows of it that this host prepares."""
        ...

    def evaluator(self, params_sharding: Any) -> "Evaluator":
        """Returns what scores parameters that are sharded like this."""
        ...

    def metadata(self) -> dict:
        """Returns what a checkpoint records beside its model, for those who predict with it."""
        ...

    def baselines(self) -> dict[str, float]:
        """Returns scores of trivial predictions, under the names of the scores they are for."""
        ...

    def description(self) -> dict[str, str]:
        """Returns lines of the start-up summary, by their headings."""
        ...


class Evaluator(Protocol):
    """Scores of parameters on examples that are not learned from.

    Attributes:
        examples: how many there are.
    """

    examples: int

    def score(self, params: dict) -> dict[str, float]:
        """Returns all scores by name, and the number of `examples`."""
        ...

    def selection_score(self, scores: dict[str, float]) -> float:
        """Returns the one number by which parameters are compared; larger is better."""
        ...

    def write(self, directory: Path) -> None:
        """Writes the predictions of the last `score`, if it has any of single examples."""
        ...
