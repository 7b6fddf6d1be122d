"""Several corpora in one run: how many examples of each there are, and all of them as one
sequence."""

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_jax.batching import Batch, randomness
from bert_jax.config import Config, CorpusConfig
from bert_jax.corpus.token_store import TokenStore
from bert_jax.pretraining import batches
from bert_jax.pretraining.source import PairSource
from bert_jax.text.vocabulary import Vocabulary


def examples_of_each(corpus: CorpusConfig, lengths: Sequence[int]) -> np.ndarray:
    """int64 `[corpora]`: how many examples of each an epoch of the mixture takes; at least one.

    Args:
        corpus: whose `mixture` has an amount for each, and whose `mixing` says what an amount is.
        lengths: examples of an epoch of each by itself.
    """
    amounts = np.array([amount for _, amount, *_ in corpus.mixture])
    lengths = np.array(lengths, np.float64)
    if corpus.mixing == "epochs":
        wanted = amounts * lengths
    else:
        # Devlin's notes on multilingual BERT: shares to the power of 0.7 let small languages in,
        # large ones less.
        weights = (
            amounts * (lengths / lengths.sum()) ** corpus.smoothing
            if corpus.mixing == "smoothed"
            else amounts
        )
        wanted = weights / weights.sum() * lengths.sum()
    return np.maximum(np.rint(wanted), 1).astype(np.int64)


class MixedSource:
    """The examples of several corpora in one random order, numbered from 0 through all epochs.

    Which corpus comes when is shuffled anew each epoch; within a corpus examples come in its own
    order, so that it goes through epochs of its own, and its examples are the same whatever stands
    beside it.

    Args:
        sources: one a corpus.
        examples: int64 `[corpora]`, examples of each in an epoch.
        seed: of the order.
        pad: id of padding.
    """

    def __init__(self, sources: Sequence[PairSource], examples: np.ndarray, seed: int, pad: int):
        self._sources, self._examples, self._pad = sources, examples, pad
        self._key = randomness.key(seed, "mixture")
        self._orders: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Examples of an epoch of the mixture."""
        return int(self._examples.sum())

    def shares(self) -> list[tuple[int, float]]:
        """Returns for each corpus its number of examples in an epoch of the mixture, and the number
        of passes over it that they are."""
        return [(int(n), n / len(source)) for source, n in zip(self._sources, self._examples)]

    def batch(self, examples: np.ndarray, rate: float | None = None) -> Batch:
        """As `PairSource.batch`."""
        corpus, number = np.full(len(examples), -1), np.full(len(examples), -1)
        epochs, places = np.divmod(examples, len(self))
        for epoch in map(int, np.unique(epochs[examples >= 0])):
            here = (epochs == epoch) & (examples >= 0)
            whose, which = self._order(epoch)
            corpus[here] = whose[places[here]]
            number[here] = epoch * self._examples[corpus[here]] + which[places[here]]
        found: Any = None
        for i, source in enumerate(self._sources):
            rows = corpus == i
            if rows.any() or (
                found is None and i == len(self._sources) - 1
            ):  # of a batch that is all padding too
                batch = batches.with_padding_rows(source.batch(number[rows], rate), rows, self._pad)
                found = (
                    batch
                    if found is None
                    else {
                        name: np.where(rows.reshape(-1, *[1] * (x.ndim - 1)), batch[name], x)
                        for name, x in found.items()
                    }
                )
        return found

    def _order(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns for each example of an epoch its corpus, and its number among those that the
        corpus has in this epoch."""
        with self._lock:
            if epoch not in self._orders:
                shuffled = randomness.permutation(randomness.bits(self._key, epoch), len(self))
                whose = np.repeat(np.arange(len(self._sources), dtype=np.int16), self._examples)[
                    shuffled
                ]
                which = np.empty(len(self), np.int64)
                for i, examples in enumerate(self._examples):
                    which[whose == i] = np.arange(examples)
                # Threads may lag behind by an epoch.
                self._orders = {e: order for e, order in self._orders.items() if e >= epoch - 1} | {
                    epoch: (whose, which)
                }
            return self._orders[epoch]


def training_source(
    stores: dict[str, TokenStore], vocabulary: Vocabulary, config: Config
) -> PairSource | MixedSource:
    """The training examples of a recipe.

    Args:
        stores: the training split of each corpus, by name.
    """
    sources = {
        name: PairSource(store, vocabulary, with_seed_of(config, name))
        for name, store in stores.items()
    }
    if not config.corpus.mixture:
        return sources[config.corpus.name]
    examples = examples_of_each(config.corpus, list(map(len, sources.values())))
    return MixedSource(list(sources.values()), examples, config.seed, vocabulary.pad)


def with_seed_of(config: Config, name: str) -> Config:
    """The recipe with a seed of its own for a corpus of a mixture: equal numbers have other masks
    in each."""
    if not config.corpus.mixture:
        return config
    return dataclasses.replace(
        config, seed=int(randomness.key(config.seed, f"corpus {name}") >> np.uint64(1))
    )
