"""Scores a pretrained checkpoint on held-out text: masked language modelling and next-sentence prediction."""

import dataclasses
from pathlib import Path

import jax
from rich.console import Console

from bert_jax.checkpoint import initial, runs
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.config import Config, MeshConfig, StoreConfig
from bert_jax.data.baselines import trivial_scores
from bert_jax.data.store import TokenStore, token_counts
from bert_jax.data.store_building import open_or_build
from bert_jax.errors import UserError
from bert_jax.objectives import choose
from bert_jax.parallel import hosts
from bert_jax.parallel import mesh as meshes
from bert_jax.training import run, state
from bert_jax.training.held_out import HeldOut, held_out_source, rows_of


def recipe_of(checkpoint: Path, elsewhere: bool) -> Config:
    """The recipe of a checkpoint's run, on a mesh of all devices that there are now.

    Args:
        elsewhere: leave the run's token stores alone; another workdir has its own.

    Raises:
        UserError: it is of no run, but a converted one or of another format.
    """
    config = run.read_config(runs.find(checkpoint)[0]) if runs.is_one(checkpoint) else None
    if config is None:
        raise UserError(f"{checkpoint} has no recipe of its own", found="no checkpoint of a run",
                        expected="a recipe that says on which text it is scored",
                        hint="--config=FILE; architecture, vocabulary and tokenizer are the checkpoint's all the same")
    config = dataclasses.replace(config, mesh=MeshConfig(rules=config.mesh.rules))
    return dataclasses.replace(config, store=StoreConfig()) if elsewhere else config


def evaluate(config: Config, checkpoint: Path, workdir: Path, console: Console) -> dict:
    """Scores a checkpoint on the held-out split of the recipe's corpus.

    Args:
        config: the recipe; its corpus, instances and masking say what is scored, its mesh where.
        checkpoint: of any format, see `bert_jax.checkpoint.formats`; of a run the latest good step unless it names one.
        workdir: gets the token store of the held-out split, in `store/held_out`.
        console: for what a person reads.

    Returns:
        Scores, `step` if it is of a run, and trivial `baselines` if its training store is there to count tokens in.

    Raises:
        UserError: checkpoint, recipe, data and devices do not fit each other.
    """
    mesh = meshes.make_mesh(config.mesh)
    meshes.check_rows(mesh, rows_of(config), "evaluate.batch_size")
    heads = tuple(objective.HEAD for objective in choose(config.objectives).values())
    pretrained = open_pretrained(checkpoint, heads)
    vocabulary = initial.vocabulary_of(pretrained)
    config = dataclasses.replace(config, tokenizer=dataclasses.replace(config.tokenizer, vocab_file=""))
    config = initial.adopt_from(config, pretrained.model, pretrained.tokenizer, str(pretrained.path))
    root = Path(config.store.dir) if config.store.dir else workdir / "store"
    split, workers = config.corpus.held_out_split, config.store.workers
    store = hosts.first_host_first(lambda: open_or_build(
        root / "held_out", config.corpus, split, config.tokenizer, vocabulary, workers))
    origin = runs.find(checkpoint)[0] if runs.is_one(checkpoint) else None
    training = _training_store(origin) if origin else None
    if training is None:
        console.print("the training store of this checkpoint is not there: no baselines, and no check for documents "
                      "that were trained on")
    with jax.set_mesh(mesh):
        params, _ = state.params_from(pretrained, config, vocabulary, mesh)
        held_out = HeldOut(held_out_source(store, training, vocabulary, config, console), config, mesh,
                           jax.tree.map(lambda x: x.sharding, params))
        scores = held_out.score(params)
    if origin:
        scores["step"] = int(pretrained.path.name)
    if training:
        scores["baselines"] = trivial_scores(held_out.batches(), token_counts(training), config.objectives)
    return scores


def _training_store(origin: Path) -> TokenStore | None:
    began_with = run.read_config(origin)
    if began_with is None:
        return None
    root = Path(began_with.store.dir) if began_with.store.dir else origin / "store"
    return TokenStore.open(root / "train") if (root / "train" / "manifest.json").exists() else None
