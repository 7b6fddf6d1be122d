"""Statistics of a tokenised corpus, warnings about it, and its overlap with evaluation sets."""

from collections.abc import Iterator, Sequence

import numpy as np

from bert_jax.corpus.token_store import TokenStore, token_counts

_AT_ONCE = 1 << 22  # bounds memory and changes nothing
_BASE = np.uint64(0x9E3779B97F4A7C15)
SHORTEST, LONGEST = 8, 13  # tokens of an n-gram that tells of overlap


def of_store(store: TokenStore, length: int) -> dict:
    """Counts and shares of a store, as JSON can hold them.

    Args:
        length: tokens of a row: longer sentences are cut in any case.
    """
    counts = store.manifest["counts"]
    repeated = repeated_documents(store)
    sentences, of_documents = _histogram(store.sentence_offsets), _histogram(store.document_offsets)
    return dict(
        documents=counts["documents"],
        empty_documents=counts["empty_documents"],
        repeated_documents=len(repeated),
        repeated_tokens=int(_tokens_of(store, repeated).sum()),
        sentences=counts["sentences"],
        tokens=counts["tokens"],
        bytes_a_token=counts["text_bytes"] / max(counts["tokens"], 1),
        unknown_tokens=counts["unknown_tokens"] / max(counts["tokens"], 1),
        unused_vocabulary=int(np.sum(token_counts(store) == 0)),
        tokens_a_sentence=_percentiles(sentences),
        sentences_a_document=_percentiles(of_documents),
        sentences_longer_than_a_row=float(sentences[length - 1 :].sum() / max(sentences.sum(), 1)),
        documents_of_one_sentence=float(of_documents[:2].sum() / max(of_documents.sum(), 1)),
    )


def repeated_documents(store: TokenStore) -> np.ndarray:
    """int64: the numbers of documents whose tokens stand in an earlier document too."""
    _, first = np.unique(store.document_hashes, return_index=True)
    return np.setdiff1d(np.arange(len(store.document_hashes)), first, assume_unique=True)


def warnings_of(store: TokenStore, objectives: Sequence[str]) -> list[str]:
    """Returns warnings about a store, one sentence each; none for a clean one.

    Args:
        objectives: of the recipe.
    """
    counts, warnings = store.manifest["counts"], []
    documents, empty = counts["documents"], counts["empty_documents"]
    if empty:
        warnings.append(
            f"{empty:,} of {documents + empty:,} documents are empty; see corpus.text_feature and "
            "corpus.cleaning"
        )
    repeated = repeated_documents(store)
    share = _tokens_of(store, repeated).sum() / max(counts["tokens"], 1)
    if (
        share > 0.01
    ):  # a little is usual; Lee et al. (2021) find less memorised and better scores without
        warnings.append(
            f"{len(repeated):,} documents, {share:.1%} of the tokens, repeat others: deduplicate "
            f"the text"
        )
    unknown = counts["unknown_tokens"] / max(counts["tokens"], 1)
    if unknown > 0.01:  # well-matched vocabularies have a thousandth or less
        warnings.append(
            f"{unknown:.1%} of the tokens are [UNK]: the vocabulary is of other text or "
            f"characters; see "
            "tokenizer.vocab_file and tokenizer.vocab_characters"
        )
    alone = np.mean(np.diff(store.document_offsets) == 1)
    if alone > 0.5 and {"nsp", "sop"} & {*objectives}:
        warnings.append(
            f"{alone:.0%} of the documents are one sentence, which has no next one: "
            f"objectives=('mlm',), or "
            "check corpus.sentences and what separates documents"
        )
    return warnings


def ngrams(tokens: np.ndarray, n: int) -> np.ndarray:
    """uint64 `[tokens - n + 1]`: a hash of the n tokens that begin at each."""
    hashes = np.zeros(max(len(tokens) - n + 1, 0), np.uint64)
    with np.errstate(over="ignore"):
        for i in range(n):
            hashes *= _BASE
            hashes += tokens[i : i + len(hashes)].astype(np.uint64) + np.uint64(1)
        hashes ^= hashes >> np.uint64(32)
        return hashes * _BASE


def overlap(store: TokenStore, texts: Sequence[np.ndarray]) -> tuple[int, np.ndarray, np.ndarray]:
    """Finds the texts that have an n-gram in common with a store (Brown et al., 2020, appendix C).

    There n is the 5th percentile of the texts' lengths in words, from 8 to 13; here in tokens. A
    text that is shorter tells nothing.

    Args:
        texts: token ids of each.

    Returns:
        n; bool `[texts]`, which are long enough; and bool `[texts]`, which are found.
    """
    lengths = np.array([len(text) for text in texts])
    n = int(np.clip(np.percentile(lengths, 5), SHORTEST, LONGEST))
    hashes = [ngrams(text, n) for text in texts]
    whose = np.repeat(np.arange(len(texts)), [len(x) for x in hashes])
    wanted, places = np.unique(np.concatenate(hashes), return_inverse=True)
    met = np.zeros(len(wanted), bool)
    for here in _ngrams_of(store, n) if len(wanted) else ():
        nearest = np.minimum(np.searchsorted(wanted, here), len(wanted) - 1)
        met[nearest[wanted[nearest] == here]] = True
    overlapping = np.zeros(len(texts), bool)
    overlapping[whose[met[places]]] = True
    return n, lengths >= n, overlapping


def _ngrams_of(store: TokenStore, n: int) -> Iterator[np.ndarray]:
    """The hashes of a store's n-grams, a piece at a time; none runs over the end of a document."""
    ends = store.sentence_offsets[store.document_offsets[1:]]
    for begin in range(0, len(store.tokens), _AT_ONCE):
        hashes = ngrams(store.tokens[begin : begin + _AT_ONCE + n - 1], n)
        near = ends[np.searchsorted(ends, begin) : np.searchsorted(ends, begin + len(hashes) + n)]
        across = (near[:, None] - np.arange(1, n) - begin).ravel()
        within = np.ones(len(hashes), bool)
        within[across[(across >= 0) & (across < len(hashes))]] = False
        yield hashes[within]


def _tokens_of(store: TokenStore, documents: np.ndarray) -> np.ndarray:
    begin, end = store.document_offsets[documents], store.document_offsets[documents + 1]
    return store.sentence_offsets[end] - store.sentence_offsets[begin]


def _histogram(offsets: np.ndarray) -> np.ndarray:
    """Returns the number of parts of each length."""
    counts = np.zeros(1, np.int64)
    for begin in range(0, len(offsets) - 1, _AT_ONCE):
        some = np.bincount(np.diff(offsets[begin : begin + _AT_ONCE + 1]))
        counts, some = (
            np.pad(x, (0, max(len(counts), len(some)) - len(x))) for x in (counts, some)
        )
        counts = counts + some
    return counts


def _percentiles(histogram: np.ndarray) -> dict[str, int]:
    total = np.cumsum(histogram)

    def at(share: float) -> int:
        return int(np.searchsorted(total, share * total[-1]))

    return dict(median=at(0.5), p90=at(0.9), p99=at(0.99), longest=len(histogram) - 1)
