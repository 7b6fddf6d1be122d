"""Planning of rows: Google's sentence pairs, planned a whole epoch at a time from lengths alone.

Google's `create_pretraining_data.py` walks through a document and cuts it into chunks of about a
target length; a chunk is cut again into segments A and B, and half the time B is replaced by
sentences of another document, whereupon the walk goes back to the sentences that B did not use.
Here each choice is a function of the sentence where its chunk begins. So numpy makes the choices
for all sentences, as if a chunk began at each, and what is left of the walk is to follow where one
chunk says that the next begins. No token is looked at: an instance is four numbers that say where
its tokens lie in the store.
"""

from dataclasses import dataclass

import numpy as np

from bert_jax.batching import randomness
from bert_jax.errors import UserError

SPECIAL_TOKENS = 3  # [CLS] A [SEP] B [SEP]
_SENTENCES_AT_ONCE = 1 << 16  # bounds the memory of a plan and changes nothing in it


@dataclass(frozen=True)
class Instances:
    """Sentence pairs as ranges of the store's tokens; arrays are `[instances]`. Where there is no B
    its length is 0."""

    a_start: np.ndarray  # int64
    a_length: np.ndarray  # int32, at least 1
    b_start: np.ndarray  # int64
    b_length: np.ndarray  # int32
    random_next: np.ndarray  # bool: B is from another document, or of sentence order before A

    def __len__(self) -> int:
        return len(self.a_start)

    def take(self, indices: np.ndarray) -> "Instances":
        return Instances(*(getattr(self, name)[indices] for name in self.__dataclass_fields__))


def plan_pairs(
    sentence_offsets: np.ndarray,
    document_begin: np.ndarray,
    document_end: np.ndarray,
    *,
    length: int,
    short_rate: float,
    random_next_rate: float,
    seed: int,
    version: int,
    kind: str = "segment_pair",
) -> Instances:
    """Plans one pass over the corpus for masked language modelling and next-sentence or
    sentence-order prediction.

    Args:
        sentence_offsets: int64 `[sentences + 1]`, where each sentence begins in the tokens; rising
            strictly.
        document_begin: int64 `[documents]`, the first sentence of each document.
        document_end: int64 `[documents]`, one past its last.
        length: tokens of a row, the three special tokens included.
        short_rate: share of documents whose target length is drawn from 2 to the longest.
        random_next_rate: share of chunks whose B is taken from another document. A chunk of one
            sentence has no B of its own and always gets a random one.
        seed, version: what the plan is a function of; another version is another epoch or
            duplicate.
        kind: 'segment_pair'; 'sentence_pair', of two single sentences (Liu et al., 2019, section
            4.2); or 'sentence_order', where B always follows A in the text and half of the pairs
            are turned round (Lan et al., 2019). A chunk of one sentence is left out then.

    Returns:
        Instances in the order of documents and, within a document, of the walk.

    Raises:
        UserError: there are fewer than two documents, so no other one to draw from; or no pair in
            order.
    """
    documents = len(document_begin)
    in_order, single = kind == "sentence_order", kind == "sentence_pair"
    if documents < 2 and not in_order:
        raise UserError(
            "the corpus is too small for next-sentence prediction",
            found=f"{documents} document(s)",
            expected="at least 2, so that a random next sentence can come from another one",
            hint="check that blank lines (format 'sentences') or files (format 'documents') "
            "separate documents",
        )
    longest = length - SPECIAL_TOKENS
    key = randomness.bits(randomness.key(seed, "instances"), version)
    counts = document_end - document_begin

    def plan_some(numbers: np.ndarray) -> Instances:
        """The pairs of the documents with these numbers, in order."""
        walk_key = randomness.bits(key, numbers)
        target = np.where(
            randomness.uniform(randomness.bits(walk_key, 0)) < short_rate,
            2 + randomness.below(randomness.bits(walk_key, 1), longest - 1),
            longest,
        )
        # For every sentence, the chunk that would begin at it.
        many = counts[numbers]
        document, walk_key, want = (np.repeat(x, many) for x in (numbers, walk_key, target))
        within = np.arange(len(document)) - np.repeat(np.cumsum(many) - many, many)
        begin = document_begin[document] + within
        draws = randomness.bits(walk_key, within + 2)
        stop = np.searchsorted(sentence_offsets, sentence_offsets[begin] + want)
        stop = np.minimum(begin + 2 if single else stop, document_end[document])
        sentences = stop - begin
        a_stop = (
            begin + 1 + randomness.below(randomness.bits(draws, 0), np.maximum(sentences - 1, 1))
        )
        random_next = (sentences == 1) | (
            randomness.uniform(randomness.bits(draws, 1)) < random_next_rate
        )
        if in_order:
            at = walk(sentences)
            return _in_order(sentence_offsets, begin[at], a_stop[at], stop[at], draws[at], longest)

        # Of these the ones that there are, and only for them B from elsewhere.
        at = walk(np.where(random_next, a_stop, stop) - begin)
        document, want, begin, draws, stop, a_stop, random_next = (
            x[at] for x in (document, want, begin, draws, stop, a_stop, random_next)
        )
        other = randomness.below(randomness.bits(draws, 2), documents - 1)
        other += other >= document
        b_begin = document_begin[other] + randomness.below(randomness.bits(draws, 3), counts[other])
        a_start = sentence_offsets[begin]
        a_length = sentence_offsets[a_stop] - a_start
        b_stop = (
            b_begin + 1
            if single
            else _reach(sentence_offsets, b_begin, document_end[other], want - a_length)
        )
        b_start = sentence_offsets[np.where(random_next, b_begin, a_stop)]
        b_length = sentence_offsets[np.where(random_next, b_stop, stop)] - b_start
        return _truncate(a_start, a_length, b_start, b_length, random_next, longest, draws)

    planned = concatenated([plan_some(numbers) for numbers in groups(counts)])
    if not len(planned):
        raise UserError(
            "the corpus has no two sentences that follow each other",
            found="documents of one sentence",
            expected="some with more, for sentence order",
            hint="another --config.instances.kind",
        )
    return planned


