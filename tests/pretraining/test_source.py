import dataclasses
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bert_jax.config import Config, InstancesConfig
from bert_jax.corpus.token_store import TokenStore
from bert_jax.errors import UserError
from bert_jax.pretraining.source import PairSource, without_documents
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *map(str, range(2000))))
ROWS = 16


def made_up_store(documents: int = 40, seed: int = 0) -> TokenStore:
    """Every token says which document it is of: its id is the document's number, after the special
    tokens."""
    draw = np.random.default_rng(seed)
    sentences = draw.integers(1, 12, documents)
    lengths = draw.integers(1, 15, sentences.sum())
    document_offsets, sentence_offsets = (
        np.concatenate([[0], np.cumsum(x)]) for x in (sentences, lengths)
    )
    tokens = np.repeat(np.repeat(np.arange(documents), sentences), lengths) + len(SPECIAL_TOKENS)
    return TokenStore(
        Path("nowhere"),
        {},
        tokens.astype(np.uint16),
        sentence_offsets,
        document_offsets,
        np.arange(documents, dtype=np.uint64) + 1000,
    )


STORE = made_up_store()


def recipe(duplicates: int = 0, seed: int = 0) -> Config:
    instances = InstancesConfig(length=32, duplicates=duplicates)
    return dataclasses.replace(Config(), seed=seed, instances=instances)


def source(keep=None, store=STORE, **changes) -> PairSource:
    return PairSource(store, VOCABULARY, recipe(**changes), keep)


def assert_same(one: dict, other: dict):
    assert one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name], other[name]) and one[name].dtype == other[name].dtype, name


def rows_of(batch: dict, rows) -> dict:
    return {name: x[rows] for name, x in batch.items()}


def unmasked(batch: dict) -> list[tuple]:
    """Each row's ids before masking: what the pair is."""
    ids = batch["input_ids"].copy()
    predictions = (batch[f"masked_{name}"] for name in ("positions", "ids", "weights"))
    for row, at, labels, weights in zip(ids, *predictions, strict=True):
        row[at[weights > 0]] = labels[weights > 0]
    return [tuple(row) for row in ids.tolist()]


def test_examples_do_not_depend_on_what_is_asked_beside_or_before_them():
    one, n = source(), len(source())
    examples = np.arange(3 * n)
    whole = one.batch(examples)
    for seed in range(5):
        some = np.random.default_rng(seed).permutation(examples)[:ROWS]
        assert_same(one.batch(some), rows_of(whole, some))
        assert_same(source().batch(some), rows_of(whole, some))
    assert_same(one.batch(np.array([5, 5, 5])), rows_of(whole, [5, 5, 5]))


def test_a_resumed_run_sees_the_batches_of_one_that_went_on():
    went_on = source()
    steps = range(3 * len(went_on) // ROWS)
    batches = [went_on.batch(step * ROWS + np.arange(ROWS)) for step in steps]
    for step in (0, 1, len(steps) // 2, len(steps) - 1):
        assert_same(source().batch(step * ROWS + np.arange(ROWS)), batches[step])


@pytest.mark.parametrize("parts", [1, 2, 4, 16])
def test_rows_of_hosts_make_up_the_whole(parts):
    whole = source().batch(100 + np.arange(ROWS))
    hosts = [source().batch(100 + rows) for rows in np.split(np.arange(ROWS), parts)]
    assert_same({name: np.concatenate([host[name] for host in hosts]) for name in whole}, whole)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 0], [9, 8, 0, 4, 9], [3, 2, 1, 0]])
def test_epochs_may_be_taken_in_any_order(order):
    one, n = source(), len(source())
    for epoch in order:
        assert_same(
            one.batch(epoch * n + np.arange(ROWS)), source().batch(epoch * n + np.arange(ROWS))
        )


