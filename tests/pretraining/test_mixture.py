import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.config import Config, CorpusConfig, InstancesConfig
from bert_jax.corpus.selected import corpora_of
from bert_jax.corpus.token_store import TokenStore
from bert_jax.errors import UserError
from bert_jax.pretraining.mixture import MixedSource, examples_of_each, training_source
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *map(str, range(200))))


def made_up_store(first: int, documents: int) -> TokenStore:
    """Every token is its document's number, from `first` on, after the special tokens."""
    draw = np.random.default_rng(first)
    sentences = draw.integers(2, 12, documents)
    lengths = draw.integers(1, 15, sentences.sum())
    tokens = np.repeat(np.repeat(first + np.arange(documents), sentences), lengths) + len(
        SPECIAL_TOKENS
    )
    document_offsets, sentence_offsets = (
        np.concatenate([[0], np.cumsum(x)]) for x in (sentences, lengths)
    )
    return TokenStore(
        Path("nowhere"),
        {},
        tokens.astype(np.uint16),
        sentence_offsets,
        document_offsets,
        np.arange(documents, dtype=np.uint64),
    )


STORES = {"a": made_up_store(0, 60), "b/x": made_up_store(60, 40), "c": made_up_store(100, 30)}


def mixed(amounts=(1.0, 2.0, 0.5), mixing="epochs", seed=0, stores=STORES) -> MixedSource:
    corpus = CorpusConfig(mixture=tuple(zip(stores, amounts)), mixing=mixing)
    config = dataclasses.replace(
        Config(), corpus=corpus, seed=seed, instances=InstancesConfig(length=32)
    )
    return training_source(stores, VOCABULARY, config)


def corpus_of(batch) -> np.ndarray:
    """The number of the corpus of each row, from a token of it that is not masked."""
    ids = np.where(
        batch["input_ids"] < len(SPECIAL_TOKENS), -1, batch["input_ids"] - len(SPECIAL_TOKENS)
    )
    masked = np.zeros_like(ids, bool)
    np.put_along_axis(masked, batch["masked_positions"], batch["masked_weights"] > 0, 1)
    seen = np.where(masked, -1, ids).max(1)
    return np.digitize(seen, [60, 100])


def test_an_epoch_has_as_much_of_each_as_is_said():
    source = mixed()
    lengths = [len(one) for one in source._sources]
    assert [n for n, _ in source.shares()] == [lengths[0], 2 * lengths[1], round(lengths[2] / 2)]
    numbers = np.arange(len(source))
    for epoch in range(2):
        found = corpus_of(source.batch(epoch * len(source) + numbers))
        assert np.bincount(found).tolist() == [n for n, _ in source.shares()]
        assert len(set(found[:20])) == 3  # and not one after the other


def test_within_a_corpus_examples_come_in_its_own_order():
    """Those of an epoch of a mixture that takes two passes are the corpus's own first two epochs,
    in turn."""
    source = mixed()
    rows = {
        name: x[corpus_of(source.batch(np.arange(len(source)))) == 1]
        for name, x in source.batch(np.arange(len(source))).items()
    }
    alone = source._sources[1]
    expected = alone.batch(np.arange(2 * len(alone)))
    for name, x in expected.items():
        np.testing.assert_array_equal(rows[name], x, name)
    after = source.batch(len(source) + np.arange(len(source)))
    np.testing.assert_array_equal(
        after["input_ids"][corpus_of(after) == 1],
        alone.batch(2 * len(alone) + np.arange(2 * len(alone)))["input_ids"],
    )


def test_a_batch_depends_on_its_numbers_alone():
    source, again = mixed(), mixed()
    numbers = np.random.default_rng(0).integers(0, 3 * len(source), 40)
    numbers[[3, 17]] = -1
    whole = source.batch(numbers)
    assert whole["segment_ids"][[3, 17]].sum() == 0 and np.all(
        whole["input_ids"][3] == VOCABULARY.pad
    )
    for part in (slice(30, 40), slice(0, 7), slice(3, 4)):
        for name, x in again.batch(numbers[part]).items():
            np.testing.assert_array_equal(x, whole[name][part], name)
            assert x.dtype == whole[name].dtype
    assert not np.array_equal(mixed(seed=1).batch(numbers)["input_ids"], whole["input_ids"])


def test_the_others_leave_a_corpus_as_it_is():
    fewer = mixed((1.0, 2.0), stores={name: STORES[name] for name in ("a", "b/x")})
    numbers = np.arange(5)
    for i in range(2):
        np.testing.assert_array_equal(
            fewer._sources[i].batch(numbers)["input_ids"],
            mixed()._sources[i].batch(numbers)["input_ids"],
        )


def test_weights_and_smoothed_shares():
    corpus = CorpusConfig(mixture=(("a", 3.0), ("b", 1.0)), mixing="weights")
    assert examples_of_each(corpus, [100, 900]).tolist() == [750, 250]
    smoothed = CorpusConfig(mixture=(("en", 1.0), ("is", 1.0)), mixing="smoothed")
    # The notes on multilingual BERT: English at 21% of the text would go down; here two languages,
    # by hand.
    wanted = np.array([0.9, 0.1]) ** 0.7
    assert (
        examples_of_each(smoothed, [9000, 1000]).tolist()
        == np.rint(wanted / wanted.sum() * 10000).tolist()
    )
    assert examples_of_each(
        dataclasses.replace(smoothed, smoothing=1.0), [9000, 1000]
    ).tolist() == [9000, 1000]
    assert examples_of_each(corpus, [1, 1]).tolist() == [2, 1]  # none is left out altogether


def test_each_corpus_has_keys_of_its_own():
    corpus = CorpusConfig(
        language="en", data_dir="d", mixture=(("a", 1), ("b", 1, dict(language="de")))
    )
    found = corpora_of(corpus)
    assert found["a"] == CorpusConfig(name="a", data_dir="d") and found["b"].language == "de"
    with pytest.raises(UserError, match="corpus.language, perhaps"):
        corpora_of(CorpusConfig(mixture=(("a", 1, dict(langage="de")),)))


@pytest.mark.parametrize(
    "mixture, name, said",
    [
        ((("a",),), "", "pg19"),
        ((("a", 0.0),), "", "amounts above 0"),
        ((("a/b", 1), ("a-b", 2)), "", "each corpus once"),
        ((("a", 1, "de"),), "", "pg19"),
        ((("a", 1),), "b", "config.corpus.name"),
    ],
)
def test_what_is_no_mixture_is_refused(recipe, mixture, name, said):
    recipe.corpus.mixture, recipe.corpus.name = mixture, name
    with pytest.raises(UserError, match=said):
        configs.resolve(recipe)
