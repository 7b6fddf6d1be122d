"""The training batches of a task by step, so that a batch depends on the step and on nothing else."""

import numpy as np

from bert_jax.data import randomness
from bert_jax.data.batches import Batch
from bert_jax.data.packing import pack, row_counts
from bert_jax.tasks.batches import assemble, example_lengths, kept_lengths
from bert_jax.tasks.tokenised import TokenisedTask
from bert_jax.text.vocabulary import Vocabulary


class Packed:
    """Given batches of examples, each packed into one of a few numbers of rows.

    Args:
        task: the tokens.
        chosen: int64 `[examples]` for each batch: which of the task's.
        vocabulary: gives the special tokens.
        length: of a row.
        most_counts: how many different numbers of rows there may be.
        multiple: what each must be a multiple of.

    Attributes:
        counts: the numbers of rows that there are, rising.
        rows: int64 `[batches]`, that of each batch.
        truncated: examples of the task that are longer than a row.
    """

    def __init__(self, task: TokenisedTask, chosen: list[np.ndarray], vocabulary: Vocabulary, length: int,
                 most_counts: int, multiple: int):
        self._task, self._chosen, self._vocabulary, self._length = task, chosen, vocabulary, length
        self._kept = kept_lengths(task, length)
        lengths = example_lengths(self._kept)
        self.truncated = int(np.sum(self._kept.sum(axis=1) < task.offsets[:, -1] - task.offsets[:, 0]))
        self._placed = [pack(lengths[examples], length) for examples in chosen]
        self.counts = row_counts(np.array([row_of.max() + 1 for row_of, _ in self._placed]), most_counts, multiple)
        self.rows = np.array([next(n for n in self.counts if n > row_of.max()) for row_of, _ in self._placed])
        self._most = max(int(np.bincount(row_of).max()) for row_of, _ in self._placed)

    def __len__(self) -> int:
        return len(self._chosen)

    def batch(self, number: int) -> tuple[Batch, np.ndarray, np.ndarray]:
        """A batch, and int64 `[examples]`: the row of each of its examples and its place among the row's."""
        row_of, begins = self._placed[number]
        batch, place = assemble(self._task, self._chosen[number], self._kept, row_of, begins, self._vocabulary,
                                self._length, int(self.rows[number]), self._most)
        return batch, row_of, place


def shuffled(examples: int, batch_size: int, steps: int, seed: int) -> list[np.ndarray]:
    """Which examples each step takes: every epoch all of them once in a new order, the last batch being smaller."""
    chosen, epoch = [], 0
    while len(chosen) < steps:
        order = randomness.permutation(randomness.bits(randomness.key(seed, "task order"), epoch), examples)
        chosen += np.split(order, range(batch_size, examples, batch_size))
        epoch += 1
    return chosen[:steps]
