"""Google's procedure that makes BERT's examples, one document and one token at a time.

It follows `create_pretraining_data.py` of google-research/bert, in plain Python and with one
generator for all choices. Tests compare distributions with it, and a benchmark compares speed.
"""

import itertools
import random
from collections.abc import Collection, Iterator
from typing import NamedTuple

SPECIAL_TOKENS = 3  # [CLS] A [SEP] B [SEP]

Document = list[list[int]]  # the token ids of its sentences


class Pair(NamedTuple):
    """An instance before masking."""

    document: int
    a: list[int]
    b: list[int]
    random_next: bool


def instances(
    documents: list[Document],
    *,
    length: int,
    short_rate: float,
    random_next_rate: float,
    draw: random.Random,
) -> Iterator[Pair]:
    """Yields the pairs of one pass over the documents.

    Args:
        documents: at least two; no sentence and no document is empty.
        length: tokens of a row, special tokens included.
        short_rate: share of documents that are cut to a random shorter target length.
        random_next_rate: share of chunks whose B is from another document.
        draw: generator of all choices.
    """
    longest = length - SPECIAL_TOKENS
    for number, document in enumerate(documents):
        target = draw.randint(2, longest) if draw.random() < short_rate else longest
        chunk, chunk_tokens, begin = [], 0, 0
        while begin < len(document):
            chunk.append(document[begin])
            chunk_tokens += len(document[begin])
            begin += 1
            if begin < len(document) and chunk_tokens < target:
                continue
            a_end = draw.randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
            a, b = joined(chunk[:a_end]), joined(chunk[a_end:])
            random_next = len(chunk) == 1 or draw.random() < random_next_rate
            if random_next:
                begin -= len(chunk) - a_end  # the sentences that B would have had are put back
                b = random_sentences(documents, number, target - len(a), draw)
            truncate(a, b, longest, draw)
            yield Pair(number, a, b, random_next)
            chunk, chunk_tokens = [], 0


def random_sentences(
    documents: list[Document], besides: int, tokens: int, draw: random.Random
) -> list[int]:
    """Returns sentences of another document, from a random one on: at least one, and more until
    they have so many tokens."""
    other = draw.randrange(len(documents) - 1)
    document = documents[other + (other >= besides)]
    result = []
    for sentence in document[draw.randrange(len(document)) :]:
        result += sentence
        if len(result) >= tokens:
            break
    return result


def truncate(a: list[int], b: list[int], longest: int, draw: random.Random) -> None:
    """Shortens the pair in place, a token at a time from the front or the back of the longer
    one."""
    while len(a) + len(b) > longest:
        longer = a if len(a) > len(b) else b
        longer.pop(0 if draw.random() < 0.5 else -1)


def row(pair: Pair, cls: int, sep: int) -> list[int]:
    return [cls, *pair.a, sep, *pair.b, sep]


def mask(
    row: list[int],
    *,
    special: Collection[int],
    rate: float,
    max_predictions: int,
    mask_share: float,
    random_share: float,
    mask_id: int,
    vocab_size: int,
    draw: random.Random,
    continuations: Collection[int] | None = None,
) -> tuple[list[int], list[int], list[int]]:
    """Returns the row with tokens hidden, and positions and ids of the hidden ones.

    Args:
        special: ids of [CLS] and [SEP].
        continuations: ids of tokens that continue the word before them, to mask whole words; None:
            single tokens are masked.
    """
    words: list[list[int]] = []
    for position, token in enumerate(row):
        if token in special:
            continue
        if continuations is not None and words and token in continuations:
            words[-1].append(position)
        else:
            words.append([position])
    draw.shuffle(words)
    wanted = min(max_predictions, max(1, round(len(row) * rate)))
    chosen: list[int] = []
    for word in words:
        if len(chosen) >= wanted:
            break
        if len(chosen) + len(word) <= wanted:
            chosen += word
    hidden = list(row)
    for position in chosen:
        share = draw.random()
        if share < mask_share:
            hidden[position] = mask_id
        elif share < mask_share + random_share:
            hidden[position] = draw.randrange(vocab_size)
    chosen.sort()
    return hidden, chosen, [row[position] for position in chosen]


def features(
    pair: Pair,
    hidden: list[int],
    positions: list[int],
    labels: list[int],
    length: int,
    max_predictions: int,
) -> dict[str, list]:
    """Returns a masked pair as Google's code writes it to disk for training, padded to a row."""
    row_padding, padding = [0] * (length - len(hidden)), [0] * (max_predictions - len(positions))
    return dict(
        input_ids=hidden + row_padding,
        input_mask=[1] * len(hidden) + row_padding,
        segment_ids=[0] * (len(pair.a) + 2) + [1] * (len(pair.b) + 1) + row_padding,
        masked_lm_positions=positions + padding,
        masked_lm_ids=labels + padding,
        masked_lm_weights=[1.0] * len(positions) + [0.0] * len(padding),
        next_sentence_labels=[int(pair.random_next)],
    )


def joined(sentences: Document) -> list[int]:
    return list(itertools.chain.from_iterable(sentences))
