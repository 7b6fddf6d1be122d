"""The corpora that a recipe selects: one, or several in a mixture."""

import dataclasses

from bert_jax.config import CorpusConfig, Schema


def corpora_of(corpus: CorpusConfig) -> dict[str, CorpusConfig]:
    """Returns the corpora of a recipe by name, each as the section `corpus` of a run on it alone.

    Raises:
        UserError: a key that the mixture sets for one of them is unknown or of the wrong type.
    """
    if not corpus.mixture:
        return {corpus.name: corpus}
    alone = dataclasses.asdict(corpus) | dict(mixture=())
    schema = Schema(CorpusConfig, prefix="corpus.")
    return {
        name: schema.build(alone | dict(*own) | dict(name=name)) for name, _, *own in corpus.mixture
    }


def folder_of(name: str) -> str:
    """Returns the name of a corpus where names have no slash."""
    return name.replace("/", "-")
