"""Rows of whole sentences without a pair to tell apart: RoBERTa's FULL-SENTENCES and
DOC-SENTENCES."""

import numpy as np

from bert_jax.pretraining.instances import Instances, concatenated, groups, walk

SPECIAL_TOKENS = 2  # [CLS] A [SEP]


def plan_segments(
    sentence_offsets: np.ndarray,
    document_begin: np.ndarray,
    document_end: np.ndarray,
    *,
    length: int,
    crossing: bool,
) -> Instances:
    """Plans one pass over the corpus, each row as many whole sentences as it takes (Liu et al.,
    2019, section 4.2).

    A sentence that is longer than a row loses its end. Every pass is the same: only order and masks
    differ.

    Args:
        sentence_offsets: int64 `[sentences + 1]`, where each sentence begins in the tokens; rising
            strictly.
        document_begin: int64 `[documents]`, the first sentence of each document.
        document_end: int64 `[documents]`, one past its last.
        length: tokens of a row, special tokens included.
        crossing: a row that has room at the end of a document goes on with the next ones, after a
            [SEP] each.

    Returns:
        Instances in the order of the corpus; B is what is of the next documents, one after the
        other, or of length 0.
    """
    longest, counts = length - SPECIAL_TOKENS, document_end - document_begin

    def plan_some(numbers: np.ndarray) -> Instances:
        many = counts[numbers]
        last = np.cumsum(many)
        document = np.repeat(np.arange(len(numbers)), many)  # of each sentence, among these
        at = np.arange(many.sum())
        sentence = document_begin[numbers[document]] + at - (last - many)[document]
        tokens = np.concatenate(
            [[0], np.cumsum(sentence_offsets[sentence + 1] - sentence_offsets[sentence])]
        )
        # What a row up to here takes: a token more for each document that it goes on to.
        stop = np.searchsorted(tokens[1:] + document, tokens[at] + document + longest, side="right")
        # Documents that are left out lie between others: a row ends before them.
        follows = np.flatnonzero(document_begin[numbers[1:]] != document_end[numbers[:-1]])
        run = np.searchsorted(follows, document)
        end = np.append(last[follows], len(at))[run] if crossing else last[document]
        stop = np.clip(stop, at + 1, end)
        a_stop = np.minimum(stop, last[document])
        b_length = tokens[stop] - tokens[a_stop]
        b_start = np.where(
            b_length > 0, sentence_offsets[sentence[np.minimum(a_stop, len(at) - 1)]], 0
        )
        met = walk(stop - at)
        return Instances(
            sentence_offsets[sentence][met],
            np.minimum(tokens[a_stop] - tokens[at], longest)[met].astype(np.int32),
            b_start[met],
            b_length[met].astype(np.int32),
            np.zeros(len(met), bool),
        )

    return concatenated([plan_some(numbers) for numbers in groups(counts)])
