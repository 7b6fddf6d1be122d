"""Inputs of the model for each example: truncated texts, windows over long ones, a pair for each
choice."""

import dataclasses

import numpy as np

from bert_jax.config import TaskConfig
from bert_jax.tasks.tokenised import TokenisedTask

QUESTION_STRIDE = 128  # tokens from one window to the next, in Google's code


@dataclasses.dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs of the model, in the order of the examples that they are of; made by `inputs_of`.

    Attributes:
        task: the tokens.
        row_length: tokens of a row, into which each input fits.
        begins, lengths: int64 `[inputs, texts]`, where each text of an input begins in
            `task.tokens`, and how many of these are given. Of a question with choices these are as
            many pairs, one after the other.
        examples: int64 `[inputs]`, the example that each is of; of tagging the document or
            sentence.
        labels: what `task.labels` has for each; of spans the first and last token of the answer,
            counted from the input's [CLS], which stands for no answer here. None of tagging, whose
            tokens have labels.
        counted: int64 `[inputs, 2]`, of windows the tokens of `task`, from one to the one before
            the other, of which this window sees most around: a token counts in one window alone.
            None where there is none.
        truncated: examples that lost tokens.
    """

    task: TokenisedTask
    row_length: int
    begins: np.ndarray
    lengths: np.ndarray
    examples: np.ndarray
    labels: np.ndarray | None
    counted: np.ndarray | None
    truncated: int

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def sizes(self) -> np.ndarray:
        """int64 `[inputs]`: tokens with special ones, [CLS] and a [SEP] after each text."""
        return self.lengths.sum(axis=1) + self.lengths.shape[1] + self.task.choices


def inputs_of(task: TokenisedTask, config: TaskConfig) -> Inputs:
    """The inputs of a task's examples, by `length`, `stride` and what else the recipe says of
    windows."""
    if task.kind == "tagging":
        return _windows_of_words(task, config)
    if task.kind == "span":
        return _windows_of_contexts(task, config)
    of_pairs = task.lengths.reshape(len(task) * task.choices, -1)
    kept = kept_lengths(of_pairs, config.length).reshape(len(task), -1)
    return Inputs(
        task,
        config.length * task.choices,
        task.begins,
        kept,
        np.arange(len(task)),
        task.labels,
        None,
        int(np.sum((kept < task.lengths).any(axis=1))),
    )


def kept_lengths(lengths: np.ndarray, length: int) -> np.ndarray:
    """int64 `[examples, texts]`: tokens of each text, of those that it has, for which there is room
    in `length`.

    What is too long loses tokens at the end of the longer text, one at a time, of the second when
    both are as long: so do Google's `run_classifier.py` and, but for that tie, Hugging Face's fast
    tokenizers.
    """
    if lengths.shape[1] == 1:
        return np.minimum(lengths, length - 2)
    room = length - 3
    a, b = lengths.T
    # Each may have what the other leaves, and half of the room at least.
    return np.stack(
        [
            np.minimum(a, np.maximum(room - b, (room + 1) // 2)),
            np.minimum(b, np.maximum(room - a, room // 2)),
        ],
        axis=1,
    )


def windows(lengths: np.ndarray, rooms: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, ...]:
    """Windows over texts: each a step after the one before, the last one ending with the text.

    Args:
        lengths: int64 `[texts]`, tokens of each.
        rooms: int64 `[texts]`, most tokens of a window.
        steps: int64 `[texts]`, from 1 to the room.

    Returns:
        int64 `[windows]` each: the text; where the window begins in it; its tokens; and the first
        and the one after the last of those that count in it: of which it has more tokens on the
        nearer side than any other window, a hundredth of all its tokens added
        (`_check_is_max_context` of Google's code); if as many, the earlier window.
    """
    counts = 1 + np.maximum(-(-(lengths - rooms) // steps), 0)
    of = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = number * steps[of]
    sizes = np.minimum(rooms[of], lengths[of] - begins)
    is_last = number == counts[of] - 1
    # Two windows change places in the middle of what they share, but for what a shorter last one
    # loses by its length: it loses all that both have if it goes on for less than that.
    following, shorter = np.append(begins[1:], 0), sizes - np.append(sizes[1:], 0)
    middle = (100 * (following + begins + sizes - 1) + shorter) // 200 + 1
    goes_on = np.append((begins + sizes)[1:], 0) - (begins + sizes)
    shared = np.where(100 * goes_on > shorter, np.minimum(middle, begins + sizes), begins + sizes)
    ends = np.where(is_last, lengths[of], shared)
    firsts = np.where(number == 0, 0, np.append(0, ends[:-1]))
    return of, begins, sizes, firsts, ends


def _windows_of_words(task: TokenisedTask, config: TaskConfig) -> Inputs:
    begins, lengths = task.begins[:, 0], task.lengths[:, 0]
    if config.context == "document" and task.documents is not None:
        firsts = np.flatnonzero(np.diff(task.documents, prepend=task.documents[0] - 1))
        begins, lengths = begins[firsts], np.add.reduceat(lengths, firsts)
    room = config.length - 2
    step = _step(config, np.full(len(begins), room), room // 2)
    of, at, sizes, first, end = windows(lengths, np.full(len(begins), room), step)
    counted = begins[of][:, None] + np.stack([first, end], axis=1)
    return Inputs(
        task, config.length, (begins[of] + at)[:, None], sizes[:, None], of, None, counted, 0
    )


def _windows_of_contexts(task: TokenisedTask, config: TaskConfig) -> Inputs:
    questions = np.minimum(task.lengths[:, 0], min(config.max_question_length, config.length - 4))
    rooms = config.length - 3 - questions
    of, at, sizes, first, end = windows(
        task.lengths[:, 1], rooms, _step(config, rooms, QUESTION_STRIDE)
    )
    begins = np.stack([task.begins[of, 0], task.begins[of, 1] + at], axis=1)
    answers = task.labels[of].astype(np.int64) - at[:, None]
    inside = (task.labels[of, 0] >= 0) & (answers[:, 0] >= 0) & (answers[:, 1] < sizes)
    before = questions[of] + 2  # [CLS], the question and [SEP]
    labels = np.where(inside[:, None], answers + before[:, None], 0).astype(np.int32)
    counted = task.begins[of, 1][:, None] + np.stack([first, end], axis=1)
    return Inputs(
        task,
        config.length,
        begins,
        np.stack([questions[of], sizes], axis=1),
        of,
        labels,
        counted,
        int(np.sum(questions < task.lengths[:, 0])),
    )


def _step(config: TaskConfig, rooms: np.ndarray, usual: int) -> np.ndarray:
    stride = config.stride or usual
    return np.clip(rooms - stride if config.stride_is == "overlap" else stride, 1, rooms)
