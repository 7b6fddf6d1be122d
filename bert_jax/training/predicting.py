"""A model's scores of the examples of a task, computed on the mesh."""

from typing import Any

import jax
from jax.sharding import Mesh

from bert_jax.batching.prefetch import prefetched
from bert_jax.model.heads import POOLED
from bert_jax.parallel import mesh as meshes
from bert_jax.tasks.answers import Answers
from bert_jax.tasks.inputs import inputs_of
from bert_jax.tasks.packed import Packed, shuffled
from bert_jax.tasks.predictions import Predictions, predicted
from bert_jax.tasks.tokenised import TokenisedTask
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training.plan import Plan
from bert_jax.training.step import make_prediction_step


class Predictor:
    """Scores of a model on tokenised examples, by a step that is compiled for each shape in which
    batches come.

    Args:
        plan: a plan with the objectives and labels of the model.
        vocabulary: gives the special tokens.
        mesh: where the parameters lie.
        params_sharding: how.
    """

    def __init__(self, plan: Plan, vocabulary: Vocabulary, mesh: Mesh, params_sharding: Any):
        self._plan, self._vocabulary, self._mesh = plan, vocabulary, mesh
        self._step = jax.jit(
            make_prediction_step(plan),
            in_shardings=(params_sharding, meshes.row_sharding(mesh)),
            out_shardings=meshes.replicated(mesh),
        )

    def __call__(self, params: dict, task: TokenisedTask) -> Predictions | Answers:
        """Returns the predictions for all examples of a task."""
        compute, inputs = self._plan.recipe.compute, inputs_of(task, self._plan.recipe.task)
        batch_size = self._plan.recipe.evaluate.batch_size or self._plan.recipe.train.batch_size
        # In any order: batches of all lengths need about as many rows, and so one shape does for
        # all.
        chosen = shuffled(len(inputs), batch_size, -(-len(inputs) // batch_size), seed=0)
        packed = Packed(inputs, chosen, self._vocabulary, 1, meshes.row_shards(self._mesh))
        rows, sizes, choices = packed.counts[-1], inputs.sizes, task.choices
        host_rows = meshes.host_rows(self._mesh, rows)
        batches = prefetched(packed.batch, 0, len(packed), compute.data_threads, compute.prefetch)
        scores: list = [None] * len(inputs)
        loss = weight = 0.0
        for numbers, (batch, row_of, begins, place) in zip(chosen, batches):
            local = {name: x[host_rows] for name, x in batch.items()}
            sums, logits = jax.device_get(
                self._step(params, meshes.to_devices(local, self._mesh, rows))
            )
            (total,), ((head, of_head),) = sums.values(), logits.items()
            loss, weight = loss + float(total["loss"]), weight + float(total["weight"])
            for number, row, begin, at in zip(numbers, row_of, begins, place):
                if head == "choice":
                    scores[number] = of_head[row, at * choices : (at + 1) * choices, 0]
                else:
                    scores[number] = (
                        of_head[row, at]
                        if head in POOLED
                        else of_head[row, begin : begin + sizes[number]]
                    )
        mean = loss / weight if weight and not task.hidden else None
        return predicted(inputs, scores, mean, self._plan.recipe.task)
