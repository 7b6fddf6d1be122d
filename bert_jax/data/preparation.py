"""What a run needs on disk before it starts: a vocabulary, and a token store for each split."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bert_jax.checkpoint.initial import check_vocabulary, vocabulary_of
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import Config, CorpusConfig
from bert_jax.data.corpora import open_split
from bert_jax.data.mixture import corpora_of, folder_of
from bert_jax.data.store import TokenStore
from bert_jax.data.store_building import open_or_build
from bert_jax.errors import UserError
from bert_jax.text.vocabulary import FILE, Vocabulary
from bert_jax.text.vocabulary_training import train as train_vocabulary


class Text(NamedTuple):
    """A corpus as a run reads it."""

    train: TokenStore
    held_out: TokenStore


def open_or_make(config: Config, workdir: Path, source: Pretrained | None = None,
                 progress: bool = True) -> tuple[Vocabulary, dict[str, Text]]:
    """The vocabulary of a run and its corpora by name; what is there already is opened.

    Args:
        config: the recipe.
        workdir: gets `vocab.txt` and, unless `config.store.dir` says otherwise, `store/`.
        source: the checkpoint that the run is about to start from, if it does; not opened here, since hosts open
            a run of ours together, and come here one after the other.
        progress: show progress on a terminal.

    Raises:
        UserError: the recipe's vocabulary is not the run's, or not one that goes with the source.
    """
    vocabulary = prepare_vocabulary(config, workdir, source)
    texts = {}
    for name, corpus in corpora_of(config.corpus).items():
        directory = store_directory(config, workdir, name)
        texts[name] = Text(*(
            open_or_build(directory / of, corpus, split, config.tokenizer, vocabulary, config.store.workers, progress)
            for of, split in (("train", corpus.train_split), ("held_out", corpus.held_out_split))))
    return vocabulary, texts


def store_directory(config: Config, workdir: Path, name: str) -> Path:
    """Where the stores of a corpus lie: of a mixture each has a folder of its own."""
    root = Path(config.store.dir) if config.store.dir else workdir / "store"
    return root / folder_of(name) if config.corpus.mixture else root


def prepare_vocabulary(config: Config, workdir: Path, source: Pretrained | None = None) -> Vocabulary:
    """The vocabulary of a run, kept in its workdir: the recipe's file, that of the checkpoint it starts from, or one
    trained on the training split.

    Raises:
        UserError: the recipe names another vocabulary than the one that the run began with, or one that does not go
            with `source`; then it is not kept.
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
    elif kept.exists():
        vocabulary = Vocabulary.load(kept)
    elif source:
        vocabulary = vocabulary_of(source)
    else:
        vocabulary = train_vocabulary(_texts(config.corpus, config.tokenizer.vocab_documents), config.tokenizer)
    if source:
        check_vocabulary(source, config, vocabulary)
    if not kept.exists():
        vocabulary.save(kept)
    return vocabulary


def _texts(config: CorpusConfig, wanted: int, at_once: int = 64) -> Iterator[str]:
    """About `wanted` documents of the training splits in evenly spread blocks, or all for 0."""
    corpora = [open_split(corpus, corpus.train_split) for corpus in corpora_of(config).values()]
    stride = max(at_once, at_once * sum(map(len, corpora)) // wanted) if wanted else at_once
    for corpus in corpora:
        for start in range(0, len(corpus), stride):
            yield from corpus.texts(start, start + at_once)
