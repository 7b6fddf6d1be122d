"""Which sentences make a row: Google's sentence pairs, planned a whole epoch at a time from lengths alone.

Google's `create_pretraining_data.py` walks through a document and cuts it into chunks of about a target
length; a chunk is cut again into segments A and B, and half the time B is replaced by sentences of another
document, whereupon the walk goes back to the sentences that B did not use. The walk is sequential in a
document but independent across documents, so here all documents take their n-th step at the same time, in
numpy. No token is looked at: an instance is four numbers that say where its tokens lie in the store.
"""

from dataclasses import dataclass

import numpy as np

from bert_jax.data import randomness
from bert_jax.errors import UserError

SPECIAL_TOKENS = 3  # [CLS] A [SEP] B [SEP]


@dataclass(frozen=True)
class Instances:
    """Sentence pairs as ranges of the store's tokens; all arrays are `[instances]`."""

    a_start: np.ndarray  # int64
    a_length: np.ndarray  # int32, at least 1
    b_start: np.ndarray  # int64
    b_length: np.ndarray  # int32, at least 1
    random_next: np.ndarray  # bool: B is from another document

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
) -> Instances:
    """Plans one pass over the corpus for masked language modelling and next-sentence prediction.

    Args:
        sentence_offsets: int64 `[sentences + 1]`, where each sentence begins in the tokens; rising strictly.
        document_begin: int64 `[documents]`, the first sentence of each document.
        document_end: int64 `[documents]`, one past its last.
        length: tokens of a row, the three special tokens included.
        short_rate: share of documents whose target length is drawn from 2 to the longest.
        random_next_rate: share of chunks whose B is taken from another document. A chunk of one sentence has
            no B of its own and always gets a random one.
        seed, version: what the plan is a function of; another version is another epoch or duplicate.

    Returns:
        Instances in the order of documents and, within a document, of the walk.

    Raises:
        UserError: there are fewer than two documents, so no other one to draw from.
    """
    documents = len(document_begin)
    if documents < 2:
        raise UserError(
            "the corpus is too small for next-sentence prediction",
            found=f"{documents} document(s)",
            expected="at least 2, so that a random next sentence can come from another one",
            hint="check that blank lines (format 'sentences') or files (format 'documents') separate documents",
        )
    longest = length - SPECIAL_TOKENS
    walk_key = randomness.bits(randomness.key(seed, "instances"), version, np.arange(documents))
    target = np.where(
        randomness.uniform(randomness.bits(walk_key, 0)) < short_rate,
        2 + randomness.below(randomness.bits(walk_key, 1), longest - 1),
        longest,
    )

    at = document_begin.astype(np.int64)
    active = np.flatnonzero(at < document_end)
    steps = []
    while active.size:
        begin, end, want = at[active], document_end[active], target[active]
        draws = randomness.bits(walk_key[active], begin - document_begin[active] + 2)
        stop = _reach(sentence_offsets, begin, end, want)
        sentences = stop - begin
        a_stop = begin + 1 + randomness.below(randomness.bits(draws, 0), np.maximum(sentences - 1, 1))
        random_next = (sentences == 1) | (randomness.uniform(randomness.bits(draws, 1)) < random_next_rate)

        other = randomness.below(randomness.bits(draws, 2), documents - 1)
        other += other >= active
        other_begin, other_end = document_begin[other], document_end[other]
        b_begin = other_begin + randomness.below(randomness.bits(draws, 3), other_end - other_begin)
        a_tokens = sentence_offsets[a_stop] - sentence_offsets[begin]
        b_stop = _reach(sentence_offsets, b_begin, other_end, want - a_tokens)

        steps.append((
            begin,
            a_stop,
            np.where(random_next, b_begin, a_stop),
            np.where(random_next, b_stop, stop),
            random_next,
        ))
        at[active] = np.where(random_next, a_stop, stop)
        active = active[at[active] < end]

    a_begin, a_stop, b_begin, b_stop, random_next = map(np.concatenate, zip(*steps))
    walk = np.argsort(a_begin)
    a_begin, a_stop, b_begin, b_stop, random_next = (
        x[walk] for x in (a_begin, a_stop, b_begin, b_stop, random_next))
    return _truncate(
        sentence_offsets[a_begin], sentence_offsets[a_stop] - sentence_offsets[a_begin],
        sentence_offsets[b_begin], sentence_offsets[b_stop] - sentence_offsets[b_begin],
        random_next, longest, randomness.bits(randomness.key(seed, "truncation"), version))


def _reach(offsets: np.ndarray, begin: np.ndarray, end: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """The sentence before which at least `tokens` tokens lie from `begin` on; at least one on, at most `end`."""
    stop = np.searchsorted(offsets, offsets[begin] + np.maximum(tokens, 1))
    return np.minimum(stop, end)


def _truncate(a_start, a_length, b_start, b_length, random_next, longest: int, key) -> Instances:
    """Shortens pairs to `longest` tokens as Google does: a token at a time off the longer segment (off B when
    they are equal), from its front or its back by the toss of a coin."""
    excess = np.maximum(a_length + b_length - longest, 0)
    uneven = np.abs(a_length - b_length)
    even = np.maximum(excess - uneven, 0)  # what is left to remove once both are equally long
    from_longer = np.minimum(excess, uneven)
    from_a = np.where(a_length > b_length, from_longer, 0) + even // 2
    from_b = np.where(a_length > b_length, 0, from_longer) + (even + 1) // 2
    cut = np.flatnonzero(excess)
    cut_key = randomness.bits(key, cut)
    a_start, b_start = a_start.copy(), b_start.copy()
    a_start[cut] += randomness.heads(randomness.bits(cut_key, 0), from_a[cut])
    b_start[cut] += randomness.heads(randomness.bits(cut_key, 1), from_b[cut])
    return Instances(
        a_start, (a_length - from_a).astype(np.int32), b_start, (b_length - from_b).astype(np.int32), random_next)
