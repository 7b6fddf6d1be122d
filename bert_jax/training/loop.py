"""The one way anything is trained: a session, its steps with hooks around them, and the results."""

import contextlib
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.config import Config
from bert_jax.corpus.token_store import BUILDING, MANIFEST, STORES
from bert_jax.disk import write_json
from bert_jax.parallel.devices import peak_of
from bert_jax.runs import curves, files, provenance, reference
from bert_jax.runs.mirror import Mirror
from bert_jax.runs.sinks import Sinks, check_sinks
from bert_jax.runs.sinks.jsonl import read
from bert_jax.training import summary
from bert_jax.training.clock import Stopwatch, Window
from bert_jax.training.hooks import (
    Hook,
    LogMetrics,
    Moment,
    SaveCheckpoints,
    Schedule,
    ScoreHeldOut,
)
from bert_jax.training.profiling import profiled
from bert_jax.training.progress import TrainingProgress
from bert_jax.training.session import Session, check_recipe, open_session
from bert_jax.training.signals import StopRequest, stop_requests
from bert_jax.training.state import TrainState
from bert_jax.training.stopping import EarlyStopping


def train(recipe: Config, workdir: Path, console: Console) -> dict | None:
    """Trains to the last step, from the latest good checkpoint if the workdir has one.

    Args:
        recipe: the recipe.
        workdir: of the run, on a disk or in a bucket.
        console: where a person reads; only the first host writes to it.

    Returns:
        The contents of `results.json`; None if the run was stopped before its end, and on all hosts
        but the first.

    Raises:
        UserError: the recipe, the data, the devices and the workdir do not fit each other.
    """
    clock = Stopwatch()
    first_host = jax.process_index() == 0
    console = console if first_host else Console(quiet=True)
    # A bucket has no append and no memory map: the run works on a local copy, and its checkpoints
    # alone are written straight to the bucket.
    copy = str(jax.process_index())
    mirror = Mirror(workdir, copy, stores=STORES, manifest=MANIFEST, unfinished=BUILDING)
    mirror.pull(leave_out=(CHECKPOINTS,))
    local = mirror.local
    check_sinks(recipe.log.sinks)
    reference.bands(recipe)
    checked = check_recipe(recipe, local)

    with contextlib.ExitStack() as stack:
        stack.enter_context(files.locked(local))
        keep, keep_every = recipe.checkpoint.keep, recipe.checkpoint.keep_every
        checkpoints = Checkpoints(workdir / CHECKPOINTS, keep, keep_every)
        stack.enter_context(contextlib.closing(checkpoints))
        start = checkpoints.latest_good() or 0
        results = read_results(local)
        if results and results["step"] == start:
            console.print(f"this run is done, with the parameters of step {start}")
            return results if first_host else None

        prepare = functools.partial(_mirrored, mirror)
        resumes = start > 0
        session = stack.enter_context(
            open_session(checked, local, console, clock=clock, resumes=resumes, prepare=prepare)
        )
        summary.show(console, session)
        with clock("initialisation"):
            state = first_state(session, checkpoints, start, console)
        if first_host:
            files.begin(session.recipe, session.data.sources, local)
            provenance.write(local, start, session.data.manifests)
            mirror.push()
        run = Run(session, local, checkpoints, mirror, console, clock)
        # Also while results are written: a stop that is asked for then would lose them.
        asked_to_stop = stack.enter_context(
            stop_requests(recipe.train.stop_after_minutes, recipe.log.every)
        )
        return run.results(*run.steps(state, start, asked_to_stop))


def _mirrored(mirror: Mirror, make: Callable[[], Any]) -> Any:
    """Returns the data that `make` makes on the first host, whose files the others pull."""
    first_host = jax.process_index() == 0
    if not first_host:
        mirror.pull(leave_out=(CHECKPOINTS,))
    data = make()
    if first_host:
        mirror.push()
    return data


def first_state(
    session: Session, checkpoints: Checkpoints, start: int, console: Console
) -> TrainState:
    """Returns the state from which a run goes on or starts, and prints where it is from."""
    source, recipe = session.source, session.recipe
    if start:
        console.print(f"goes on from step {start} of {session.plan.steps}")
        return session.restore(checkpoints, start)
    if not source or recipe.init_parameters == "none":
        if source:
            console.print(
                f"starts from scratch, with the architecture and the vocabulary of {source.path}"
            )
        return session.initial_state()
    state, missing = session.state_from_source()
    if recipe.init_vocabulary == "by_token":
        missing.append("rows of tokens that it does not know")
    text = "all parameters are there"
    if missing:
        text = f"not there, and so random: {', '.join(missing)}"
    console.print(f"starts from {source.path}; {text}", highlight=False, markup=False)
    return state