def test_a_batch_may_span_epochs():
    one, n = source(), len(source())
    for examples in (np.arange(n - 5, n + 5), np.array([n + 1, 0, 5 * n, n, 1])):
        rows = [one.batch(np.array([example])) for example in examples]
        assert_same(
            one.batch(examples),
            {name: np.concatenate([row[name] for row in rows]) for name in rows[0]},
        )


def test_an_epoch_takes_every_pair_once_and_the_next_ones_are_others():
    one, n = source(), len(source())
    epochs = [unmasked(one.batch(epoch * n + np.arange(n))) for epoch in range(3)]
    planned = [one._plan(epoch)[0] for epoch in range(3)]
    for epoch, pairs in enumerate(planned):
        longer = max(n, len(pairs))
        numbers = one._plan(epoch)[1][np.arange(n) % len(pairs)]
        assert len(set(numbers.tolist())) == min(n, len(pairs)) >= 0.9 * longer
        assert not np.array_equal(numbers, np.sort(numbers))
    assert len(planned[0]) == n and len(set(map(len, planned))) > 1
    # Another order, other pairs and other masks.
    assert epochs[0] != epochs[1] and sorted(epochs[0]) != sorted(epochs[1])
    covered = {row[1] for row in epochs[0]}
    assert covered == set(range(len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + 40))


def test_shuffling_is_global():
    one, n = source(store=made_up_store(500)), len(source(store=made_up_store(500)))
    documents = np.array([row[1] for row in unmasked(one.batch(np.arange(n)))])
    # Neighbours of a shuffled epoch are seldom of one document, and no part of it is of a part of
    # the corpus.
    assert np.mean(documents[1:] == documents[:-1]) < 0.02
    for part in np.array_split(documents, 5):
        assert abs(np.mean(part < 255) - np.mean(documents < 255)) < 0.06


def test_label_0_is_the_next_segment_and_1_a_random_one():
    """As Google's code has it: `next_sentence_label = 1` if `is_random_next`, else 0."""
    batch = source().batch(np.arange(400))
    labels, lengths = batch["next_sentence_labels"][:, 0], batch["segment_ids"].sum(1)
    for ids, types, length, label in zip(
        np.array(unmasked(batch)), batch["token_type_ids"], lengths, labels, strict=True
    ):
        document_of_a, document_of_b = (
            set(ids[:length][types[:length] == segment].tolist()) - set(range(len(SPECIAL_TOKENS)))
            for segment in (0, 1)
        )
        assert len(document_of_a) == len(document_of_b) == 1
        assert label == (document_of_a != document_of_b)
    assert 100 < labels.sum() < 300


def test_duplicates_are_versions_in_turn_with_masks_that_stay():
    def examples(one, epoch):
        batch = one.batch(epoch * len(one) + np.arange(len(one)))
        return sorted(
            zip(unmasked(batch), map(tuple, batch["input_ids"].tolist()), strict=True)
        ), batch

    one = source(duplicates=2)
    epochs = [examples(one, epoch) for epoch in range(4)]
    assert epochs[0][0] == epochs[2][0] and epochs[0][0] != epochs[1][0]
    # Version 1 is a little longer or shorter than epoch 0: the few pairs that an epoch leaves out
    # differ.
    assert len(set(epochs[1][0]) & set(epochs[3][0])) > 0.9 * len(set(epochs[1][0]))
    assert not np.array_equal(epochs[0][1]["input_ids"], epochs[2][1]["input_ids"])
    fresh = source()
    assert examples(fresh, 0)[0] == epochs[0][0] and examples(fresh, 2)[0] != epochs[2][0]


def test_masks_change_from_epoch_to_epoch():
    # Two documents of one sentence: their pairs are the same in every epoch, but the masks are not.
    store = dataclasses.replace(
        STORE,
        tokens=np.full(20, 7, np.uint16),
        document_offsets=np.array([0, 1, 2]),
        sentence_offsets=np.array([0, 10, 20]),
    )
    one = source(store=store)
    assert len(one) == 2
    assert len({tuple(row) for row in one.batch(np.arange(40))["masked_positions"].tolist()}) > 20
    static = source(store=store, duplicates=1).batch(np.arange(40))["masked_positions"]
    assert len({tuple(row) for row in static.tolist()}) == 2


