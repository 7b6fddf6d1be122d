"""What a model says of the examples of a task."""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import Mesh
from scipy.special import expit, softmax

from bert_jax.config import Config
from bert_jax.data.pipeline import prefetched
from bert_jax.parallel import mesh as meshes
from bert_jax.tasks.source import Packed, shuffled
from bert_jax.tasks.tokenised import TokenisedTask
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training.step import make_prediction_step


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model says of the examples of a split, in the order of their file.

    Attributes:
        ids: int64 `[examples]`, the number of each in its file.
        scores: float32 `[examples, classes]` logits, `[examples, 1]` numbers, or of tagging `[words, classes]` logits
            of all words one after the other.
        decided: class ids `[examples]` or `[words]`, numbers, or bool `[examples, classes]`.
        words: int64 `[examples]`, of tagging how many words of each were scored; None otherwise.
    """

    ids: np.ndarray
    scores: np.ndarray
    decided: np.ndarray
    words: np.ndarray | None = None

    def shares(self, kind: str) -> np.ndarray:
        """The probabilities that the model gives to classes; numbers as they are."""
        if kind == "regression":
            return self.scores
        return expit(self.scores) if kind == "multilabel" else softmax(self.scores, axis=-1)

    def lines(self, task: TokenisedTask) -> Iterator[dict]:
        """For each example what was predicted, by name, with the probabilities and the label if it is known."""
        names, shares = np.array(task.label_names), self.shares(task.kind)
        ends = np.cumsum(self.words if self.words is not None else np.ones(len(self.ids), np.int64))
        truth = task.labels[task.labels >= 0] if task.kind == "tagging" else task.labels

        def named(values: np.ndarray):
            if task.kind == "regression":
                return float(values[0])
            if task.kind == "multilabel":
                return names[values[0]].tolist()
            found = names[values].tolist()
            return found if task.kind == "tagging" else found[0]

        for number, example in enumerate(self.ids):
            at = slice(ends[number - 1] if number else 0, ends[number])
            line = dict(idx=int(example), prediction=named(self.decided[at]))
            if task.kind != "regression":
                of_example = shares[at] if task.kind == "tagging" else shares[number]
                line["probabilities"] = np.round(of_example, 6).tolist()
            if not task.hidden:
                line["label"] = named(truth[at])
            yield line


class Predictor:
    """Scores of a model on tokenised examples, by a step that is compiled for each shape in which batches come.

    Args:
        config: the recipe, with objectives and labels as the model has them.
        vocabulary: gives the special tokens.
        mesh: where the parameters lie.
        params_sharding: how.
    """

    def __init__(self, config: Config, vocabulary: Vocabulary, mesh: Mesh, params_sharding):
        self._config, self._vocabulary, self._mesh = config, vocabulary, mesh
        self._step = jax.jit(
            make_prediction_step(config), in_shardings=(params_sharding, meshes.row_sharding(mesh)),
            out_shardings=meshes.replicated(mesh))

    def __call__(self, params, task: TokenisedTask) -> tuple[Predictions, float | None]:
        """The predictions, and the mean loss if the examples have labels."""
        compute, tagging = self._config.compute, task.kind == "tagging"
        batch_size = self._config.evaluate.batch_size or self._config.train.batch_size
        # In any order: batches of all lengths need about as many rows, and so one shape does for all.
        chosen = shuffled(len(task), batch_size, -(-len(task) // batch_size), seed=0)
        packed = Packed(task, chosen, self._vocabulary, self._config.task.length, 1, meshes.row_shards(self._mesh))
        rows = packed.counts[-1]
        host_rows = meshes.host_rows(self._mesh, rows)
        batches = prefetched(packed.batch, 0, len(packed), compute.data_threads, compute.prefetch)
        parts, words, loss, weight = [], np.zeros(len(task), np.int64), 0.0, 0.0
        for of_batch, (batch, row_of, place) in zip(chosen, batches):
            local = {name: x[host_rows] for name, x in batch.items()}
            sums, logits = jax.device_get(self._step(params, meshes.to_devices(local, self._mesh, rows)))
            (total,), (scores,) = sums.values(), logits.values()
            loss, weight = loss + float(total["loss"]), weight + float(total["weight"])
            if tagging:
                for example, row, number in zip(of_batch, row_of, place):
                    first = (batch["segment_ids"][row] == number + 1) & (batch["label_weights"][row] > 0)
                    words[example] = first.sum()
                    parts.append((example, scores[row, first]))
            else:
                parts += zip(of_batch, scores[row_of, place])
        parts.sort(key=lambda part: part[0])
        scores = (np.concatenate if tagging else np.stack)([part for _, part in parts])
        kind = task.kind
        decided = scores[:, 0] if kind == "regression" else scores > 0 if kind == "multilabel" else scores.argmax(-1)
        mean = loss / weight if weight and not task.hidden else None
        return Predictions(task.ids, scores, decided, words if tagging else None), mean
