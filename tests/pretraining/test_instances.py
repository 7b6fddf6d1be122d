import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks import google_procedure
from bert_jax.errors import UserError
from bert_jax.pretraining import instances
from bert_jax.pretraining.instances import SPECIAL_TOKENS, plan_pairs

ARGUMENTS = dict(length=32, short_rate=0.1, random_next_rate=0.5, seed=0, version=0)

corpora = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=8), min_size=2, max_size=8)


def arrays(documents: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where sentences begin, and where documents do and end, of documents of sentence lengths."""
    sentences = np.concatenate([[0], np.cumsum([n for document in documents for n in document])])
    counts = np.array([len(document) for document in documents], int)
    return sentences.astype(int), counts.cumsum() - counts, counts.cumsum()


def plan(documents: list[list[int]], **arguments):
    return plan_pairs(*arrays(documents), **ARGUMENTS | arguments)


def fields(pairs) -> dict[str, list]:
    return {name: getattr(pairs, name).tolist() for name in pairs.__dataclass_fields__}


def ragged(documents: int, seed: int = 0) -> list[list[int]]:
    """Documents of one sentence among them, and sentences of one token or longer than a row."""
    draw = random.Random(seed)
    return [
        [
            min(1 + int(draw.lognormvariate(1.8, 0.9)), 60)
            for _ in range(draw.choice([1, 2, 3, 5, 9, 20]))
        ]
        for _ in range(documents)
    ]


@given(
    corpora,
    st.integers(5, 64),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(0, 3),
    st.integers(0, 3),
)
@settings(max_examples=300, deadline=None)
def test_pairs_are_a_walk_through_every_document(
    documents, length, short_rate, random_next_rate, seed, version
):
    offsets, begin, end = arrays(documents)
    pairs = plan_pairs(
        offsets,
        begin,
        end,
        length=length,
        short_rate=short_rate,
        random_next_rate=random_next_rate,
        seed=seed,
        version=version,
    )
    longest = length - SPECIAL_TOKENS
    total = pairs.a_length + pairs.b_length
    assert pairs.a_length.min() >= 1 and pairs.b_length.min() >= 1 and total.max() <= longest
    assert (
        pairs.a_length.dtype == pairs.b_length.dtype == np.int32 and pairs.a_start.dtype == np.int64
    )

    def sentence_and_document(token):
        sentence = np.searchsorted(offsets, token, side="right") - 1
        return sentence, np.searchsorted(end, sentence, side="right")

    first_a, document = sentence_and_document(pairs.a_start)
    last_a, document_a = sentence_and_document(pairs.a_start + pairs.a_length - 1)
    first_b, of_b = sentence_and_document(pairs.b_start)
    last_b, document_b = sentence_and_document(pairs.b_start + pairs.b_length - 1)
    assert np.array_equal(document, document_a) and np.array_equal(of_b, document_b)
    assert np.array_equal(document != of_b, pairs.random_next)
    own = ~pairs.random_next
    assert np.all(first_b[own] > last_a[own])

    # Pairs that are not full were not truncated: whole sentences, from where the pair before
    # stopped.
    next_sentence, exactly = begin.copy(), np.ones(len(begin), bool)
    for i, d in enumerate(document):
        assert first_a[i] >= next_sentence[d]
        if total[i] < longest:
            assert first_a[i] == next_sentence[d] or not exactly[d]
            assert (
                pairs.a_start[i] == offsets[first_a[i]] and pairs.b_start[i] == offsets[first_b[i]]
            )
            assert pairs.random_next[i] or first_b[i] == last_a[i] + 1
            assert pairs.b_start[i] + pairs.b_length[i] == offsets[last_b[i] + 1]
        next_sentence[d] = (last_b if own[i] else last_a)[i] + 1
        exactly[d] = total[i] < longest
    assert np.all((next_sentence == end) | ~exactly)
    assert set(document) == set(range(len(documents)))
    assert np.all(np.diff(document) >= 0)


@given(corpora, st.integers(0, 5))
@settings(deadline=None)
def test_without_truncation_every_sentence_is_covered_once(documents, version):
    # Rows longer than any chunk with a random B: nothing is cut off, so A and own B tile the
    # corpus.
    pairs = plan(documents, length=2000, short_rate=1.0, version=version)
    starts = np.concatenate([pairs.a_start, pairs.b_start[~pairs.random_next]])
    lengths = np.concatenate([pairs.a_length, pairs.b_length[~pairs.random_next]])
    order = np.argsort(starts)
    assert np.all(pairs.a_length + pairs.b_length < 1997)
    assert starts[order][0] == 0
    assert np.array_equal(starts[order][1:], (starts + lengths)[order][:-1])
    assert (starts + lengths).max() == arrays(documents)[0][-1]


@given(corpora)
@settings(deadline=None)
def test_the_same_arguments_give_the_same_plan(documents):
    assert fields(plan(documents)) == fields(plan(documents))


def test_the_plan_does_not_depend_on_how_many_are_planned_at_once(monkeypatch):
    documents = ragged(100)
    whole = fields(plan(documents))
    for at_once in (1, 7, 100):
        monkeypatch.setattr(instances, "_SENTENCES_AT_ONCE", at_once)
        assert fields(plan(documents)) == whole


def test_another_version_or_seed_gives_another_plan():
    documents = ragged(100)
    changes = ({}, dict(version=1), dict(version=2), dict(seed=1))
    plans = [fields(plan(documents, **change)) for change in changes]
    assert all(one != other for i, one in enumerate(plans) for other in plans[:i])


def test_documents_need_not_lie_side_by_side():
    documents = ragged(60)
    offsets, begin, end = arrays(documents)
    kept = np.arange(60) % 3 != 0
    pairs = plan_pairs(offsets, begin[kept], end[kept], **ARGUMENTS)
    together = plan([d for d, keep in zip(documents, kept, strict=True) if keep])
    assert pairs.a_length.tolist() == together.a_length.tolist()
    assert pairs.random_next.tolist() == together.random_next.tolist()
    tokens = np.repeat(np.repeat(kept, end - begin), np.diff(offsets))
    for start, length in ((pairs.a_start, pairs.a_length), (pairs.b_start, pairs.b_length)):
        assert all(tokens[s : s + n].all() for s, n in zip(start, length, strict=True))


def test_take():
    pairs = plan(ragged(20))
    some = pairs.take(np.array([3, 0, 3]))
    assert fields(some) == {
        name: [values[3], values[0], values[3]] for name, values in fields(pairs).items()
    }


def test_a_chunk_of_one_sentence_gets_a_random_next_sentence():
    assert plan([[30], [30], [40, 40]], random_next_rate=0.0).random_next.all()
    assert not plan([[5, 5, 5], [5, 5]], random_next_rate=0.0, short_rate=0.0).random_next.any()


@pytest.mark.parametrize("documents", [[], [[3, 4]]])
def test_fewer_than_two_documents_are_refused(documents):
    with pytest.raises(UserError, match=f"found:    {len(documents)} document"):
        plan_pairs(*arrays(documents), **ARGUMENTS)


def google(documents: list[list[int]], seed: int, **arguments) -> dict[str, np.ndarray]:
    """The reference's pairs as our fields: a token's id is its place in the corpus."""
    tokens = iter(range(10**9))
    corpus = [[[next(tokens) for _ in range(n)] for n in document] for document in documents]
    pairs = list(google_procedure.instances(corpus, **arguments, draw=random.Random(seed)))
    return dict(
        a_start=np.array([pair.a[0] for pair in pairs]),
        a_length=np.array([len(pair.a) for pair in pairs]),
        b_start=np.array([pair.b[0] for pair in pairs]),
        b_length=np.array([len(pair.b) for pair in pairs]),
        random_next=np.array([pair.random_next for pair in pairs]),
    )


def statistics(documents: list[list[int]], pairs: dict, longest: int) -> dict[str, np.ndarray]:
    """What two procedures have to agree on: numbers, whose mean over many passes is compared."""
    offsets, begin, end = arrays(documents)
    own, total = ~pairs["random_next"], pairs["a_length"] + pairs["b_length"]
    edges = np.unique(np.linspace(1, longest, 13).astype(int))

    def shares(values):
        return np.histogram(values, [*edges, longest + 1])[0] / len(total)

    def off_sentence_starts(starts):
        return starts - offsets[np.searchsorted(offsets, starts, side="right") - 1]

    full = total == longest
    sentence = np.searchsorted(offsets, pairs["b_start"], side="right") - 1
    document = np.searchsorted(end, sentence, side="right")
    place = ((sentence - begin[document]) / (end - begin)[document])[~own]
    found = dict(
        instances=[len(total)],
        random_next=[np.mean(~own)],
        full=[np.mean(full)],
        a_length=shares(pairs["a_length"]),
        b_length=shares(pairs["b_length"]),
        total=shares(total),
        own_b_length=shares(pairs["b_length"][own]),
        random_b_length=shares(pairs["b_length"][~own]),
        random_document=np.histogram(document[~own], 10, (0, len(documents)))[0] / np.sum(~own),
        random_sentence=[place.mean(), np.mean(place == 0)],
        uneven=[np.mean(np.abs(pairs["a_length"] - pairs["b_length"])[full] <= 1)],
    )
    # How far the front cuts into a sentence: its mean and, for the coins to be independent, its
    # spread.
    fronts = [off_sentence_starts(pairs[name])[full] for name in ("a_start", "b_start")]
    for name, front in zip("ab", fronts, strict=True):
        found[f"{name}_front"] = [
            np.mean(front > 0),
            np.mean(front),
            np.mean(front**2),
            np.mean(front == 1),
        ]
    found["both_fronts"] = [
        np.mean(fronts[0] * fronts[1]),
        np.mean((fronts[0] == fronts[1]) & (fronts[0] > 0)),
    ]
    return {name: np.asarray(values, float) for name, values in found.items()}


@pytest.mark.parametrize(
    "arguments",
    [
        dict(length=32, short_rate=0.1, random_next_rate=0.5),
        pytest.param(dict(length=64, short_rate=0.5, random_next_rate=0.3), marks=pytest.mark.full),
        dict(length=9, short_rate=1.0, random_next_rate=0.8),
    ],
    ids=str,
)
def test_distributions_are_those_of_googles_procedure(arguments):
    documents, passes = ragged(200), 100
    longest = arguments["length"] - SPECIAL_TOKENS
    ours = [
        statistics(documents, vars(plan(documents, seed=1, version=v, **arguments)), longest)
        for v in range(passes)
    ]
    theirs = [
        statistics(documents, google(documents, v, **arguments), longest) for v in range(passes)
    ]
    # Passes are independent where pairs of a document are not, so it is their means that are
    # compared.
    for name in ours[0]:
        one, other = (np.stack([each[name] for each in side]) for side in (ours, theirs))
        alike = (one == one[0]).all(axis=0) & (other == one[0]).all(axis=0)
        p = stats.ttest_ind(one[:, ~alike], other[:, ~alike], equal_var=False).pvalue
        assert p.size == 0 or p.min() > 1e-3 / p.size, (name, p)


@given(corpora, st.integers(5, 64), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_pairs_in_order_stand_together_and_half_are_turned(documents, length, seed):
    offsets, begin, end = arrays(documents)
    arguments = ARGUMENTS | dict(length=length, seed=seed, kind="sentence_order", short_rate=0.0)
    try:
        pairs = plan_pairs(offsets, begin, end, **arguments)
    except UserError as error:
        assert "no two sentences" in str(error)
        return
    first = np.where(pairs.random_next, pairs.b_start, pairs.a_start)
    middle = np.where(pairs.random_next, pairs.a_start, pairs.b_start)
    assert np.all(first < middle) and np.all(np.minimum(pairs.a_length, pairs.b_length) >= 1)
    assert np.all(pairs.a_length + pairs.b_length <= length - SPECIAL_TOKENS)
    of_document = np.searchsorted(offsets[end], [first, middle, middle], side="right")
    assert np.all(of_document == of_document[0])
    assert np.all(np.diff(first) > 0)
    # The second one begins with a sentence, unless its front was cut to make room: nothing tells
    # which it is.
    whole = pairs.a_length + pairs.b_length < length - SPECIAL_TOKENS
    assert np.all(np.isin(first[whole], offsets)) and np.all(np.isin(middle[whole], offsets))


def test_half_of_the_pairs_are_turned():
    pairs = plan(ragged(500), kind="sentence_order")
    assert stats.binomtest(int(pairs.random_next.sum()), len(pairs), 0.5).pvalue > 1e-4
    assert len(plan([[5, 4]], kind="sentence_order")) == 1  # no other document is needed
    other = plan(ragged(500), kind="sentence_order", version=1)
    assert not np.array_equal(other.random_next[:200], pairs.random_next[:200])


def test_single_sentences_in_pairs():
    documents = ragged(200)
    offsets, begin, end = arrays(documents)
    pairs = plan(documents, kind="sentence_pair", length=512)
    a, b = (np.searchsorted(offsets, x) for x in (pairs.a_start, pairs.b_start))
    for start, length, sentence in (
        (pairs.a_start, pairs.a_length, a),
        (pairs.b_start, pairs.b_length, b),
    ):
        np.testing.assert_array_equal(offsets[sentence], start)
        np.testing.assert_array_equal(offsets[sentence + 1] - start, length)
    document_a, document_b = (np.searchsorted(end, x, side="right") for x in (a, b))
    np.testing.assert_array_equal(document_a != document_b, pairs.random_next)
    np.testing.assert_array_equal(b[~pairs.random_next], a[~pairs.random_next] + 1)
    assert set(a) | set(b[~pairs.random_next]) == set(
        range(len(offsets) - 1)
    )  # every sentence is met
