"""A session: everything a run needs to take a step, built once and in one place.

Training, forecasts, verification and benchmarks all open one:

    with open_session(check_recipe(recipe, workdir), workdir, console) as session:
        state = session.initial_state()
        for shape, batch in session.batches(0, session.plan.steps):
            state, metrics = session.step(state, shape, batch)
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh
from rich.console import Console

from bert_jax.batching import Batch
from bert_jax.batching.prefetch import prefetched
from bert_jax.checkpoint import initial
from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import Config
from bert_jax.model import flops
from bert_jax.objectives import heads_of
from bert_jax.parallel import hosts
from bert_jax.parallel import mesh as meshes
from bert_jax.runs import files
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training import state as states
from bert_jax.training.clock import Stopwatch
from bert_jax.training.corpus_workload import CorpusData
from bert_jax.training.plan import Plan
from bert_jax.training.state import TrainState
from bert_jax.training.step import compile_train_steps
from bert_jax.training.task_workload import TaskData
from bert_jax.training.workload import Data, Evaluator, Shape, Workload


@dataclass(frozen=True)
class CheckedRecipe:
    """A recipe that fits the devices and the workdir, before any data is prepared.

    Attributes:
        recipe: with the architecture and the tokenizer of the checkpoint that it starts from.
        source: that checkpoint, if it had to be opened.
        mesh: the devices.
        data_type: what prepares the data.
    """

    recipe: Config
    source: Pretrained | None
    mesh: Mesh
    data_type: type[CorpusData] | type[TaskData]


def check_recipe(recipe: Config, workdir: Path | None = None) -> CheckedRecipe:
    """Finds all mistakes that can be found before data is prepared or anything is written.

    Args:
        recipe: the recipe.
        workdir: of the run, on a disk; if the run has begun, the recipe must be the one that it
            began with, but for keys that may change. None for what is no run.

    Raises:
        UserError: the recipe, the devices and the workdir do not fit each other.
    """
    mesh = meshes.make_mesh(recipe.mesh)
    data_type = TaskData if recipe.task.name else CorpusData
    data_type.check(recipe, mesh)
    began_with = files.read_config(workdir) if workdir else None
    recipe, source = initial.adopt(recipe, began_with)
    meshes.check_heads(mesh, recipe.model.num_heads)
    if workdir:
        files.check_resume(recipe, workdir)
    return CheckedRecipe(recipe, source, mesh, data_type)


@dataclass(frozen=True)
class Session:
    """Data, compiled steps and everything around them. Made by `open_session`.

    Attributes:
        recipe: the recipe, with what it takes over from the checkpoint that it starts from.
        plan: the recipe, resolved against the data.
        mesh: the devices.
        data: the tokenised data on disk.
        workload: the batches.
        evaluator: what scores parameters on examples that are not learned from.
        state_shapes: the state's `jax.ShapeDtypeStruct`s with their shardings.
        steps: the compiled training step for each shape of a batch.
        flops: operations of the model's matrix products in each of them.
        source: the checkpoint that a new run starts from; None if there is none.
    """

    recipe: Config
    plan: Plan
    mesh: Mesh
    data: Data
    workload: Workload
    evaluator: Evaluator
    state_shapes: TrainState
    steps: dict[Shape, Any]
    flops: dict[Shape, int]
    source: Pretrained | None

    @property
    def vocabulary(self) -> Vocabulary:
        return self.data.vocabulary

    def initial_state(self) -> TrainState:
        """Returns random parameters and a new optimiser, a function of the recipe's seed."""
        shardings = jax.tree.map(lambda x: x.sharding, self.state_shapes)
        return jax.jit(lambda: states.initial_state(self.plan), out_shardings=shardings)()

    def state_from_source(self) -> tuple[TrainState, list[str]]:
        """Returns the parameters of the checkpoint that a new run starts from, and a new optimiser.

        The list has the paths of parameters that the checkpoint lacks, which are random.
        """
        assert self.source is not None
        return states.state_from(self.source, self.plan, self.vocabulary, self.mesh)

    def restore(self, checkpoints: Checkpoints, step: int) -> TrainState:
        """Returns the state that was saved at a step."""
        return states.restore(checkpoints, step, self.plan, self.vocabulary, self.mesh)

    def save(
        self, checkpoints: Checkpoints, state: TrainState, step: int, score: float | None = None
    ) -> None:
        """Starts to save a state; the best one of those with a score is kept."""
        metadata = self.workload.metadata()
        states.save(checkpoints, state, step, self.plan, self.vocabulary, metadata, score=score)

    def batches(self, start: int, stop: int) -> Iterator[tuple[Shape, Batch]]:
        """Yields the batches of steps `start` to `stop - 1`, prepared ahead by threads."""
        compute = self.plan.compute
        batch = self.workload.batch
        return prefetched(batch, start, stop, compute.data_threads, compute.prefetch)

    def step(self, state: TrainState, shape: Shape, batch: Batch) -> tuple[TrainState, dict]:
        """Takes a step; the state that it is given is overwritten.

        Returns:
            The next state, and metrics as float32 scalars on the devices.
        """
        rows, _ = shape
        return self.steps[shape](state, meshes.to_devices(batch, self.mesh, rows))


@contextlib.contextmanager
def open_session(
    checked: CheckedRecipe,
    workdir: Path,
    console: Console,
    *,
    clock: Stopwatch | None = None,
    resumes: bool = False,
    prepare: Callable[[Callable[[], Data]], Data] = lambda make: make(),
) -> Iterator[Session]:
    """Prepares the data, plans the run and compiles its steps; the mesh is set while it lasts.

    Args:
        checked: from `check_recipe`.
        workdir: gets vocabulary and tokens if they are not there.
        console: gets warnings about the data; a quiet one also hides progress.
        clock: is told where the time goes.
        resumes: the run goes on from a checkpoint of its own, so that the one that it once started
            from is not needed.
        prepare: wraps the preparation of the data on each host, to bring files from a bucket and
            back.

    Raises:
        UserError: data, recipe and workdir do not fit each other.
    """
    clock = clock or Stopwatch()
    recipe, source, mesh = checked.recipe, checked.source, checked.mesh
    if recipe.init_from and not source and not resumes:
        source = initial.opened(recipe)  # the run was stopped before its first checkpoint
    progress = not console.quiet and jax.process_index() == 0

    def make() -> Data:
        return checked.data_type(recipe, workdir, source, progress=progress)

    with clock("data preparation"):
        data = hosts.first_host_first(lambda: prepare(make))
        files.check_data(data.sources, workdir)
    with clock("planning"):
        workload = data.workload(recipe, mesh, console)
    plan = workload.plan
    with jax.set_mesh(mesh):
        state_shapes = states.state_shapes(plan, mesh)
        shapes = workload.shapes()
        with clock("compilation"):
            steps = compile_train_steps(plan, mesh, state_shapes, shapes)
        heads = heads_of(plan.objectives)
        yield Session(
            recipe=recipe,
            plan=plan,
            mesh=mesh,
            data=data,
            workload=workload,
            evaluator=workload.evaluator(jax.tree.map(lambda x: x.sharding, state_shapes.params)),
            state_shapes=state_shapes,
            steps=steps,
            flops={
                shape: flops.train_step(plan.model, heads, batch, plan.recipe.probe)
                for shape, batch in shapes.items()
            },
            source=source,
        )