@dataclass(frozen=True)
class Run:
    """A session that is trained in a workdir.

    Attributes:
        session: the compiled steps and their data.
        workdir: of the run, on a disk.
        checkpoints: of the run, perhaps in a bucket.
        mirror: brings what is written in `workdir` to a bucket, if the run lies in one.
        console: where a person reads.
        clock: is told where the time goes.
    """

    session: Session
    workdir: Path
    checkpoints: Checkpoints
    mirror: Mirror
    console: Console
    clock: Stopwatch

    def steps(
        self, state: TrainState, start: int, asked_to_stop: StopRequest
    ) -> tuple[Moment, EarlyStopping]:
        """Takes the steps of this session and scores the end of the run.

        Returns:
            The last moment, and the scores by which its best step is known.
        """
        session, plan = self.session, self.session.plan
        recipe, evaluator = plan.recipe, session.evaluator
        first_host = jax.process_index() == 0
        stop = min(recipe.train.stop_after or plan.steps, plan.steps)
        peak = peak_of(session.mesh.devices.flat[0].device_kind)
        window = Window(peak and peak * session.mesh.size)
        seen = [
            (line["step"], evaluator.selection_score(line))
            for line in read(self.workdir / files.METRICS)
            if line["kind"] == "held_out" and line["step"] <= start
        ]
        early = EarlyStopping(recipe.train.patience, seen)
        compare = reference.watch(session.recipe, session.data.sources, self.console)
        schedule, clock = Schedule(plan), self.clock
        with contextlib.ExitStack() as stack:
            sink = Sinks(self.workdir, start, recipe.log.sinks, writes=first_host)
            stack.enter_context(contextlib.closing(sink))
            profile_after = recipe.log.profile_after if first_host else 0
            trace = stack.enter_context(
                profiled(self.workdir, profile_after, recipe.log.profile_steps)
            )
            progress = TrainingProgress(start, stop, self.console)
            score = ScoreHeldOut(schedule, window, clock, sink, progress, session, compare, early)
            hooks: list[Hook] = [
                lambda moment: trace(moment.done, moment.metrics),
                LogMetrics(schedule, window, clock, sink, progress),
                score,
                SaveCheckpoints(
                    schedule, window, clock, session, self.checkpoints, before=self._push
                ),
            ]
            moment = Moment(start, stop, state, {}, exhausted=early.exhausted)
            with progress:
                moment = take_steps(session, moment, hooks, window, asked_to_stop)
            if moment.done == plan.steps:
                score.score(moment)
        return moment, early

    def results(self, moment: Moment, early: EarlyStopping) -> dict | None:
        """Writes predictions, curves and `results.json` of a run that has come to its end.

        Returns:
            The contents of `results.json`; None if the run goes on later, and on all hosts but the
            first.
        """
        session, clock, console = self.session, self.clock, self.console
        steps = session.plan.steps
        with clock("checkpoints"):
            self.checkpoints.wait()
        if moment.done < steps and not early.exhausted:
            console.print(
                f"stopped after step {moment.done} of {steps}; the same command goes on from there"
            )
            return None
        best, scores = moment.done, moment.scores
        if (
            early.best_step is not None
            and early.best_step != moment.done
            and session.recipe.train.patience
        ):
            best = early.best_step
            console.print(f"step {best} was the best of {moment.done}: its parameters are kept")
            state = session.restore(self.checkpoints, best)
            # Everything else takes the latest checkpoint, which has to be the best one.
            self.checkpoints.drop_after(best)
            with clock("held-out evaluation"):
                scores = session.evaluator.score(state.model)
        if jax.process_index() > 0:
            return None
        with clock("baselines and plot"):
            baselines = session.workload.baselines()
            session.evaluator.write(self.workdir / files.PREDICTIONS)
            lines = read(self.workdir / files.METRICS)
            bands = reference.bands(session.recipe)
            curves.plot(lines, baselines, bands, self.workdir / files.CURVES)
        results = (scores or {}) | session.workload.metadata()
        results |= dict(baselines=baselines, step=best, trained_steps=moment.done)
        results |= dict(seconds=clock.seconds())
        write_json(self.workdir / files.RESULTS, results)
        self.mirror.push()
        return results

    def _push(self) -> None:
        if jax.process_index() == 0:
            self.mirror.push()


def take_steps(
    session: Session,
    moment: Moment,
    hooks: Sequence[Hook],
    window: Window,
    asked_to_stop: StopRequest,
) -> Moment:
    """The loop: takes a batch, takes a step, calls the hooks.

    Args:
        session: the compiled steps and their data.
        moment: where to begin.
        hooks: called after each step, in this order.
        window: measures the steps and the waits for data.
        asked_to_stop: whether to stop after a step.

    Returns:
        The moment after the last step.
    """
    if moment.last or moment.exhausted:
        return moment
    batches = session.batches(moment.done, moment.stop)
    for shape, batch in window.waits(batches):
        state, metrics = session.step(moment.state, shape, batch)
        done = moment.done + 1
        window.add(metrics, session.flops[shape])
        moment = Moment(done, moment.stop, state, metrics, asked=asked_to_stop(done))
        for hook in hooks:
            hook(moment)
        if moment.last or moment.exhausted:
            break
    return moment


def read_results(workdir: Path) -> dict | None:
    """Returns the contents of `results.json`, or None if the run has none yet."""
    path = workdir / files.RESULTS
    return json.loads(path.read_text()) if path.exists() else None
