"""Rows of whole sentences: all of the corpus once, as full as may be, within a document or going on in the next."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_jax.config import MaskingConfig
from bert_jax.data import instances
from bert_jax.data.batches import masked_pairs
from bert_jax.data.segments import plan_segments
from bert_jax.text.vocabulary import Vocabulary
from tests.data.test_instances import arrays, corpora, ragged


@given(corpora, st.integers(5, 64), st.booleans())
@settings(max_examples=300, deadline=None)
def test_rows_are_all_of_the_corpus_in_order(documents, length, crossing):
    offsets, begin, end = arrays(documents)
    rows = plan_segments(offsets, begin, end, length=length, crossing=crossing)
    room = length - 2
    assert np.all(rows.a_length >= 1) and not rows.random_next.any()
    assert np.all(rows.a_length + np.where(rows.b_length > 0, rows.b_length + 1, 0) <= room)
    met = []
    for i in range(len(rows)):
        for start, size in ((rows.a_start[i], rows.a_length[i]), (rows.b_start[i], rows.b_length[i])):
            if size:
                sentence = int(np.searchsorted(offsets, start))
                assert offsets[sentence] == start
                many = max(int(np.searchsorted(offsets, start + size)) - sentence, 1)
                assert size == min(offsets[sentence + many] - start, room)
                assert len({int(np.searchsorted(end, s, side="right")) for s in range(sentence, sentence + many)}) == 1
                met += range(sentence, sentence + many)
                last = sentence + many
        # Nothing more would have fitted: neither of this document nor, where it ended there, of the next one.
        taken = rows.a_length[i] + (rows.b_length[i] + 1 if rows.b_length[i] else 0)
        if last < len(offsets) - 1:
            more = offsets[last + 1] - offsets[last]
            if last not in end:
                assert taken + more > room
            elif crossing and not rows.b_length[i]:
                assert taken + 1 + more > room
    assert met == list(range(len(offsets) - 1))
    assert crossing or not rows.b_length.any()


def test_groups_of_documents_change_nothing_within_documents(monkeypatch):
    offsets, begin, end = arrays(ragged(300))
    whole = plan_segments(offsets, begin, end, length=32, crossing=False)
    monkeypatch.setattr(instances, "_SENTENCES_AT_ONCE", 50)
    parts = plan_segments(offsets, begin, end, length=32, crossing=False)
    for name in whole.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


@pytest.mark.parametrize("crossing", [False, True])
def test_rows_have_one_type_and_a_separator_between_documents(crossing):
    vocabulary = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"))
    offsets, begin, end = arrays([[3, 2], [2]])
    tokens = np.arange(5, 12).astype(np.uint16)
    rows = plan_segments(offsets, begin, end, length=12, crossing=crossing)
    batch = masked_pairs(tokens, rows, np.arange(len(rows)).astype(np.uint64), 12, vocabulary, MaskingConfig(),
                         types=False)
    ids = batch["input_ids"].copy()
    ids[np.arange(len(ids))[:, None], batch["masked_positions"]] = np.where(
        batch["masked_weights"] > 0, batch["masked_ids"], ids[np.arange(len(ids))[:, None], batch["masked_positions"]])
    cls, sep, pad = vocabulary.cls, vocabulary.sep, vocabulary.pad
    first = [cls, 5, 6, 7, 8, 9, sep]
    expected = [[*first, 10, 11, sep, pad, pad]] if crossing else [
        [*first, *[pad] * 5], [cls, 10, 11, sep, *[pad] * 8]]
    assert ids.tolist() == expected and not batch["token_type_ids"].any()
    np.testing.assert_array_equal(batch["segment_ids"], ids != pad)
