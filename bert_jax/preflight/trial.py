"""A recipe as it is tried: with another batch or length, and with what else would follow from
data."""

import dataclasses
import math

import jax

from bert_jax.checkpoint import initial
from bert_jax.config import Config, checked
from bert_jax.model.heads import LABELLED
from bert_jax.objectives import OBJECTIVES, OF_KIND
from bert_jax.parallel import mesh as meshes
from bert_jax.training.budget import steps_of_budget
from bert_jax.training.corpus_workload import batch_shapes
from bert_jax.training.phases import phases_of, with_length
from bert_jax.training.task_workload import unpacked_shapes


def prepared(
    config: Config, chips: int, batch_per_chip: int, length: int, slices: int = 1
) -> Config:
    """Returns the recipe with this batch and length, and with the same number of sequences in all.

    What a run learns from its data is assumed: the size of the vocabulary is that of
    `tokenizer.vocab_size`, and a task has two classes unless `objectives` names another objective.
    The architecture is that of the checkpoint `init_from`, if there is one. Of a recipe with phases
    the one with this length counts, or the first.

    Args:
        config: the recipe.
        chips: number of chips, among which the batch is divided.
        batch_per_chip, length: rows on a chip, and tokens of a row; 0: as in the recipe.
        slices: number of slices that the mesh consists of.

    Raises:
        UserError: the checkpoint cannot be opened, or the recipe asks for another architecture.
    """
    config, _ = initial.adopt(config)
    if slices > 1 and config.mesh.slice == 1:
        config = dataclasses.replace(config, mesh=dataclasses.replace(config.mesh, slice=slices))
    if config.task.name:
        return _of_task(config, chips, batch_per_chip, length)
    if config.instances.phases:
        phases = phases_of(config)
        phase = next((one for one in phases if one.shape[1] == length), phases[0])
        config = dataclasses.replace(
            phase.config, train=dataclasses.replace(phase.config.train, steps=phase.steps)
        )
    if length and length != config.instances.length:
        config = with_length(config, length)
    train, optimizer = config.train, config.optimizer
    if batch_per_chip:
        batch_size = batch_per_chip * chips
        train = dataclasses.replace(
            train,
            batch_size=batch_size,
            steps=math.ceil(train.steps * train.batch_size / batch_size),
        )
    optimizer = dataclasses.replace(
        optimizer, warmup_steps=min(optimizer.warmup_steps, train.steps)
    )
    changed = _checked(dataclasses.replace(config, train=train, optimizer=optimizer))
    steps = steps_of_budget(changed, changed.model.vocab_size, batch_shapes(changed))
    train = dataclasses.replace(changed.train, steps=steps)
    return dataclasses.replace(changed, train=train)


def _of_task(config: Config, chips: int, batch_per_chip: int, length: int) -> Config:
    train, task = config.train, config.task
    if batch_per_chip:
        train = dataclasses.replace(train, batch_size=batch_per_chip * chips)
    if length:
        task = dataclasses.replace(task, length=length)
    # How many steps there are follows from data; here it is one of as many as the schedule needs.
    train = dataclasses.replace(train, epochs=0.0, steps=max(1, config.optimizer.warmup_steps))
    of_task = [name for name in config.objectives if name in OF_KIND.values()]
    objective = of_task[0] if of_task else OF_KIND["classification"]
    labels = config.model.num_labels or 2 if OBJECTIVES[objective].HEAD in LABELLED else 0
    return _checked(
        dataclasses.replace(
            config,
            train=train,
            task=task,
            objectives=(objective,),
            model=dataclasses.replace(config.model, num_labels=labels),
        )
    )


def _checked(config: Config) -> Config:
    size = config.model.vocab_size or config.tokenizer.vocab_size
    model = dataclasses.replace(config.model, vocab_size=size)
    return checked(dataclasses.replace(config, model=model))


def shapes_on(config: Config, mesh: jax.sharding.Mesh) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of a batch of a recipe that is `prepared`, an example a row.

    Raises:
        UserError: the recipe does not fit the mesh.
    """
    train = config.train
    meshes.check_rows(mesh, train.batch_size, "train.batch_size")
    meshes.check_parts(mesh, train.batch_size, train.replicas * train.accumulation)
    meshes.check_heads(mesh, config.model.num_heads)
    return unpacked_shapes(config) if config.task.name else batch_shapes(config)
