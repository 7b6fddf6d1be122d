"""Rows of whole sentences: all of the corpus once, as full as may be, within a document or going on
in the next."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_jax.config import MaskingConfig
from bert_jax.pretraining import instances
from bert_jax.pretraining.batches import masked_pairs
from bert_jax.pretraining.segments import plan_segments
from bert_jax.text.vocabulary import Vocabulary
from tests.pretraining.test_instances import arrays, corpora, ragged


def one_by_one(offsets, begin, end, length, crossing):
    """The rows, each a list of documents' ranges of tokens, by taking sentence after sentence."""
    documents = list(zip(begin, end))
    rows, row, taken = [], [], 0

    def close():
        nonlocal row, taken
        if row:
            rows.append(row)
        row, taken = [], 0

    for number, (first, last) in enumerate(documents):
        if not crossing or (number and first != documents[number - 1][1]):
            close()
        for sentence in range(first, last):
            size = offsets[sentence + 1] - offsets[sentence]
            new = bool(sentence == first and row)
            if row and taken + size + new > length - 2:
                close()
                new = False
            if new or not row:
                row.append([offsets[sentence], offsets[sentence]])
            taken += size + new
            row[-1][1] += size
    close()
    return rows


@given(corpora, st.integers(5, 64), st.booleans(), st.data())
@settings(max_examples=300, deadline=None)
def test_rows_are_those_of_taking_sentences_one_by_one(documents, length, crossing, data):
    offsets, begin, end = arrays(documents)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(begin), max_size=len(begin))))
    if keep.any():
        begin, end = begin[keep], end[keep]
    rows = plan_segments(offsets, begin, end, length=length, crossing=crossing)
    expected = one_by_one(offsets, begin, end, length, crossing)
    assert len(rows) == len(expected) and not rows.random_next.any()
    for i, parts in enumerate(expected):
        (start, stop), *others = parts
        assert (rows.a_start[i], rows.a_length[i]) == (start, min(stop - start, length - 2))
        assert rows.b_length[i] == sum(stop - start for start, stop in others)
        if others:
            assert rows.b_start[i] == others[0][0]


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
    offsets, begin, end = arrays([[3, 2], [2], [1, 1]])
    tokens = np.arange(5, 14).astype(np.uint16)
    rows = plan_segments(offsets, begin, end, length=14, crossing=crossing)
    batch = masked_pairs(
        tokens,
        rows,
        np.arange(len(rows)).astype(np.uint64),
        14,
        vocabulary,
        MaskingConfig(),
        types=False,
        document_ends=offsets[end],
    )
    ids = batch["input_ids"].copy()
    ids[np.arange(len(ids))[:, None], batch["masked_positions"]] = np.where(
        batch["masked_weights"] > 0,
        batch["masked_ids"],
        ids[np.arange(len(ids))[:, None], batch["masked_positions"]],
    )
    cls, sep, pad = vocabulary.cls, vocabulary.sep, vocabulary.pad
    first = [cls, 5, 6, 7, 8, 9, sep]
    expected = (
        [[*first, 10, 11, sep, 12, 13, sep, pad]]
        if crossing
        else [
            [*first, *[pad] * 7],
            [cls, 10, 11, sep, *[pad] * 10],
            [cls, 12, 13, sep, *[pad] * 10],
        ]
    )
    assert ids.tolist() == expected and not batch["token_type_ids"].any()
    np.testing.assert_array_equal(batch["segment_ids"], ids != pad)
    assert not np.isin(batch["masked_ids"][batch["masked_weights"] > 0], [cls, sep, pad]).any()
