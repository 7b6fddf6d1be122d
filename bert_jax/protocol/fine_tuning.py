"""The paper's protocol (Devlin et al., 2018, section 4.1): fine-tune a checkpoint on every task
with every setting, select the setting on the development set, and report. It trains nothing itself:
each run is one of `train`.
"""

import dataclasses
import itertools
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils
from rich.console import Console
from scipy import stats

from bert_jax.checkpoint import initial
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.config import Config
from bert_jax.errors import UserError
from bert_jax.protocol import predictions
from bert_jax.runs import files
from bert_jax.tasks import examples
from bert_jax.tasks.glue import AFTER_MNLI, TASKS
from bert_jax.training.loop import train
from bert_jax.training.task_workload import counted

FROM_SCRATCH = "-from-scratch"  # behind the name of a task whose runs begin at random


@dataclass(frozen=True)
class Run:
    """A run of the protocol: what its task is called and the setting, its recipe, and the runs from
    the best of which it starts, rather than from the recipe's `init_from`."""

    task: str
    setting: dict[str, float]
    config: Config
    through: tuple["Run", ...] = ()

    @property
    def name(self) -> str:
        """Its directory within the protocol's."""
        setting = "-".join(f"{name}{value:g}" for name, value in self.setting.items())
        fold = f"-fold{self.config.task.fold}" if self.config.task.folds else ""
        return f"{self.task.replace('/', '-')}/{setting}-seed{self.config.seed}{fold}"


def plan(config: Config, checkpoint: Path, workdir: Path, tasks: tuple[str, ...]) -> list[Run]:
    """All runs, task by task and setting by setting.

    Args:
        config: the recipe; `protocol` says what is tried.
        checkpoint: what each run starts from.
        workdir: gets the tokenised tasks, which runs share.
        tasks: some of `protocol.tasks`, or others. With `protocol.from_mnli` those of MNLI come
            first; with `protocol.from_scratch` each comes once more under another name.

    Raises:
        UserError: a task is not known, AX for one, or its data is not there.
    """
    protocol, planned, of_mnli = config.protocol, [], ()
    if protocol.from_mnli and any(task.removeprefix("glue/") in AFTER_MNLI for task in tasks):
        tasks = ("mnli", *(task for task in tasks if task.removeprefix("glue/") != "mnli"))
    for task, scratch in itertools.product(
        tasks, (False, True) if protocol.from_scratch else (False,)
    ):
        name, short = _data_set(task), task.removeprefix("glue/")
        for batch_size, epochs, rate, seed, fold in itertools.product(
            protocol.batch_sizes,
            protocol.epochs,
            protocol.learning_rates,
            range(protocol.seeds),
            range(protocol.folds or 1),
        ):
            of_task = dataclasses.replace(
                config.task, name=name, cache_dir=str(workdir / "tokenised")
            )
            if protocol.folds:
                of_task = dataclasses.replace(
                    of_task, folds=protocol.folds, fold=fold, validation_splits=()
                )
            recipe = dataclasses.replace(
                config,
                seed=seed,
                init_from=str(checkpoint),
                task=of_task,
                init_parameters="none" if scratch else config.init_parameters,
                train=dataclasses.replace(
                    config.train, batch_size=int(batch_size), epochs=float(epochs)
                ),
                optimizer=dataclasses.replace(config.optimizer, learning_rate=float(rate)),
            )
            planned.append(
                Run(
                    task + FROM_SCRATCH * scratch,
                    dict(bs=batch_size, ep=epochs, lr=rate),
                    recipe,
                    of_mnli if short in AFTER_MNLI and not scratch else (),
                )
            )
        if protocol.from_mnli and task == "mnli" and not scratch:
            of_mnli = tuple(planned)
        examples.opened(name, config.task.data_dir, config.task.train_split)
    return planned


def _data_set(task: str) -> str:
    glue = TASKS.get(task.removeprefix("glue/"))
    if glue and not glue.train:
        raise UserError(
            f"the task {task!r} has nothing to train on",
            expected=f"scored through {glue.scored_by!r}",
            hint=f"--tasks={glue.scored_by}",
        )
    return glue.name if glue else task


def fine_tune(planned: list[Run], workdir: Path, console: Console) -> dict[str, dict] | None:
    """Does all runs that are not done yet, and keeps `results.json` up to date.

    Args:
        planned: from `plan`, tasks one after the other.
        workdir: of the protocol; a run's own lies in it.
        console: for what a person reads.

    Returns:
        What `results_of` says at the end; None if it was stopped before.

    Raises:
        UserError: a run that is done was done with another recipe; or as `train`.
    """
    results, began = {}, time.monotonic()
    todo = [one for one in planned if not is_done(one, workdir)]
    done = 0
    for task, of_task in itertools.groupby(planned, key=lambda one: one.task):
        for one in of_task:
            if one not in todo:
                continue
            left = (
                f", about {(time.monotonic() - began) / done * (len(todo) - done) / 60:.0f} min "
                f"left"
                if done
                else ""
            )
            console.rule(f"run {done + 1} of {len(todo)}: {one.name}{left}", align="left")
            train(recipe_of(one, workdir), workdir / one.name, console)
            if jax.process_count() > 1:
                multihost_utils.sync_global_devices(
                    one.name
                )  # the first host writes the results that all look for
            if not is_done(one, workdir):
                return None
            done += 1
        if jax.process_index() == 0:
            results = results_of(planned, workdir)
            if planned[0].config.protocol.keep == "best":
                drop_checkpoints(planned, results, task, workdir)
            files.write_json(workdir / files.RESULTS, results)
    return results


