"""Labelled examples as batches: cut to length, with special tokens, several in a row.

The arrays are those of `bert_jax.data.batches`, with `labels` instead of what is masked: int32 or float32
`[rows, examples]`, bool `[rows, examples, classes]`, or of tagging int32 `[rows, length]` with float32 `label_weights`.
"""

import numpy as np

from bert_jax.data.batches import Batch
from bert_jax.tasks.tokenised import TokenisedTask
from bert_jax.text.vocabulary import Vocabulary


def kept_lengths(task: TokenisedTask, length: int) -> np.ndarray:
    """int64 `[examples, texts]`: tokens of each text that an example of `length` has room for.

    What is too long loses tokens at the end of the longer text, one at a time, of the second when both are as long:
    so do Google's `run_classifier.py` and, but for that tie, Hugging Face's fast tokenizers.
    """
    lengths = np.diff(task.offsets, axis=1)
    if lengths.shape[1] == 1:
        return np.minimum(lengths, length - 2)
    room = length - 3
    a, b = lengths.T
    # Each may have what the other leaves, and half of the room at least.
    return np.stack([np.minimum(a, np.maximum(room - b, (room + 1) // 2)),
                     np.minimum(b, np.maximum(room - a, room // 2))], axis=1)


def example_lengths(kept: np.ndarray) -> np.ndarray:
    """int64 `[examples]`: tokens of each example with its special tokens, from `kept_lengths`."""
    return kept.sum(axis=1) + kept.shape[1] + 1


def assemble(task: TokenisedTask, chosen: np.ndarray, kept: np.ndarray, row_of: np.ndarray, begins: np.ndarray,
             vocabulary: Vocabulary, length: int, rows: int, most: int) -> tuple[Batch, np.ndarray]:
    """A batch of these examples.

    Args:
        task: the tokens.
        chosen: int64 `[examples]`, which of them.
        kept: of all examples, see `kept_lengths`.
        row_of, begins: int64 `[examples]`, where each of the chosen ones goes, as `pack` says.
        length: of a row.
        rows: of the batch; those that nothing goes into are padding.
        most: examples for which a row has places.

    Returns:
        The batch, and int64 `[examples]`: the place of each example among those of its row.
    """
    place = _places(row_of, begins)
    batch = dict(
        input_ids=np.full((rows, length), vocabulary.pad, np.int32),
        token_type_ids=np.zeros((rows, length), np.int32),
        position_ids=np.zeros((rows, length), np.int32),
        segment_ids=np.zeros((rows, length), np.int32),
        example_positions=np.zeros((rows, most), np.int32),
        example_weights=np.zeros((rows, most), np.float32),
    )
    tagging = task.kind == "tagging"
    if tagging:
        labels = np.zeros((rows, length), np.int32)
        weights = np.zeros((rows, length), np.float32)
    else:
        labels = np.zeros((rows, most, *task.labels.shape[1:]), task.labels.dtype)
    for example, row, begin, number in zip(chosen, row_of, begins, place):
        at = begin
        batch["input_ids"][row, at] = vocabulary.cls
        for text, size in enumerate(kept[example]):
            source = slice(task.offsets[example, text], task.offsets[example, text] + size)
            batch["input_ids"][row, at + 1:at + 1 + size] = task.tokens[source]
            batch["input_ids"][row, at + 1 + size] = vocabulary.sep
            if text:
                batch["token_type_ids"][row, at + 1:at + 2 + size] = 1
            if tagging:
                labels[row, at + 1:at + 1 + size] = np.maximum(task.labels[source], 0)
                weights[row, at + 1:at + 1 + size] = task.labels[source] >= 0
            at += size + 1
        batch["position_ids"][row, begin:at + 1] = np.arange(at + 1 - begin)
        batch["segment_ids"][row, begin:at + 1] = number + 1
        batch["example_positions"][row, number] = begin
        batch["example_weights"][row, number] = 1
        if not tagging:
            labels[row, number] = task.labels[example]
    return batch | dict(labels=labels) | (dict(label_weights=weights) if tagging else {}), place


def _places(row_of: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """int64 `[examples]`: the number of each among the examples of its row, from where it begins."""
    order = np.lexsort((begins, row_of))
    starts = np.searchsorted(row_of[order], np.arange(row_of.max(initial=-1) + 1))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - starts[row_of[order]]
    return place
