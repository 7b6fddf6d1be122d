"""Inputs of a task as batches: with special tokens, several in a row.

The arrays are those of `bert_jax.pretraining.batches`, with `labels` instead of what is masked:
int32 or float32 `[rows, examples]`; bool `[rows, examples, classes]`; of spans int32 `[rows,
examples, 2]`, positions in the row; of choices int32 `[rows, questions]`, whose choices are
examples that stand together; or of tagging int32 `[rows, length]` with float32 `label_weights`.
"""

import numpy as np

from bert_jax.batching import Batch
from bert_jax.tasks.inputs import Inputs
from bert_jax.text.vocabulary import Vocabulary


def assemble(
    inputs: Inputs,
    chosen: np.ndarray,
    row_of: np.ndarray,
    begins: np.ndarray,
    vocabulary: Vocabulary,
    rows: int,
    most: int,
) -> tuple[Batch, np.ndarray]:
    """A batch of these inputs.

    Args:
        inputs: all of them.
        chosen: int64 `[chosen]`, which.
        row_of, begins: int64 `[chosen]`, where each of the chosen ones goes, as `pack` says.
        vocabulary: gives the special tokens.
        rows: of the batch; those that nothing goes into are padding.
        most: inputs for which a row has places.

    Returns:
        The batch, and int64 `[chosen]`: the place of each input among those of its row.
    """
    task, length, choices = inputs.task, inputs.row_length, inputs.task.choices
    place = _places(row_of, begins)
    examples = (rows, most * choices)
    batch = dict(
        input_ids=np.full((rows, length), vocabulary.pad, np.int32),
        token_type_ids=np.zeros((rows, length), np.int32),
        position_ids=np.zeros((rows, length), np.int32),
        segment_ids=np.zeros((rows, length), np.int32),
        example_positions=np.zeros(examples, np.int32),
        example_weights=np.zeros(examples, np.float32),
    )
    tagging = inputs.labels is None
    if tagging:
        batch |= dict(
            labels=np.zeros((rows, length), np.int32),
            label_weights=np.zeros((rows, length), np.float32),
        )
    else:
        batch["labels"] = np.zeros((rows, most, *inputs.labels.shape[1:]), inputs.labels.dtype)
    for number, row, begin, at_place in zip(chosen, row_of, begins, place):
        at = begin
        of_choices = zip(
            np.split(inputs.begins[number], choices), np.split(inputs.lengths[number], choices)
        )
        for example, (sources, sizes) in enumerate(of_choices, at_place * choices):
            first = at
            batch["input_ids"][row, at] = vocabulary.cls
            for text, (source, size) in enumerate(zip(sources, sizes)):
                batch["input_ids"][row, at + 1 : at + 1 + size] = task.tokens[
                    source : source + size
                ]
                batch["input_ids"][row, at + 1 + size] = vocabulary.sep
                if text:
                    batch["token_type_ids"][row, at + 1 : at + 2 + size] = 1
                if tagging:
                    labels, counted = (
                        task.labels[source : source + size],
                        inputs.counted[number] - source,
                    )
                    batch["labels"][row, at + 1 : at + 1 + size] = np.maximum(labels, 0)
                    weights = batch["label_weights"][row, at + 1 : at + 1 + size]
                    weights[slice(*counted)] = labels[slice(*counted)] >= 0
                at += size + 1
            at += 1
            batch["position_ids"][row, first:at] = np.arange(at - first)
            batch["segment_ids"][row, first:at] = example + 1
            batch["example_positions"][row, example] = first
        batch["example_weights"][row, at_place * choices] = (
            1  # a question counts once, whatever its choices
        )
        if task.kind == "span":
            batch["labels"][row, at_place] = begin + inputs.labels[number]
        elif not tagging:
            batch["labels"][row, at_place] = inputs.labels[number]
    return batch, place


def _places(row_of: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """int64 `[inputs]`: the number of each among the inputs of its row, from where it begins."""
    order = np.lexsort((begins, row_of))
    starts = np.searchsorted(row_of[order], np.arange(row_of.max(initial=-1) + 1))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - starts[row_of[order]]
    return place