def recipe_of(one: Run, workdir: Path) -> Config | None:
    """The recipe of a run; None as long as it is to start from the best of runs that are not all
    done.

    Raises:
        UserError: as `is_done`.
    """
    if not one.through:
        return one.config
    if not all(is_done(other, workdir) for other in one.through):
        return None
    best = workdir / _scores_of(list(one.through), workdir)["best"]
    return dataclasses.replace(one.config, init_from=str(best), init_parameters="encoder")


def is_done(one: Run, workdir: Path) -> bool:
    """Returns True if a run has its results.

    Raises:
        UserError: it has, and they are of another recipe.
    """
    directory, recipe = workdir / one.name, recipe_of(one, workdir)
    if not recipe or not (directory / files.RESULTS).exists():
        return False
    config, _ = initial.adopt(recipe, files.read_config(directory))
    files.check_resume(config, directory)
    return True


def results_of(planned: list[Run], workdir: Path) -> dict[str, dict]:
    """Returns the results of the finished runs, by task.

    Returns:
        For each task its `kind`, `metric` (that counts), `runs` (setting, seed, fold, scores,
        seconds, directory), `settings` (each with `best`, `median`, `mean`, `deviation` and
        `interval` over its runs), `selected` (the setting with the best mean) and `best` (the
        directory of the best run with it); of classes and choices `expected_calibration_error` too,
        of that run on the split that counts.
    """
    found = {}
    for task, of_task in itertools.groupby(planned, key=lambda one: one.task):
        if not (results := _scores_of(list(of_task), workdir)):
            continue
        found[task] = results
        predicted = predictions.read(
            workdir / results["best"], split_of(results["metric"]), results["kind"]
        )
        if predicted and predicted.kind in predictions.ONE_OF:
            results["expected_calibration_error"] = predictions.calibration(predicted).error
    return found


def _scores_of(of_task: list[Run], workdir: Path) -> dict:
    """Returns the results of one task, as `results_of`, without those that need predictions; empty
    as long as no run is finished."""
    runs = [
        (one, json.loads((workdir / one.name / files.RESULTS).read_text()))
        for one in of_task
        if (workdir / one.name / files.RESULTS).exists()
    ]
    if not runs:
        return {}
    metric = counted(runs[0][0].config, runs[0][1])
    settings = [
        summary(setting, [results[metric] for one, results in runs if one.setting == setting])
        for setting in _distinct(one.setting for one, _ in runs)
    ]
    selected = max(settings, key=lambda one: one["mean"])
    of_selected = [
        (results[metric], one.name) for one, results in runs if one.setting == selected["setting"]
    ]
    return dict(
        kind=runs[0][1]["kind"],
        metric=metric,
        selected=selected["setting"],
        best=max(of_selected)[1],
        settings=settings,
        runs=[
            dict(
                directory=one.name,
                setting=one.setting,
                seed=one.config.seed,
                fold=one.config.task.fold,
                seconds=results["seconds"]["all"],
                scores={name: value for name, value in results.items() if "/" in name},
            )
            for one, results in runs
        ],
    )


def split_of(metric: str) -> str:
    """The split of a score that is called 'SPLIT/METRIC'."""
    return metric.rpartition("/")[0]


def said(setting: dict[str, float]) -> str:
    """A setting as a person reads it: 'bs 32, ep 3, lr 5e-05'."""
    return ", ".join(f"{name} {value:g}" for name, value in setting.items())


def summary(setting: dict, scores: list[float]) -> dict:
    """Best, median, mean, deviation (of the sample) and the 95% bootstrap interval of the mean."""
    scores = np.array(scores)
    deviation = float(scores.std(ddof=1)) if len(scores) > 1 else None
    interval = None
    if len(scores) > 1:
        if deviation:
            spread = stats.bootstrap(
                (scores,), np.mean, confidence_level=0.95, method="percentile", rng=0
            )
            interval = [float(x) for x in spread.confidence_interval]
        else:
            interval = [float(scores[0])] * 2
    return dict(
        setting=setting,
        runs=len(scores),
        best=float(scores.max()),
        median=float(np.median(scores)),
        mean=float(scores.mean()),
        deviation=deviation,
        interval=interval,
    )


def drop_checkpoints(
    planned: list[Run], results: dict[str, dict], task: str, workdir: Path
) -> None:
    """Removes the checkpoints of a task's runs but the best one's; their results stay."""
    for one in planned:
        if one.task == task and one.name != results[task]["best"]:
            shutil.rmtree(workdir / one.name / CHECKPOINTS, ignore_errors=True)


def _distinct(settings: Iterator[dict]) -> list[dict]:
    found = []
    for setting in settings:
        if setting not in found:
            found.append(setting)
    return found
