"""The training examples of a corpus by number, so that a batch depends on the step and on nothing
else."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from bert_jax.batching import Batch, randomness
from bert_jax.config import Config
from bert_jax.corpus.token_store import TokenStore
from bert_jax.errors import UserError
from bert_jax.pretraining import batches
from bert_jax.pretraining.instances import Instances, concatenated, plan_pairs
from bert_jax.pretraining.segments import plan_segments
from bert_jax.text.vocabulary import Vocabulary

SEGMENTS = ("full_sentences", "doc_sentences")  # kinds of instances that are no pairs


class PairSource:
    """Masked sentence pairs of a token store, numbered from 0 through all epochs.

    Every epoch is planned anew, shuffled globally, and as long as epoch 0: the number of pairs
    differs a little from plan to plan, so an epoch leaves out its last few pairs in shuffled order,
    or repeats its first few.

    Args:
        store: the tokenised corpus.
        vocabulary: the one it was tokenised with.
        config: the recipe, of which `seed`, `objectives`, `instances` and `masking` count.
        keep: bool `[documents]`; the others are neither read nor drawn from. None keeps all.
    """

    def __init__(
        self,
        store: TokenStore,
        vocabulary: Vocabulary,
        config: Config,
        keep: np.ndarray | None = None,
    ):
        self._store, self._vocabulary, self._config = store, vocabulary, config
        begin, end = store.document_offsets[:-1], store.document_offsets[1:]
        self._documents = (begin, end) if keep is None else (begin[keep], end[keep])
        crossing = config.instances.kind == "full_sentences"
        self._ends = store.sentence_offsets[store.document_offsets[1:]] if crossing else None
        self._planner = ThreadPoolExecutor(1, thread_name_prefix="planner")
        self._epochs: dict[int, Future] = {}
        self._lock = threading.Lock()
        self._examples = len(self._epoch(0)[0])

    def __len__(self) -> int:
        """Examples of an epoch."""
        return self._examples

    def batch(self, examples: np.ndarray, rate: float | None = None) -> Batch:
        """The batch of these examples, a row each.

        Args:
            examples: int64 `[rows]`, numbers counted through all epochs; -1 makes a padding row.
            rate: of masking, if not the recipe's.
        """
        real = examples >= 0
        epochs, places = np.divmod(examples[real], len(self))
        rows, parts, keys = [], [], []
        # A batch seldom spans two epochs, and a host's share of the last held-out batch may be all
        # padding.
        for epoch in map(int, np.unique(epochs) if epochs.size else [0]):
            here = np.flatnonzero(epochs == epoch)
            instances, order = self._epoch(epoch)
            chosen = order[places[here] % len(instances)]
            rows.append(here)
            parts.append(instances.take(chosen))
            keys.append(batches.mask_keys(self._config.seed, self._version(epoch), chosen))
            if places[here].max(initial=0) > len(self) // 2:
                self._start(epoch + 1)
        back = np.argsort(np.concatenate(rows))
        batch = batches.masked_pairs(
            self._store.tokens,
            concatenated(parts).take(back),
            np.concatenate(keys)[back],
            self._config.instances.length,
            self._vocabulary,
            None if "lm" in self._config.objectives else self._config.masking,
            rate,
            types=self._config.instances.kind not in SEGMENTS,
            document_ends=self._ends,
        )
        return batch if real.all() else batches.with_padding_rows(batch, real, self._vocabulary.pad)

    def _version(self, epoch: int) -> int:
        duplicates = self._config.instances.duplicates
        return epoch % duplicates if duplicates else epoch

    def _epoch(self, epoch: int) -> tuple[Instances, np.ndarray]:
        """The pairs of an epoch in the order of the corpus, and the order in which they are
        taken."""
        return self._start(epoch).result()

    def _start(self, epoch: int) -> Future:
        with self._lock:
            # Threads may lag behind by an epoch, so what goes is what was used longest ago.
            future = self._epochs.pop(epoch, None) or self._planner.submit(self._plan, epoch)
            self._epochs[epoch] = future
            for old in list(self._epochs)[:-2]:
                del self._epochs[old]
            return future

    def _plan(self, epoch: int) -> tuple[Instances, np.ndarray]:
        config, text = self._config, (self._store.sentence_offsets, *self._documents)
        kind, length = config.instances.kind, config.instances.length
        if kind in SEGMENTS:
            instances = plan_segments(*text, length=length, crossing=kind == "full_sentences")
        else:
            instances = plan_pairs(
                *text,
                length=length,
                kind=kind,
                short_rate=config.instances.short_rate,
                random_next_rate=config.instances.random_next_rate,
                seed=config.seed,
                version=self._version(epoch),
            )
        key = randomness.bits(randomness.key(config.seed, "order"), epoch)
        return instances, randomness.permutation(key, len(instances))


def without_documents(store: TokenStore, hashes: np.ndarray) -> np.ndarray:
    """bool `[documents]`: which documents of `store` are not among those with these hashes of their
    text.

    Raises:
        UserError: none is left, as when both are the same split.
    """
    keep = ~np.isin(store.document_hashes, hashes)
    if not keep.any():
        raise UserError(
            "no held-out document is left",
            found=f"all {len(keep)} documents of the held-out split are in the training split too",
            expected="splits that share no document",
            hint="set --config.corpus.held_out_split to a split of its own, such as 'train[99%:]' "
            "beside "
            "--config.corpus.train_split='train[:99%]'",
        )
    return keep
