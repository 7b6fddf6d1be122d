"""Checkpoints of our own: where they lie in a run, what they are of, and converted ones, which lie just so."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bert_jax.checkpoint.pretrained import NOT_ASKED_FOR, Pretrained, asked_for, shapes, tree
from bert_jax.checkpoint.store import Checkpoints
from bert_jax.config import ONLY_IN_TRAINING, ModelConfig, TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.remote import is_remote
from bert_jax.text.vocabulary import FILE, Vocabulary
from bert_jax.text.wordpiece import identity

CHECKPOINTS = "checkpoints"


def about(
        model: ModelConfig, heads: tuple[str, ...], tokenizer: TokenizerConfig, vocabulary: Vocabulary | None) -> dict:
    """What a checkpoint is of: all that its parameters mean nothing without."""
    model = {name: value for name, value in dataclasses.asdict(model).items() if name not in ONLY_IN_TRAINING}
    # What checkpoints are that do not say.
    if not model["causal"]:
        del model["causal"]
    if not model["features"]:
        del model["features"], model["lstm_layers"], model["lstm_size"]
    vocabulary = dict(vocabulary=vocabulary.digest if vocabulary else None)
    return dict(model=model, heads=list(heads), tokenizer=vocabulary | identity(tokenizer))


def beside(model: ModelConfig) -> dict:
    """What a checkpoint also says of its model, without which it would compute the same: kept for exports."""
    return dict(only_in_training={name: getattr(model, name) for name in ONLY_IN_TRAINING})


def find(path: Path) -> tuple[Path, int | None]:
    """The run that a path lies in, and the step if the path names one.

    Args:
        path: a workdir, its `checkpoints`, or one step of them.

    Raises:
        UserError: there is no run.
    """
    path = path if is_remote(path) else path.absolute()
    for directory, step in ((path, None), (path.parent, None), (path.parent.parent, path.name)):
        if (directory / CHECKPOINTS).is_dir():
            if directory != path and path.relative_to(directory).parts[0] != CHECKPOINTS:
                break
            if step is not None and not step.isdigit():
                break
            return directory, int(step) if step else None
    raise UserError(
        f"{path} is not a checkpoint",
        found="no such directory" if not path.exists() else f"no {CHECKPOINTS} in it or above it",
        expected="a workdir, WORKDIR/checkpoints or WORKDIR/checkpoints/STEP",
        hint="--checkpoint=runs/demo",
    )


def find_step(checkpoints: Checkpoints, step: int | None) -> int:
    """The step, or the latest good one for None.

    Raises:
        UserError: it is not there.
    """
    found = checkpoints.latest_good() if step is None else step
    if found not in checkpoints.steps():
        raise UserError(f"{checkpoints.directory} has no such checkpoint", found=f"steps {checkpoints.steps()}",
                        expected="a step that is there" if step is None else f"step {step}",
                        hint="leave the step out to take the latest")
    return found


def is_one(path: Path) -> bool:
    """Whether a path is or lies in a run with checkpoints."""
    try:
        find(path)
    except UserError:
        return False
    return True


def open(path: Path, heads: tuple[str, ...] | None = None) -> Pretrained:
    """The model of a checkpoint; its parameters are not read yet.

    Args:
        path: as `find` takes it.
        heads: the heads to take; None: all that it has.

    Raises:
        UserError: there is no intact checkpoint, or it is of another version.
    """
    directory, step = find(path)
    checkpoints = Checkpoints(directory / CHECKPOINTS, read_only=True)
    step = find_step(checkpoints, step)
    said = checkpoints.about(step)
    settings = {name: value for name, value in said["tokenizer"].items() if name != "vocabulary"}
    try:
        model, tokenizer = ModelConfig(**said["model"], **said.get("only_in_training", {})), TokenizerConfig(**settings)
    except TypeError as error:  # a key that is not known here
        raise UserError(f"checkpoint {step} in {checkpoints.directory} is of another version", found=str(error),
                        expected="the keys of this version", hint="read it with the version that wrote it") from None
    found = tuple(said["heads"])
    taken = asked_for(found, heads, path)
    names = {path: path for path in shapes(model, taken)}
    left_out = {path: NOT_ASKED_FOR for path in shapes(model, found) if path not in names}

    def read() -> dict:
        # Whole on every device, so that each of several hosts has all of it.
        everywhere = NamedSharding(Mesh(np.array(jax.devices()), ("all",)), PartitionSpec())
        wanted = tree({name: jax.ShapeDtypeStruct(shape, np.float32, sharding=everywhere)
                       for name, shape in shapes(model, found).items()})
        params, _ = checkpoints.restore(step, {}, wanted)
        params = {part: params[part] for part in dict.fromkeys(name.partition("/")[0] for name in names)}
        return jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), params)

    vocabulary = Vocabulary.load(directory / FILE) if said["tokenizer"]["vocabulary"] else None
    if vocabulary and vocabulary.digest != said["tokenizer"]["vocabulary"]:
        raise UserError(f"{directory / FILE} is not the vocabulary of checkpoint {step}",
                        found=f"SHA-256 {vocabulary.digest[:12]}...",
                        expected=f"{said['tokenizer']['vocabulary'][:12]}...", hint="restore the file from a copy")
    return Pretrained("orbax", checkpoints.directory / str(step), model, taken, tokenizer, vocabulary,
                      tuple(said.get("labels", ())), names, read, kind=said.get("kind", ""),
                      length=said.get("length", 0), left_out=left_out, origin=said.get("origin", {}))


def write(pretrained: Pretrained, directory: Path) -> tuple[str, ...]:
    """Writes a directory with one checkpoint, of step 0, and the vocabulary.

    Returns:
        What a person should know of it.
    """
    checkpoints = Checkpoints(directory / CHECKPOINTS)
    of_it = about(pretrained.model, pretrained.heads, pretrained.tokenizer, pretrained.vocabulary)
    checkpoints.save(0, pretrained.read(), None, of_it | beside(pretrained.model) | dict(
        labels=list(pretrained.labels), kind=pretrained.kind, length=pretrained.length, origin=pretrained.origin))
    checkpoints.close()
    if not pretrained.vocabulary:
        return ("there is no vocabulary: a recipe that starts from it needs --config.init_vocabulary=by_id",)
    pretrained.vocabulary.save(directory / FILE)
    return ()
