"""Hooks: what happens beside the training steps, called after each of them in the order of a list.

A hook is called with the `Moment` and decides by itself whether its turn has come. To add one,
write it here and add it to the list in `loop.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.runs.sinks import Sinks
from bert_jax.training.clock import Stopwatch, Window
from bert_jax.training.plan import Plan
from bert_jax.training.progress import TrainingProgress
from bert_jax.training.session import Session
from bert_jax.training.state import TrainState
from bert_jax.training.stopping import EarlyStopping


@dataclass
class Moment:
    """A run after a step.

    Attributes:
        done: steps taken.
        stop: the step at which this session ends; a later one may go on.
        state: the state after the step.
        metrics: metrics of the step, on the devices.
        asked: whether someone asked the run to stop here.
        exhausted: whether the run ends early, set by the hook that scores.
        scores: held-out scores of this step, set by the hook that scores.
    """

    done: int
    stop: int
    state: TrainState
    metrics: dict
    asked: bool = False
    exhausted: bool = False
    scores: dict[str, float] | None = None

    @property
    def last(self) -> bool:
        """True if this session takes no more steps."""
        return self.done == self.stop or self.asked


class Hook(Protocol):
    """A function of the moment after a step."""

    def __call__(self, moment: Moment) -> None: ...


@dataclass(frozen=True)
class Schedule:
    """Decides which of the rare hooks are due after a step."""

    plan: Plan

    def scores(self, moment: Moment) -> bool:
        """Returns True if held-out examples are scored now; the end of the run is scored after the
        loop."""
        due = _every(self.plan.evaluate_every, moment.done)
        return due and moment.done < self.plan.steps and not moment.asked

    def may_end(self, moment: Moment) -> bool:
        """Returns True if the run may end here for want of progress."""
        return self.plan.recipe.train.patience > 0 and self.scores(moment)

    def logs(self, moment: Moment) -> bool:
        every = self.plan.recipe.log.every
        return moment.last or self.may_end(moment) or _every(every, moment.done)

    def saves(self, moment: Moment) -> bool:
        every = self.plan.checkpoint_every
        return moment.last or self.may_end(moment) or _every(every, moment.done)


def _every(steps: int, done: int) -> bool:
    return steps > 0 and done % steps == 0


@dataclass(frozen=True)
class LogMetrics:
    """Writes means over the steps since the last line of metrics, and the rates."""

    schedule: Schedule
    window: Window
    clock: Stopwatch
    sinks: Sinks
    progress: TrainingProgress

    def __call__(self, moment: Moment) -> None:
        self.progress.step(moment.done)
        if not self.schedule.logs(moment):
            return
        means = self.window.close()
        self.clock.add("training", means["seconds"])
        self.sinks.write(moment.done, "train", means)
        self.progress.metrics(moment.done, means)


@dataclass(frozen=True)
class ScoreHeldOut:
    """Scores the parameters and compares the scores with the recipe's reference.

    It comes before `SaveCheckpoints`: a run that resumes from a checkpoint would not come back to
    score its step.
    """

    schedule: Schedule
    window: Window
    clock: Stopwatch
    sinks: Sinks
    progress: TrainingProgress
    session: Session
    compare: Callable[[int, dict], dict]
    early: EarlyStopping

    def __call__(self, moment: Moment) -> None:
        if self.schedule.scores(moment):
            with self.window.paused():
                self.score(moment)
                self.progress.held_out(moment.done, moment.scores or {})

    def score(self, moment: Moment) -> None:
        """Scores the moment's parameters, whatever the schedule says."""
        evaluator = self.session.evaluator
        with self.clock("held-out evaluation"):
            moment.scores = evaluator.score(moment.state.model)
        compared = self.compare(moment.done, moment.scores)
        self.sinks.write(moment.done, "held_out", moment.scores | compared)
        self.early.add(moment.done, evaluator.selection_score(moment.scores))
        moment.exhausted = self.early.exhausted


@dataclass(frozen=True)
class SaveCheckpoints:
    """Saves the state; `before` is called first, with all lines of metrics written."""

    schedule: Schedule
    window: Window
    clock: Stopwatch
    session: Session
    checkpoints: Checkpoints
    before: Callable[[], None]

    def __call__(self, moment: Moment) -> None:
        if not self.schedule.saves(moment):
            return
        with self.window.paused(), self.clock("checkpoints"):
            self.before()
            score = None
            if self.schedule.may_end(moment) and moment.scores:
                score = self.session.evaluator.selection_score(moment.scores)
            self.session.save(self.checkpoints, moment.state, moment.done, score)
