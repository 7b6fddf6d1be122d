"""The vocabulary of a run, which has to fit the checkpoint that the run starts from."""

from pathlib import Path

from bert_jax.checkpoint import initial
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import Config
from bert_jax.corpus import preparation
from bert_jax.text.vocabulary import FILE, Vocabulary


def prepare_vocabulary(
    config: Config, workdir: Path, source: Pretrained | None = None
) -> Vocabulary:
    """Returns the vocabulary of a run and writes it to the workdir.

    Args:
        config: the recipe.
        workdir: directory of the run; gets `vocab.txt`.
        source: checkpoint that a new run starts from. It is not opened here: hosts open a run of
            ours together, and come here one after the other.

    Raises:
        UserError: the recipe's vocabulary is not the run's, or does not fit the source; then
            nothing is written.
    """
    inherited = None
    if source and not config.tokenizer.vocab_file and not (workdir / FILE).exists():
        inherited = initial.vocabulary_of(source)
    vocabulary = preparation.choose_vocabulary(config, workdir, inherited)
    if source:
        initial.check_vocabulary(source, config, vocabulary)
    preparation.keep_vocabulary(vocabulary, workdir)
    return vocabulary
