"""Scores a pretrained checkpoint on held-out text: masked language modelling and next-sentence prediction."""

import dataclasses
from pathlib import Path

import jax
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint.store import Checkpoints
from bert_jax.config import Config, MeshConfig, StoreConfig
from bert_jax.data.baselines import trivial_scores
from bert_jax.data.preparation import VOCABULARY
from bert_jax.data.store import TokenStore, token_counts
from bert_jax.data.store_building import open_or_build
from bert_jax.errors import UserError
from bert_jax.parallel import hosts
from bert_jax.parallel import mesh as meshes
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training import run, state
from bert_jax.training.held_out import HeldOut, held_out_source, rows_of


def find_checkpoint(path: Path) -> tuple[Path, int | None]:
    """The run that a path lies in, and the step if the path names one.

    Args:
        path: a workdir, its `checkpoints`, or one step of them.

    Raises:
        UserError: there is no run.
    """
    path = path.absolute()
    for directory, step in ((path, None), (path.parent, None), (path.parent.parent, path.name)):
        if (directory / run.CONFIG).exists() and (directory / run.CHECKPOINTS).exists():
            if step is not None and not step.isdigit():
                break
            return directory, int(step) if step else None
    raise UserError(
        f"{path} is not a checkpoint",
        found="no such directory" if not path.exists() else f"no {run.CONFIG} and {run.CHECKPOINTS} in it or above it",
        expected="a workdir, WORKDIR/checkpoints or WORKDIR/checkpoints/STEP",
        hint="--checkpoint=runs/demo",
    )


def recipe_of(checkpoint: Path, elsewhere: bool) -> Config:
    """The recipe of a checkpoint's run, on a mesh of all devices that there are now.

    Args:
        elsewhere: leave the run's token stores alone; another workdir has its own.
    """
    config = run.read_config(find_checkpoint(checkpoint)[0])
    config = dataclasses.replace(config, mesh=MeshConfig(rules=config.mesh.rules))
    return dataclasses.replace(config, store=StoreConfig()) if elsewhere else config


def evaluate(config: Config, checkpoint: Path, workdir: Path, console: Console) -> dict:
    """Scores a checkpoint on the held-out split of the recipe's corpus.

    Args:
        config: the recipe; its corpus, instances and masking say what is scored, its mesh where.
        checkpoint: see `find_checkpoint`; without a step the latest good one counts.
        workdir: gets the token store of the held-out split, in `store/held_out`.
        console: for what a person reads.

    Returns:
        Scores, `step`, and trivial `baselines` if the run's training store is there to count tokens in.

    Raises:
        UserError: checkpoint, recipe, data and devices do not fit each other.
    """
    mesh = meshes.make_mesh(config.mesh)
    meshes.check_rows(mesh, rows_of(config), "evaluate.batch_size")
    origin, step = find_checkpoint(checkpoint)
    checkpoints = Checkpoints(origin / run.CHECKPOINTS, read_only=True)
    if step is None:
        step = checkpoints.latest_good()
    if step not in checkpoints.steps():
        raise UserError(f"{origin / run.CHECKPOINTS} has no such checkpoint", found=f"steps {checkpoints.steps()}",
                        expected="a step that is there" if step is None else f"step {step}",
                        hint="leave the step out to take the latest")
    vocabulary = Vocabulary.load(origin / VOCABULARY)
    config = configs.with_vocabulary(config, len(vocabulary))
    root = Path(config.store.dir) if config.store.dir else workdir / "store"
    split, workers = config.corpus.held_out_split, config.store.workers
    store = hosts.first_host_first(lambda: open_or_build(
        root / "held_out", config.corpus, split, config.tokenizer, vocabulary, workers))
    training = _training_store(origin)
    if training is None:
        console.print("the training store of this checkpoint is not there: no baselines, and no check for documents "
                      "that were trained on")
    with jax.set_mesh(mesh):
        params = state.restore_params(checkpoints, step, config, vocabulary, mesh)
        held_out = HeldOut(held_out_source(store, training, vocabulary, config, console), config, mesh,
                           jax.tree.map(lambda x: x.sharding, params))
        scores = held_out.score(params) | dict(step=step)
    if training:
        scores["baselines"] = trivial_scores(held_out.batches(), token_counts(training))
    return scores


def _training_store(origin: Path) -> TokenStore | None:
    began_with = run.read_config(origin)
    root = Path(began_with.store.dir) if began_with.store.dir else origin / "store"
    return TokenStore.open(root / "train") if (root / "train" / "manifest.json").exists() else None