def groups(counts: np.ndarray) -> list[np.ndarray]:
    """The numbers of documents in groups of about as many sentences; `counts` `[documents]` are
    their sentences."""
    group = np.cumsum(counts) // _SENTENCES_AT_ONCE
    return np.split(np.arange(len(counts)), np.flatnonzero(np.diff(group)) + 1)


def concatenated(parts: list[Instances]) -> Instances:
    """All of them, one after the other."""
    return Instances(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in Instances.__dataclass_fields__
        )
    )


def _in_order(
    offsets: np.ndarray,
    begin: np.ndarray,
    a_stop: np.ndarray,
    stop: np.ndarray,
    draws: np.ndarray,
    longest: int,
) -> Instances:
    """Pairs of what stands together, half of them turned round. One sentence alone has no order,
    and a cut within it would show: a segment that begins in the middle of a word is the second
    one."""
    several = stop - begin > 1
    start, middle, end, draws = (
        x[several]
        for x in (offsets[begin], offsets[np.minimum(a_stop, stop)], offsets[stop], draws)
    )
    turned = randomness.uniform(randomness.bits(draws, 1)) < 0.5
    a_start, a_end = np.where(turned, middle, start), np.where(turned, end, middle)
    b_start, b_end = np.where(turned, start, middle), np.where(turned, middle, end)
    return _truncate(a_start, a_end - a_start, b_start, b_end - b_start, turned, longest, draws)


def walk(strides: np.ndarray) -> np.ndarray:
    """The places that are met from 0 on, where each says how far on the next is."""
    strides, end, places, at = strides.tolist(), len(strides), [], 0
    while at < end:
        places.append(at)
        at += strides[at]
    return np.array(places, np.int64)


def _reach(
    offsets: np.ndarray, begin: np.ndarray, end: np.ndarray, tokens: np.ndarray
) -> np.ndarray:
    """The sentence before which at least `tokens` tokens lie from `begin` on; one on or more, at
    most `end`."""
    # No sentence is empty, so it is near: a search among all offsets would leave the cache each
    # time.
    low, high = begin + 1, np.minimum(begin + np.maximum(tokens, 1), end)
    enough = offsets[begin] + tokens
    while np.any(low < high):
        middle = (low + high) // 2
        reached = offsets[middle] >= enough
        low, high = (
            np.where(reached, low, np.minimum(middle + 1, high)),
            np.where(reached, middle, high),
        )
    return low


def _truncate(
    a_start: np.ndarray,
    a_length: np.ndarray,
    b_start: np.ndarray,
    b_length: np.ndarray,
    random_next: np.ndarray,
    longest: int,
    keys: np.ndarray,
) -> Instances:
    """Shortens pairs to `longest` tokens as Google does: a token at a time off the longer segment
    (off B when they are equal), from its front or its back by the toss of a coin."""
    excess = np.maximum(a_length + b_length - longest, 0)
    uneven = np.abs(a_length - b_length)
    even = np.maximum(excess - uneven, 0)  # what is left to remove once both are equally long
    from_longer = np.minimum(excess, uneven)
    from_a = np.where(a_length > b_length, from_longer, 0) + even // 2
    from_b = np.where(a_length > b_length, 0, from_longer) + (even + 1) // 2
    return Instances(
        a_start + randomness.heads(randomness.bits(keys, 4), from_a),
        (a_length - from_a).astype(np.int32),
        b_start + randomness.heads(randomness.bits(keys, 5), from_b),
        (b_length - from_b).astype(np.int32),
        random_next,
    )
