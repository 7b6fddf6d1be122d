"""Held-out text: the examples of each corpus that are scored, the same ones whatever the mesh."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from rich.console import Console

from bert_jax.batching import Batch
from bert_jax.batching.prefetch import prefetched
from bert_jax.config import Config
from bert_jax.corpus.selected import folder_of
from bert_jax.corpus.token_store import TokenStore
from bert_jax.pretraining.mixture import with_seed_of
from bert_jax.pretraining.source import PairSource, without_documents
from bert_jax.text.vocabulary import Vocabulary


def evaluation_rows(recipe: Config) -> int:
    """Returns the number of rows of an evaluation batch."""
    return recipe.evaluate.batch_size or recipe.train.batch_size


class HeldOutText:
    """Held-out examples in batches, each of one corpus so that its scores can be told apart.

    Args:
        stores: the held-out store of each corpus, by name.
        training: stores of the training splits; held-out documents that stand in one of them are
            left out. None to compare with leaves all in.
        vocabulary: the one they were tokenised with.
        recipe: the recipe; instances and masks follow from its `evaluate.seed`.
        console: is told how many documents are left out.

    Attributes:
        names: of the corpora, as they stand in names of scores.
        examples: how many are scored.
    """

    def __init__(
        self,
        stores: dict[str, TokenStore],
        training: Iterable[TokenStore],
        vocabulary: Vocabulary,
        recipe: Config,
        console: Console,
    ):
        self._recipe = recipe
        self._sources = list(_sources(stores, training, vocabulary, recipe, console).values())
        self.names = [folder_of(name) for name in stores]
        most = recipe.evaluate.max_examples
        self._examples = [min(most or len(source), len(source)) for source in self._sources]
        self.examples = sum(self._examples)
        self._rows = evaluation_rows(recipe)
        self._batches: list[tuple[int, int]] = []  # corpus and first example of each batch
        for corpus, examples in enumerate(self._examples):
            self._batches += [(corpus, first) for first in range(0, examples, self._rows)]

    @property
    def corpus_of_batch(self) -> list[int]:
        """The number of the corpus that each batch is from."""
        return [corpus for corpus, _ in self._batches]

    def batches(self, rows: np.ndarray | None = None) -> Iterator[Batch]:
        """Yields the batches; the last one of a corpus is filled up with padding rows.

        Args:
            rows: int64 `[rows]`, the rows of each batch to make; None makes all.
        """
        wanted = np.arange(self._rows) if rows is None else rows

        def batch(number: int) -> Batch:
            corpus, first = self._batches[number]
            examples = first + wanted
            real = examples < self._examples[corpus]
            return self._sources[corpus].batch(np.where(real, examples, -1))

        compute = self._recipe.compute
        return prefetched(batch, 0, len(self._batches), compute.data_threads, compute.prefetch)


def _sources(
    stores: dict[str, TokenStore],
    training: Iterable[TokenStore],
    vocabulary: Vocabulary,
    recipe: Config,
    console: Console,
) -> dict[str, PairSource]:
    """The held-out examples of each corpus, without documents that are trained on."""
    recipe = dataclasses.replace(recipe, seed=recipe.evaluate.seed)
    trained_on = [store.document_hashes for store in training]
    sources = {}
    for name, store in stores.items():
        keep = None
        if trained_on:
            keep = without_documents(store, np.concatenate(trained_on))
            if not keep.all():
                corpus = f" of {name}" if len(stores) > 1 else ""
                console.print(
                    f"{np.sum(~keep):,} held-out documents{corpus} are in the training split too "
                    "and are left out"
                )
        sources[name] = PairSource(store, vocabulary, with_seed_of(recipe, name), keep)
    return sources
