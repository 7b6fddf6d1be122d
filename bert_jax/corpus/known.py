"""Particulars of some published corpora, by the names of their TFDS data sets."""

from bert_jax.config import Config, CorpusConfig
from bert_jax.corpus.selected import corpora_of
from bert_jax.errors import UserError

CLEANING = {"wikipedia": "wikipedia", "wiki40b": "wiki40b"}
SHUFFLED = ("lm1b",)  # sentences in random order: a "document" is one of them


def cleaning_of(corpus: CorpusConfig) -> str:
    """A key of `bert_jax.text.cleaning.CLEANERS`: the recipe's, or what suits the data set."""
    return CLEANING.get(_data_set(corpus), "none") if corpus.cleaning == "auto" else corpus.cleaning


def check_order(config: Config) -> None:
    """Raises a UserError if an objective is about the order of sentences and a corpus has none."""
    ordered = [name for name in ("nsp", "sop") if name in config.objectives]
    for name, corpus in corpora_of(config.corpus).items():
        if ordered and _data_set(corpus) in SHUFFLED:
            raise UserError(
                f"the corpus {name} cannot teach the objective {ordered[0]!r}",
                found="sentences in random order, each a document of its own",
                expected="documents of several sentences",
                hint="--config.objectives=mlm --config.instances.kind=full_sentences, or "
                "another "
                "--config.corpus.name",
            )


def _data_set(corpus: CorpusConfig) -> str:
    return corpus.name.split("/")[0].split(":")[0]
