import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_jax.corpus import statistics
from bert_jax.corpus.statistics import ngrams, of_store, overlap, warnings_of
from bert_jax.corpus.token_store import TokenStore


def made(documents, **counts) -> TokenStore:
    """A store of documents, which are lists of sentences, which are lists of ids."""
    sentences = [sentence for document in documents for sentence in document]
    tokens = np.array([token for sentence in sentences for token in sentence], np.uint16)

    def offsets(parts):
        return np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)

    counted = dict(
        documents=len(documents),
        empty_documents=0,
        sentences=len(sentences),
        tokens=len(tokens),
        unknown_tokens=0,
        text_bytes=5 * len(tokens),
    )
    hashes = [hash(str(document)) & 0xFFFFFFFF for document in documents]
    return TokenStore(
        Path("nowhere"),
        dict(counts=counted | counts, vocab_size=50),
        tokens,
        offsets(sentences),
        offsets(documents),
        np.array(hashes, np.uint64),
    )


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(statistics, "_AT_ONCE", 7)


def test_counts_are_those_of_counting_one_by_one(small_pieces):
    draw = np.random.default_rng(0)
    documents = [
        [draw.integers(0, 40, draw.integers(1, 30)).tolist() for _ in range(draw.integers(1, 9))]
        for _ in range(50)
    ] + [[[1, 2]], [[1, 2]], [[1, 2]]]
    found = of_store(made(documents, empty_documents=2, unknown_tokens=3), length=20)
    sentences = sorted(len(sentence) for document in documents for sentence in document)
    assert found["repeated_documents"] == 2 and found["repeated_tokens"] == 4
    assert found["tokens"] == sum(sentences) and found["bytes_a_token"] == 5
    assert found["unused_vocabulary"] == 50 - len({t for d in documents for s in d for t in s})
    assert found["tokens_a_sentence"] == dict(
        median=int(np.percentile(sentences, 50, method="inverted_cdf")),
        p90=int(np.percentile(sentences, 90, method="inverted_cdf")),
        p99=int(np.percentile(sentences, 99, method="inverted_cdf")),
        longest=sentences[-1],
    )
    assert found["sentences_longer_than_a_row"] == pytest.approx(np.mean(np.array(sentences) >= 19))
    assert found["documents_of_one_sentence"] == pytest.approx(
        np.mean([len(d) == 1 for d in documents])
    )
    json.dumps(found)


CLEAN = [[[i, i + 1], [2, 3]] for i in range(30)]


def test_a_clean_corpus_warns_of_nothing():
    assert warnings_of(made(CLEAN), ("mlm", "nsp")) == []


@pytest.mark.parametrize(
    "store, said",
    [
        (made(CLEAN, empty_documents=1), "1 of 31 documents are empty"),
        (made(CLEAN + CLEAN[:5]), "5 documents, 14.3% of the tokens, repeat others"),
        (made(CLEAN, unknown_tokens=5), r"4.2% of the tokens are \[UNK\]"),
        (made(CLEAN + [[[i, 9]] for i in range(40)]), "57% of the documents are one sentence"),
    ],
)
def test_what_is_wrong_is_said(store, said):
    (found,) = warnings_of(store, ("mlm", "nsp"))
    assert re.search(said, found)
    assert len(warnings_of(store, ("mlm",))) == ("one sentence" not in said)


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 6))
def test_hashes_are_equal_where_ngrams_are(tokens, n):
    hashes = ngrams(np.array(tokens, np.uint16), n)
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    assert len(hashes) == len(grams) and len(set(hashes.tolist())) == len(set(grams))


@given(st.data())
def test_overlap_is_that_of_sets(data):
    sentences = st.lists(st.integers(0, 1), min_size=1, max_size=12)
    documents = data.draw(
        st.lists(st.lists(sentences, min_size=1, max_size=3), min_size=1, max_size=5)
    )
    texts = data.draw(st.lists(st.lists(st.integers(0, 1), max_size=20), min_size=1, max_size=6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "_AT_ONCE", 7)
        n, long, found = overlap(made(documents), [np.array(text, np.int64) for text in texts])
    assert 8 <= n <= 13

    def grams(tokens):
        return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}

    there = set().union(
        *(grams([token for sentence in document for token in sentence]) for document in documents)
    )
    assert found.tolist() == [bool(grams(text) & there) for text in texts]
    assert long.tolist() == [len(text) >= n for text in texts]
