"""Scores a pretrained checkpoint on held-out text: masked language modelling and next-sentence
prediction."""

import dataclasses
from pathlib import Path

import jax
from rich.console import Console

from bert_jax.checkpoint import initial, runs
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.config import Config, MeshConfig, StoreConfig
from bert_jax.corpus.preparation import store_directory
from bert_jax.corpus.selected import corpora_of
from bert_jax.corpus.store_building import open_or_build
from bert_jax.corpus.token_store import MANIFEST, TokenStore, token_counts
from bert_jax.errors import UserError
from bert_jax.objectives import heads_of
from bert_jax.parallel import hosts
from bert_jax.parallel import mesh as meshes
from bert_jax.pretraining.baselines import trivial_scores
from bert_jax.pretraining.held_out import HeldOutText, evaluation_rows
from bert_jax.remote import is_remote
from bert_jax.runs import files
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training import state
from bert_jax.training.corpus_evaluator import CorpusEvaluator
from bert_jax.training.plan import without_data


def recipe_of(checkpoint: Path, elsewhere: bool) -> Config:
    """The recipe of a checkpoint's run, on a mesh of all devices that there are now.

    Args:
        elsewhere: leave the run's token stores alone; another workdir has its own.

    Raises:
        UserError: it is of no run, but a converted one or of another format.
    """
    config = files.read_config(runs.find(checkpoint)[0]) if runs.is_one(checkpoint) else None
    if config is None:
        raise UserError(
            f"{checkpoint} has no recipe of its own",
            found="no checkpoint of a run",
            expected="a recipe that says on which text it is scored",
            hint="--config=FILE; architecture, vocabulary and tokenizer are the checkpoint's all "
            "the same",
        )
    config = dataclasses.replace(config, mesh=MeshConfig(rules=config.mesh.rules))
    return dataclasses.replace(config, store=StoreConfig()) if elsewhere else config


def evaluate(config: Config, checkpoint: Path, workdir: Path, console: Console) -> dict:
    """Scores a checkpoint on the held-out split of the recipe's corpus.

    Args:
        config: the recipe; its corpus, instances and masking say what is scored, its mesh where.
        checkpoint: of any format, see `bert_jax.checkpoint.formats`; of a run the latest good step
            unless it names one.
        workdir: gets the token store of the held-out split, in `store/held_out`.
        console: for what a person reads.

    Returns:
        Scores, `step` if it is of a run, and trivial `baselines` if its training store is there to
        count tokens in.

    Raises:
        UserError: checkpoint, recipe, data and devices do not fit each other.
    """
    mesh = meshes.make_mesh(config.mesh)
    meshes.check_rows(mesh, evaluation_rows(config), "evaluate.batch_size")
    pretrained = open_pretrained(checkpoint, heads_of(config.objectives))
    vocabulary = initial.vocabulary_of(pretrained)
    config = dataclasses.replace(
        config, tokenizer=dataclasses.replace(config.tokenizer, vocab_file="")
    )
    config = initial.adopt_from(
        config, pretrained.model, pretrained.tokenizer, str(pretrained.path)
    )
    held_out = hosts.first_host_first(lambda: _held_out_stores(config, workdir, vocabulary))
    origin = runs.find(checkpoint)[0] if runs.is_one(checkpoint) else None
    training = _training_stores(origin) if origin else []
    if not training:
        console.print(
            "the training store of this checkpoint does not exist: no baselines, and no check for "
            "documents that were trained on"
        )
    text = HeldOutText(held_out, training, vocabulary, config, console)
    plan = without_data(config)
    with jax.set_mesh(mesh):
        params, _ = state.params_from(pretrained, plan, vocabulary, mesh)
        sharding = jax.tree.map(lambda x: x.sharding, params)
        scores = CorpusEvaluator(text, plan, mesh, sharding).score(params)
    if origin:
        scores["step"] = int(pretrained.path.name)
    if training:
        scores["baselines"] = trivial_scores(
            text.batches(), sum(map(token_counts, training)), config.objectives
        )
    return scores


def _held_out_stores(
    config: Config, workdir: Path, vocabulary: Vocabulary
) -> dict[str, TokenStore]:
    """Returns the store of the held-out split of each corpus; builds those that do not exist."""
    return {
        name: open_or_build(
            store_directory(config, workdir, name) / "held_out",
            corpus,
            corpus.held_out_split,
            config.tokenizer,
            vocabulary,
            config.store.workers,
        )
        for name, corpus in corpora_of(config.corpus).items()
    }


def _training_stores(origin: Path) -> list[TokenStore]:
    """Returns the training store of each corpus of a run; none if one of them does not exist."""
    began_with = files.read_config(origin)
    # A store is mapped into memory, from a disk.
    if began_with is None or is_remote(origin) and not began_with.store.dir:
        return []
    directories = [
        store_directory(began_with, origin, name) / "train"
        for name in corpora_of(began_with.corpus)
    ]
    return (
        list(map(TokenStore.open, directories))
        if all((d / MANIFEST).exists() for d in directories)
        else []
    )
