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
        kind: of the task.
        ids: int64 `[examples]`, the number of each in its file.
        scores: float32 `[examples, classes]` logits, `[examples, 1]` numbers, or of tagging `[words, classes]` logits
            of all words one after the other.
        labels: those of what was scored, as `TokenisedTask` has them; of tagging `[words]`, since words that an example
            has no room for are not scored.
        words: int64 `[examples]`, of tagging how many words of each were scored; None otherwise.
        loss: the mean; None if labels are hidden.
    """

    kind: str
    ids: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    words: np.ndarray | None = None
    loss: float | None = None

    @property
    def decided(self) -> np.ndarray:
        """Class ids `[examples]` or `[words]`, numbers `[examples]`, or bool `[examples, classes]`."""
        if self.kind == "regression":
            return self.scores[:, 0]
        return self.scores > 0 if self.kind == "multilabel" else self.scores.argmax(-1)

    def shares(self) -> np.ndarray:
        """The probabilities that the model gives to classes; numbers as they are."""
        if self.kind == "regression":
            return self.scores
        return expit(self.scores) if self.kind == "multilabel" else softmax(self.scores, axis=-1)

    def lines(self, label_names: tuple[str, ...]) -> Iterator[dict]:
        """For each example what was predicted, by name, with the probabilities, and the label if it is known."""
        names, shares, decided = np.array(label_names), self.shares(), self.decided
        ends = np.cumsum(self.words if self.words is not None else np.ones(len(self.ids), np.int64))

        def named(values: np.ndarray):
            if self.kind == "regression":
                return float(values[0])
            if self.kind == "multilabel":
                return names[values[0]].tolist()
            found = names[values].tolist()
            return found if self.kind == "tagging" else found[0]

        for number, example in enumerate(self.ids):
            at = slice(ends[number - 1] if number else 0, ends[number])
            line = dict(idx=int(example), prediction=named(decided[at]))
            if self.kind != "regression":
                of_example = shares[at] if self.kind == "tagging" else shares[number]
                line["probabilities"] = np.round(of_example, 6).tolist()
            if self.loss is not None:
                line["label"] = named(self.labels[at])
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

    def __call__(self, params, task: TokenisedTask) -> Predictions:
        """What the model says of each example."""
        compute, tagging = self._config.compute, task.kind == "tagging"
        batch_size = self._config.evaluate.batch_size or self._config.train.batch_size
        # In any order: batches of all lengths need about as many rows, and so one shape does for all.
        chosen = shuffled(len(task), batch_size, -(-len(task) // batch_size), seed=0)
        packed = Packed(task, chosen, self._vocabulary, self._config.task.length, 1, meshes.row_shards(self._mesh))
        rows = packed.counts[-1]
        host_rows = meshes.host_rows(self._mesh, rows)
        batches = prefetched(packed.batch, 0, len(packed), compute.data_threads, compute.prefetch)
        parts, loss, weight = [], 0.0, 0.0
        for of_batch, (batch, row_of, place) in zip(chosen, batches):
            local = {name: x[host_rows] for name, x in batch.items()}
            sums, logits = jax.device_get(self._step(params, meshes.to_devices(local, self._mesh, rows)))
            (total,), (scores,) = sums.values(), logits.values()
            loss, weight = loss + float(total["loss"]), weight + float(total["weight"])
            if tagging:
                for example, row, number in zip(of_batch, row_of, place):
                    first = (batch["segment_ids"][row] == number + 1) & (batch["label_weights"][row] > 0)
                    parts.append((example, scores[row, first], batch["labels"][row, first]))
            else:
                parts += zip(of_batch, scores[row_of, place], batch["labels"][row_of, place])
        _, scores, labels = zip(*sorted(parts, key=lambda part: part[0]))
        words = np.array([len(of_example) for of_example in scores]) if tagging else None
        together = np.concatenate if tagging else np.stack
        mean = loss / weight if weight and not task.hidden else None
        return Predictions(task.kind, task.ids, together(scores), together(labels), words, mean)
