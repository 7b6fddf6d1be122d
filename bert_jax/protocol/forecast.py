"""Forecast of the time and memory of fine-tuning on this machine: its real steps, compiled and
tried for a moment."""

import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import jax
from rich.console import Console

from bert_jax.config import Config
from bert_jax.protocol.fine_tuning import Run, is_done, recipe_of
from bert_jax.training.session import check_recipe, open_session
from bert_jax.training.summary import held_bytes

_TRIED = 3  # steps of each shape, of which the fastest counts
_SCORED = 1 / 3  # of a training step is the forward pass, and the backward pass twice as much


@dataclass(frozen=True)
class Forecast:
    """Time and memory that runs are expected to take.

    Attributes:
        seconds: of all of them, without what others do on the machine meanwhile.
        bytes: of memory on each device, of the largest; 0 where the compiler does not tell.
    """

    seconds: float
    bytes: int


def of_tasks(planned: list[Run], workdir: Path, console: Console) -> dict[str, Forecast]:
    """For each task what its runs that are not done yet would take.

    Args:
        planned: of `protocol.plan`.
        workdir: of the protocol; gets the tokenised tasks.
        console: shows what is being done.
    """
    found = {}
    for task, of_task in itertools.groupby(planned, key=lambda one: one.task):
        with console.status(f"{task}: tokenises, compiles and tries a step of each kind of run"):
            found[task] = forecast([one for one in of_task if not is_done(one, workdir)], workdir)
    return found


def forecast(runs: list[Run], workdir: Path) -> Forecast:
    """Compiles the steps of runs of one task and tries each on a batch.

    Those that differ in learning rate, seed or fold alone are measured once.
    """
    seconds, most, known = 0.0, 0, {}
    for one in runs:
        config = recipe_of(one, workdir) or one.config
        sizes = config.train.batch_size, config.train.epochs
        if sizes not in known:
            known[sizes] = _of_run(config)
        seconds, most = seconds + known[sizes].seconds, max(most, known[sizes].bytes)
    return Forecast(seconds, most)


def _of_run(config: Config) -> Forecast:
    began = time.monotonic()
    checked, console = check_recipe(config), Console(quiet=True)
    with (
        tempfile.TemporaryDirectory() as workdir,  # the tokens lie in `task.cache_dir`
        open_session(checked, Path(workdir), console) as session,
    ):
        state = session.initial_state()
        once = time.monotonic() - began  # each run opens its data and compiles again
        training = 0.0
        for shape, numbers in session.workload.steps_by_shape().items():
            _, batch = session.workload.batch(int(numbers[0]))
            seconds = []
            for _ in range(_TRIED):
                began = time.monotonic()
                state, metrics = session.step(state, shape, batch)
                jax.block_until_ready(metrics)
                seconds.append(time.monotonic() - began)
            training += len(numbers) * min(seconds)
    plan = session.plan
    scored = session.evaluator.examples / config.train.batch_size  # in steps
    evaluations = 1
    if plan.evaluate_every:
        evaluations += (plan.steps - 1) // plan.evaluate_every
    scoring = evaluations * scored * _SCORED * training / plan.steps
    memory = [step.memory_analysis() for step in session.steps.values()]
    total = 0
    if all(memory):
        temporary = max(of_step.temp_size_in_bytes for of_step in memory)
        total = held_bytes(session.state_shapes) + temporary
    return Forecast(once + training + scoring, total)
