"""Rows of whole sentences without a pair to tell apart: RoBERTa's FULL-SENTENCES and DOC-SENTENCES."""

import numpy as np

from bert_jax.data.instances import Instances, concatenated, groups, walk

SPECIAL_TOKENS = 2  # [CLS] A [SEP]


def plan_segments(
    sentence_offsets: np.ndarray, document_begin: np.ndarray, document_end: np.ndarray, *, length: int, crossing: bool,
) -> Instances:
    """Plans one pass over the corpus, each row as many whole sentences as it takes (Liu et al., 2019, section 4.2).

    A sentence that is longer than a row loses its end. Every pass is the same: only order and masks differ.

    Args:
        sentence_offsets: int64 `[sentences + 1]`, where each sentence begins in the tokens; rising strictly.
        document_begin: int64 `[documents]`, the first sentence of each document.
        document_end: int64 `[documents]`, one past its last.
        length: tokens of a row, special tokens included.
        crossing: a row that has room at the end of a document goes on with the next one, after a [SEP]; with one, where
            RoBERTa goes on with any number.

    Returns:
        Instances in the order of the corpus; B is the next document's beginning, or of length 0.
    """
    longest, counts = length - SPECIAL_TOKENS, document_end - document_begin

    def reach(begin, tokens, end):
        """The sentence up to which whole sentences from `begin` on fit into so many tokens."""
        whole = np.searchsorted(sentence_offsets, sentence_offsets[begin] + tokens, side="right") - 1
        return np.clip(whole, begin, end)

    def plan_some(numbers: np.ndarray) -> Instances:
        many = counts[numbers]
        place = np.repeat(np.arange(len(numbers)), many)  # of each sentence's document among these
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        begin, end = document_begin[numbers[place]] + within, document_end[numbers[place]]
        stop = np.maximum(reach(begin, longest, end), begin + 1)
        a_start = sentence_offsets[begin]
        a_length = np.minimum(sentence_offsets[stop] - a_start, longest)
        following = numbers[np.minimum(place + 1, len(numbers) - 1)]
        b_begin, room = document_begin[following], longest - 1 - a_length
        goes_on = crossing & (stop == end) & (place + 1 < len(numbers)) & (room > 0)
        b_stop = np.where(goes_on, reach(b_begin, np.maximum(room, 0), document_end[following]), b_begin)
        b_start = sentence_offsets[b_begin]
        at = walk(stop - begin + b_stop - b_begin)
        b_length = sentence_offsets[b_stop] - b_start
        return Instances(a_start[at], a_length[at].astype(np.int32), np.where(b_length > 0, b_start, 0)[at],
                         b_length[at].astype(np.int32), np.zeros(len(at), bool))

    return concatenated([plan_some(numbers) for numbers in groups(counts)])
