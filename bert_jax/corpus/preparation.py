"""Files that a run on a corpus needs before it starts: a vocabulary, and a token store a split."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bert_jax.config import Config, CorpusConfig
from bert_jax.corpus.corpora import open_split
from bert_jax.corpus.selected import corpora_of, folder_of
from bert_jax.corpus.store_building import open_or_build
from bert_jax.corpus.token_store import STORES, TokenStore
from bert_jax.errors import UserError
from bert_jax.text.vocabulary import FILE, Vocabulary
from bert_jax.text.vocabulary_training import train as train_vocabulary


class Text(NamedTuple):
    """A corpus as a run reads it."""

    train: TokenStore
    held_out: TokenStore


def open_or_make(
    config: Config, workdir: Path, vocabulary: Vocabulary, progress: bool = True
) -> dict[str, Text]:
    """Opens the token stores of a run, or makes them if they do not exist.

    Args:
        config: the recipe.
        workdir: directory of the run; gets `store/` unless `config.store.dir` is set.
        vocabulary: the vocabulary of the run.
        progress: show progress on a terminal.

    Returns:
        The corpora of the recipe by name.

    Raises:
        UserError: see `open_or_build`.
    """
    texts = {}
    for name, corpus in corpora_of(config.corpus).items():
        directory = store_directory(config, workdir, name)
        splits = {"train": corpus.train_split, "held_out": corpus.held_out_split}
        stores = [
            open_or_build(
                directory / part,
                corpus,
                split,
                config.tokenizer,
                vocabulary,
                config.store.workers,
                progress,
            )
            for part, split in splits.items()
        ]
        texts[name] = Text(*stores)
    return texts


def store_directory(config: Config, workdir: Path, name: str) -> Path:
    """Returns the directory of the stores of a corpus; each corpus of a mixture has its own."""
    root = Path(config.store.dir) if config.store.dir else workdir / STORES
    return root / folder_of(name) if config.corpus.mixture else root


def choose_vocabulary(
    config: Config, workdir: Path, inherited: Vocabulary | None = None
) -> Vocabulary:
    """Returns the vocabulary of a run.

    It is the recipe's file, the one that the run began with, the inherited one, or one trained on
    the training splits; the first of them that there is.

    Args:
        config: the recipe.
        workdir: directory of the run.
        inherited: vocabulary of the checkpoint that the run starts from, if there is one.

    Raises:
        UserError: the recipe names another vocabulary than the one that the run began with.
    """
    kept = workdir / FILE
    if config.tokenizer.vocab_file:
        vocabulary = Vocabulary.load(config.tokenizer.vocab_file)
        if kept.exists() and Vocabulary.load(kept) != vocabulary:
            raise UserError(
                f"{config.tokenizer.vocab_file} is not the vocabulary that this run began with",
                found=f"{len(vocabulary)} tokens, SHA-256 {vocabulary.digest[:12]}...",
                expected=f"that of {kept}",
                hint="name the same --config.tokenizer.vocab_file, or another --workdir",
            )
        return vocabulary
    if kept.exists():
        return Vocabulary.load(kept)
    if inherited:
        return inherited
    texts = _texts(config.corpus, config.tokenizer.vocab_documents)
    return train_vocabulary(texts, config.tokenizer)


def keep_vocabulary(vocabulary: Vocabulary, workdir: Path) -> None:
    """Writes a run's `vocab.txt` if it does not exist."""
    if not (workdir / FILE).exists():
        vocabulary.save(workdir / FILE)


def _texts(config: CorpusConfig, wanted: int, at_once: int = 64) -> Iterator[str]:
    """About `wanted` documents of the training splits in evenly spread blocks, or all for 0."""
    corpora = [open_split(corpus, corpus.train_split) for corpus in corpora_of(config).values()]
    stride = max(at_once, at_once * sum(map(len, corpora)) // wanted) if wanted else at_once
    for corpus in corpora:
        for start in range(0, len(corpus), stride):
            yield from corpus.texts(start, start + at_once)