def test_batches_stay_as_they_are():
    # A change here changes every batch of every run: no run could be resumed or repeated.
    batch = source(seed=7).batch(np.array([5, 800, -1]))
    content = b"".join(batch[name].astype("<i4").tobytes() for name in sorted(batch))
    assert hashlib.sha256(content).hexdigest()[:16] == "22d56d333831d60f"


def test_other_seeds_give_other_examples():
    one, other = (unmasked(source(seed=seed).batch(np.arange(100))) for seed in (0, 1))
    assert sorted(one) != sorted(other)


def test_documents_that_are_not_kept_are_never_seen():
    keep = np.arange(40) % 3 != 0
    one = source(keep)
    batch = one.batch(np.arange(4 * len(one)))
    ids = np.array(unmasked(batch))
    documents = np.unique(ids[ids >= len(SPECIAL_TOKENS)]) - len(SPECIAL_TOKENS)
    assert documents.tolist() == np.flatnonzero(keep).tolist()


def test_padding_rows():
    one = source()
    examples = np.array([-1, 3, -1, 700, 0, -1])
    batch, real = one.batch(examples), examples >= 0
    assert_same(rows_of(batch, real), one.batch(examples[real]))
    assert not any(batch[name][~real].any() for name in batch)
    # The last share of a held-out split can be all padding on some hosts.
    nothing = one.batch(np.full(6, -1))
    assert not any(x.any() for x in nothing.values())
    assert [(k, x.shape, x.dtype) for k, x in nothing.items()] == [
        (k, x.shape, x.dtype) for k, x in batch.items()
    ]


def test_threads_get_what_one_thread_gets():
    one, n = source(), len(source())
    examples = [np.random.default_rng(i).integers(0, 6 * n, ROWS) for i in range(60)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(source().batch, examples))
    for batch, asked in zip(together, examples, strict=True):
        assert_same(batch, one.batch(asked))


def test_threads_that_lag_behind_find_their_epoch():
    # While one thread goes on to the epochs after, others still ask for the one before.
    one, n = source(), len(source())
    first = one.batch(np.arange(ROWS))
    for epoch in range(1, 5):
        one.batch(epoch * n + np.arange(n - ROWS, n + ROWS))
        assert_same(one.batch(np.arange(ROWS)), first)


def test_the_next_epoch_is_planned_ahead_and_old_plans_are_dropped(monkeypatch):
    planned = []
    plan = PairSource._plan
    monkeypatch.setattr(
        PairSource, "_plan", lambda self, epoch: planned.append(epoch) or plan(self, epoch)
    )
    one = source()
    n = len(one)
    one.batch(np.arange(ROWS))
    assert planned == [0]
    one.batch(n // 2 + np.arange(ROWS))
    assert list(one._epochs) == [0, 1]
    for start in range(0, 4 * n, ROWS):
        one.batch(start + np.arange(ROWS))
        assert len(one._epochs) <= 2
    one._planner.shutdown()
    assert planned == [0, 1, 2, 3, 4]


def test_without_documents():
    held_out, training = (
        dataclasses.replace(STORE, document_hashes=np.array(x, np.uint64))
        for x in ([5, 6, 7, 5], [1, 7, 2**64 - 1])
    )
    assert without_documents(held_out, training.document_hashes).tolist() == [
        True,
        True,
        False,
        True,
    ]
    assert without_documents(training, held_out.document_hashes).tolist() == [True, False, True]
    with pytest.raises(UserError, match="all 4 documents"):
        without_documents(held_out, held_out.document_hashes)


def test_too_few_documents_are_refused():
    with pytest.raises(UserError, match="too small"):
        source(keep=np.arange(40) == 7)
