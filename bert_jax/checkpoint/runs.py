"""Checkpoints of our own: where they lie in a run, what they are of, and converted ones, which lie
just so."""

from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bert_jax.checkpoint import about
from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.checkpoint.pretrained import NOT_ASKED_FOR, Pretrained, asked_for, shapes, tree
from bert_jax.errors import UserError
from bert_jax.remote import is_remote
from bert_jax.text.vocabulary import FILE, Vocabulary

CHECKPOINTS = "checkpoints"


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
    taken = checkpoints.latest_good() if step is None else step
    if taken not in checkpoints.steps():
        raise UserError(
            f"{checkpoints.directory} has no such checkpoint",
            found=f"steps {checkpoints.steps()}",
            expected="a complete step" if step is None else f"step {step}",
            hint="leave the step out to take the latest",
        )
    return taken


def is_one(path: Path) -> bool:
    """Returns True if a path is a run with checkpoints, or lies in one."""
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
    of_it = about.read(checkpoints.about(step), f"checkpoint {step} in {checkpoints.directory}")
    model, probe, found = of_it.model, of_it.probe, of_it.heads
    taken = asked_for(found, heads, path)
    names = {path: path for path in shapes(model, taken, probe)}
    left_out = {path: NOT_ASKED_FOR for path in shapes(model, found, probe) if path not in names}

    def read() -> dict:
        # Whole on every device, so that each of several hosts has all of it.
        everywhere = NamedSharding(Mesh(np.array(jax.devices()), ("all",)), PartitionSpec())
        wanted = tree(
            {
                name: jax.ShapeDtypeStruct(shape, np.float32, sharding=everywhere)
                for name, shape in shapes(model, found, probe).items()
            }
        )
        params, _ = checkpoints.restore(step, None, wanted)
        params = {
            part: params[part] for part in dict.fromkeys(name.partition("/")[0] for name in names)
        }
        return jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), params)

    vocabulary = Vocabulary.load(directory / FILE) if of_it.vocabulary else None
    if vocabulary and vocabulary.digest != of_it.vocabulary:
        raise UserError(
            f"{directory / FILE} is not the vocabulary of checkpoint {step}",
            found=f"SHA-256 {vocabulary.digest[:12]}...",
            expected=f"{str(of_it.vocabulary)[:12]}...",
            hint="restore the file from a copy",
        )
    return Pretrained(
        "orbax",
        checkpoints.directory / str(step),
        model,
        taken,
        of_it.tokenizer,
        vocabulary,
        of_it.labels,
        names,
        read,
        kind=of_it.kind,
        length=of_it.length,
        left_out=left_out,
        origin=of_it.origin,
        probe=probe,
    )


def write(pretrained: Pretrained, directory: Path) -> tuple[str, ...]:
    """Writes a directory with one checkpoint, of step 0, and the vocabulary.

    Returns:
        What a person should know of it.
    """
    checkpoints = Checkpoints(directory / CHECKPOINTS)
    vocabulary = pretrained.vocabulary
    described = about.describe(
        pretrained.model,
        pretrained.heads,
        pretrained.tokenizer,
        vocabulary.digest if vocabulary else None,
        pretrained.probe,
    )
    checkpoints.save(
        0,
        pretrained.read(),
        None,
        described
        | about.describe_training(pretrained.model)
        | dict(
            labels=list(pretrained.labels),
            kind=pretrained.kind,
            length=pretrained.length,
            origin=pretrained.origin,
        ),
    )
    checkpoints.close()
    if not pretrained.vocabulary:
        return (
            "there is no vocabulary: a recipe that starts from it needs "
            "--config.init_vocabulary=by_id",
        )
    pretrained.vocabulary.save(directory / FILE)
    return ()
