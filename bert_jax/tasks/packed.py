"""The training batches of a task by step, so that a batch depends on the step and on nothing
else."""

import numpy as np

from bert_jax.batching import Batch, randomness
from bert_jax.batching.packing import pack, row_counts
from bert_jax.tasks.assembly import assemble
from bert_jax.tasks.inputs import Inputs
from bert_jax.text.vocabulary import Vocabulary


class Packed:
    """Given batches of inputs, each packed into one of a few numbers of rows.

    Args:
        inputs: all of them.
        chosen: int64 `[inputs]` for each batch: which.
        vocabulary: gives the special tokens.
        most_counts: how many different numbers of rows there may be.
        multiple: what each must be a multiple of.

    Attributes:
        counts: the numbers of rows that there are, rising.
        rows: int64 `[batches]`, that of each batch.
    """

    def __init__(
        self,
        inputs: Inputs,
        chosen: list[np.ndarray],
        vocabulary: Vocabulary,
        most_counts: int,
        multiple: int,
    ):
        self._inputs, self._chosen, self._vocabulary = inputs, chosen, vocabulary
        sizes = inputs.sizes
        self._placed = [pack(sizes[numbers], inputs.row_length) for numbers in chosen]
        self.counts = row_counts(
            np.array([row_of.max() + 1 for row_of, _ in self._placed]), most_counts, multiple
        )
        self.rows = np.array(
            [next(n for n in self.counts if n > row_of.max()) for row_of, _ in self._placed]
        )
        self._most = max(int(np.bincount(row_of).max()) for row_of, _ in self._placed)

    def __len__(self) -> int:
        return len(self._chosen)

    def batch(self, number: int) -> tuple[Batch, np.ndarray, np.ndarray, np.ndarray]:
        """A batch, and int64 `[inputs]` each: the row of each of its inputs, where it begins there,
        and its place among the row's."""
        row_of, begins = self._placed[number]
        batch, place = assemble(
            self._inputs,
            self._chosen[number],
            row_of,
            begins,
            self._vocabulary,
            int(self.rows[number]),
            self._most,
        )
        return batch, row_of, begins, place


def shuffled(inputs: int, batch_size: int, steps: int, seed: int) -> list[np.ndarray]:
    """Returns the inputs of each step: all of them once per epoch, in a new order each time. The
    last batch of an epoch is smaller."""
    chosen, epoch = [], 0
    while len(chosen) < steps:
        order = randomness.permutation(
            randomness.bits(randomness.key(seed, "task order"), epoch), inputs
        )
        chosen += np.split(order, range(batch_size, inputs, batch_size))
        epoch += 1
    return chosen[:steps]
