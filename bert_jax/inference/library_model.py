"""The model that `bert_jax.load` returns: it encodes texts, fills masks, predicts, and shows its
hidden states and attention."""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import jax
import numpy as np

from bert_jax.batching import Batch
from bert_jax.checkpoint import initial
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import ComputeConfig, MeshConfig
from bert_jax.errors import UserError
from bert_jax.inference.length_batches import LengthBatch, as_arrays, length_batches
from bert_jax.inference.mask_filling import (
    Candidate,
    candidates,
    check_fills_masks,
    check_masks,
    check_top_k,
    most_probable,
)
from bert_jax.inference.pooling import POOLINGS, text_vectors
from bert_jax.inference.progress_bar import progress_bar
from bert_jax.inference.text_encoding import EncodedText, TextEncoder
from bert_jax.inference.token_arrays import TokenArrays, layer_outputs, without_padding
from bert_jax.model.bert import Bert
from bert_jax.parallel import mesh as meshes
from bert_jax.remote import path_of

COLLECTED_AT_ONCE = 8  # texts whose states or attention are computed at once: they fill the memory


class Model:
    """A BERT with its tokenizer, on all devices; made by `bert_jax.load`.

    Texts are strings, or sequences of them; for a single string, methods return a single result.
    Texts longer than `length` tokens lose their end. "[MASK]" in a text is the mask token.

    Attributes:
        path: the checkpoint.
        config: the architecture.
        heads: names of its heads.
        labels: names of the labels that it has learned; empty if there are none, or no names.
        vocabulary: its tokens.
        length: maximum number of tokens of a text.
        params: the parameters of encoder and heads, float32, as a pytree.
    """

    def __init__(
        self, pretrained: Pretrained, length: int, batch_size: int, compute: ComputeConfig
    ) -> None:
        self.path, self.config = pretrained.path, pretrained.model
        self.heads, self.labels = pretrained.heads, pretrained.labels
        self.vocabulary, self.length = initial.vocabulary_of(pretrained), length
        self._format, self._batch_size, self._compute = pretrained.format, batch_size, compute
        self._encode_texts = TextEncoder(self.vocabulary, pretrained.tokenizer, length)
        self._mesh = meshes.make_mesh(MeshConfig())
        self.params: dict = jax.device_put(pretrained.read(), meshes.replicated(self._mesh))
        self._bert = Bert(self.config, compute, self.heads, pretrained.probe)
        encoder = Bert(self.config, compute)
        self._vectors = jax.jit(
            functools.partial(text_vectors, encoder), static_argnames=("pooling", "normalize")
        )
        self._collected = jax.jit(functools.partial(layer_outputs, encoder), static_argnames="name")
        self._most_probable = jax.jit(
            functools.partial(
                most_probable, Bert(self.config, compute, ("mlm",)), len(self.vocabulary)
            ),
            static_argnames="top_k",
        )

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        *,
        length: int = 0,
        batch_size: int = 64,
        compute: ComputeConfig = ComputeConfig(),
        vocab_file: str = "",
    ) -> "Model":
        """Loads a model; see `bert_jax.load`.

        Args:
            path: the checkpoint.
            length: maximum number of tokens of a text; 0: as in training, or if that is not known,
                as the model takes.
            batch_size: maximum number of texts that are computed at once.
            compute: of which `dtype` and `matmul_precision` count.
            vocab_file: its vocabulary, where that is not beside it.

        Raises:
            UserError: the checkpoint cannot be opened, has no vocabulary, or takes shorter texts.
            ValueError: `batch_size` is less than 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected at least 1")
        pretrained = open_pretrained(path_of(path), vocab_file=vocab_file)
        positions = pretrained.model.max_position_embeddings
        length = length or pretrained.length or positions
        if not 4 <= length <= positions:
            raise UserError(
                f"{pretrained.path} does not take texts of {length} tokens",
                found=f"length {length}",
                expected=f"4 to {positions}, its positions",
            )
        compute = ComputeConfig(dtype=compute.dtype, matmul_precision=compute.matmul_precision)
        return cls(pretrained, length, batch_size, compute)

    def __repr__(self) -> str:
        config = self.config
        parameters = sum(x.size for x in jax.tree.leaves(self.params))
        values = dict(
            format=self._format,
            layers=config.num_layers,
            hidden_size=config.hidden_size,
            attention_heads=config.num_heads,
            vocab_size=config.vocab_size,
            length=self.length,
            heads=self.heads,
        )
        shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
        return f"Model({str(self.path)!r}, {shown}, parameters={parameters:_})"

    def tokenize(self, text: str) -> list[str]:
        """Returns the WordPiece tokens of a text, uncut and without [CLS] and [SEP]."""
        return self._encode_texts.tokens(self._encode_texts.ids(text))

    def encode(
        self,
        texts: str | Sequence[str],
        pooling: str = "mean",
        normalize: bool = True,
        *,
        pairs: str | Sequence[str] | None = None,
    ) -> np.ndarray:
        """Returns a vector for each text, from the hidden states of the last layer.

        Args:
            texts: texts, in any order and of any lengths.
            pooling: 'mean' or 'max' over all tokens, [CLS] and [SEP] included, or 'cls' for the
                hidden state of [CLS].
            normalize: scale vectors to length 1, so that dot products are cosine similarities.
            pairs: second texts, each of which the model reads together with its text.

        Returns:
            float32 `[texts, hidden]`, or for a single string `[hidden]`.

        Raises:
            ValueError: there is no such pooling, or there are not as many second texts as texts.
        """
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is {pooling!r}; expected one of {', '.join(POOLINGS)}")
        if pooling == "cls" and self.config.causal:
            raise ValueError(
                "pooling is 'cls', but this model is causal: its [CLS] sees no other token; "
                "expected 'mean' or 'max'"
            )
        step = functools.partial(self._vectors, pooling=pooling, normalize=normalize)
        encoded = self._encoded(texts, pairs)
        vectors = np.zeros((len(encoded), self.config.hidden_size), np.float32)
        for batch, values in self._computed(step, encoded, self._batch_size, "encoded"):
            vectors[batch.numbers] = values[: len(batch.numbers)]
        return vectors[0] if isinstance(texts, str) else vectors

    @overload
    def fill_mask(  # type: ignore[overload-overlap]  # a string is a sequence of strings
        self, texts: str, top_k: int = 5
    ) -> list[list[Candidate]]: ...

    @overload
    def fill_mask(self, texts: Sequence[str], top_k: int = 5) -> list[list[list[Candidate]]]: ...

    def fill_mask(self, texts: str | Sequence[str], top_k: int = 5) -> Any:
        """Returns the most probable tokens for each [MASK] of a text.

        Several masks of a text are filled independently: each sees the others as [MASK].

        Args:
            texts: texts with one [MASK] or several each.
            top_k: number of tokens for each mask.

        Returns:
            For each mask a list of `Candidate`: token, probability, and the text with the token
            filled in, the most probable first. For a sequence of texts a list of these.

        Raises:
            UserError: the checkpoint has no head that predicts masked tokens, or a text has no
                [MASK], or one behind its last token that is read.
            ValueError: `top_k` is not between 1 and the number of tokens.
        """
        check_fills_masks(str(self.path), self.heads, self.config.causal)
        check_top_k(top_k, self.vocabulary.tokens)
        given, encoded = _listed(texts), self._encoded(texts)
        masks = []
        for number, (text, tokens) in enumerate(zip(given, encoded, strict=True)):
            name = "the text" if isinstance(texts, str) else f"text {number} (counted from 0)"
            seen = int(np.sum(tokens.input_ids == self.vocabulary.mask))
            masks.append(check_masks(text, seen, name))
        results: list = [None] * len(given)
        step = functools.partial(self._most_probable, top_k=top_k)
        for batch, (scores, ids) in self._computed(step, encoded, self._batch_size, "filled"):
            for row, number in enumerate(batch.numbers):
                kept = slice(masks[number])
                results[number] = candidates(
                    given[number], scores[row, kept], ids[row, kept], self.vocabulary
                )
        return results[0] if isinstance(texts, str) else results

    def predict(self, texts: Any, pairs: Any = None) -> Any:
        """Predicts, for each text, what the model was fine-tuned for.

        The model of the task is loaded when it is first needed, and has its own copy of the
        parameters.

        Args:
            texts: texts; for a model that tags words lists of words, for one that answers
                questions.
            pairs: the second texts of pairs, the contexts of questions, or for each text a list of
                choices.

        Returns:
            For each text a dictionary: `prediction`, and as the task has them `probabilities`,
            `probability`, `start`; for a single string one dictionary.

        Raises:
            UserError: the checkpoint has not learned a task.
            ValueError: there are not as many second texts as texts, or none where they are needed.
        """
        if isinstance(texts, str):
            return self._fine_tuned([texts], None if pairs is None else [pairs])[0]
        return self._fine_tuned(texts, pairs)

    @functools.cached_property
    def _fine_tuned(self) -> Callable[[Any, Any], list[dict]]:
        """The model of the task that the checkpoint has learned."""
        # It imports all that tasks need, which nothing else here does.
        from bert_jax.inference.fine_tuned import FineTuned

        return FineTuned.load(self.path, self.length, self._batch_size, self._compute)

    @overload
    def hidden_states(  # type: ignore[overload-overlap]
        self, texts: str, pairs: str | None = None
    ) -> TokenArrays: ...

    @overload
    def hidden_states(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[TokenArrays]: ...

    def hidden_states(self, texts: Any, pairs: Any = None) -> Any:
        """Returns the hidden states of each token after each layer, without padding.

        Returns:
            For each text its tokens, and float32 `[layers + 1, tokens, hidden]`: the embeddings,
            then the output of each layer.
        """
        return self._token_arrays("hidden_states", texts, pairs)

    @overload
    def attentions(  # type: ignore[overload-overlap]
        self, texts: str, pairs: str | None = None
    ) -> TokenArrays: ...

    @overload
    def attentions(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[TokenArrays]: ...

    def attentions(self, texts: Any, pairs: Any = None) -> Any:
        """Returns the attention of each token to each token, without padding.

        Returns:
            For each text its tokens, and float32 `[layers, heads, tokens, tokens]`: the
            probabilities with which the token of the row attends to that of the column.
        """
        return self._token_arrays("attentions", texts, pairs)

    def batch(self, texts: str | Sequence[str], pairs: str | Sequence[str] | None = None) -> Batch:
        """Returns the input of `apply`, one text a row, padded to the longest.

        Returns:
            int32 `input_ids`, `token_type_ids`, `position_ids` and `segment_ids` (1 for tokens, 0
            for padding) `[texts, length]`, `example_positions` `[texts, 1]`, and `masked_positions`
            `[texts, predictions]`, the positions of [MASK]; rows with fewer end with zeros.
        """
        encoded = self._encoded(texts, pairs)
        longest = max(map(len, encoded), default=0)
        return as_arrays(encoded, len(encoded), longest, self.vocabulary.pad, self.vocabulary.mask)

    def apply(
        self,
        params: dict,
        batch: Batch | dict[str, jax.Array],
        *,
        collect: bool = False,
        dropout_key: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        """Computes the outputs of encoder and heads: a pure function of its arguments, for
        `jax.jit`, `jax.grad` and `jax.vmap`.

        Args:
            params: parameters, in the form of `self.params`.
            batch: input, as `self.batch` returns it.
            collect: return hidden states and attention of all layers too.
            dropout_key: key of dropout; None: no dropout.

        Returns:
            `hidden` `[texts, length, hidden]`; with a pooler `pooled` `[texts, 1, hidden]`; the
            logits of each head by its name, such as `mlm` `[texts, predictions, vocab_size]`; and
            if `collect`: `hidden_states` `[layers + 1, texts, length, hidden]` and `attentions`
            `[layers, texts, heads, length, length]`.
        """
        rngs = None if dropout_key is None else {"dropout": dropout_key}
        outputs: Any = self._bert.apply(
            {"params": params},
            batch,
            deterministic=dropout_key is None,
            collect=collect,
            rngs=rngs,
        )
        return outputs

    def _encoded(
        self, texts: str | Sequence[str], pairs: str | Sequence[str] | None = None
    ) -> list[EncodedText]:
        if isinstance(texts, str) is not isinstance(pairs, str) and pairs is not None:
            raise ValueError("texts and pairs are a string and a sequence; expected two of one")
        return self._encode_texts(_listed(texts), None if pairs is None else _listed(pairs))

    def _token_arrays(self, name: str, texts: Any, pairs: Any) -> Any:
        """Returns `hidden_states` or `attentions` of texts."""
        encoded = self._encoded(texts, pairs)
        results: list = [None] * len(encoded)
        step = functools.partial(self._collected, name=name)
        at_once = min(self._batch_size, COLLECTED_AT_ONCE)
        for batch, values in self._computed(step, encoded, at_once, name):
            for row, number in enumerate(batch.numbers):
                tokens = self._encode_texts.tokens(encoded[number].input_ids)
                results[number] = without_padding(tokens, values[:, row])
        return results[0] if isinstance(texts, str) else results

    def _computed(
        self, step: Callable, encoded: list[EncodedText], batch_size: int, done: str
    ) -> Iterator[tuple[LengthBatch, Any]]:
        """Computes texts in batches.

        Args:
            step: compiled function of parameters and a batch.
            encoded: the texts.
            batch_size: maximum number of texts of a batch.
            done: word of the progress bar for texts that are done.

        Yields:
            Each batch and its outputs as numpy arrays, rows that are padding included.
        """
        shards = meshes.row_shards(self._mesh)
        pad, mask = self.vocabulary.pad, self.vocabulary.mask
        batches = length_batches(encoded, batch_size, shards, self.length, pad, mask)
        with progress_bar(f"texts {done}", len(encoded)) as advance:
            before: tuple[LengthBatch, Any] | None = None
            for batch in batches:
                rows = len(batch.arrays["input_ids"])
                outputs = step(self.params, meshes.to_devices(batch.arrays, self._mesh, rows))
                # The devices compute this batch while the one before is fetched and handled.
                if before is not None:
                    yield before[0], jax.device_get(before[1])
                    advance(len(before[0].numbers))
                before = batch, outputs
            if before is not None:
                yield before[0], jax.device_get(before[1])
                advance(len(before[0].numbers))


def _listed(texts: str | Sequence[str]) -> list[str]:
    """Returns texts as a list; a string is one text."""
    return [texts] if isinstance(texts, str) else list(texts)
