"""Checkpoints on disk: Orbax keeps the arrays, digests of ours tell whether they are what was
written.

A step's checkpoint holds three items: `params` and `optimizer`, trees of arrays in canonical form,
and `about`, JSON that says which model they are of. Any mesh and any layout restores them.
"""

import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint import checkpoint_managers as policies

from bert_jax.checkpoint import about as descriptions
from bert_jax.checkpoint import digests
from bert_jax.checkpoint.layout import CANONICAL_VERSION
from bert_jax.errors import UserError, refuse_differences
from bert_jax.remote import files_of, is_remote, path_of

UNFINISHED = "*.orbax-checkpoint-tmp*"  # what Orbax calls a step until it is complete
# What a complete step has in a bucket, where nothing is renamed.
COMPLETE = "commit_success.txt"
ITEMS = ("params", "optimizer", "about")

log = logging.getLogger(__name__)


def _rank(metrics: dict[str, float]) -> tuple[float, float]:
    return metrics["score"], -metrics["step"]


class Checkpoints:
    """The checkpoints of a run, by step.

    Args:
        directory: where they lie; made if it is not there.
        keep: how many of the latest to keep; the best of those that were saved with a score stays
            too.
        keep_every: keep those whose step is a multiple of it for good; 0 for none.
        read_only: change nothing there, not even what a killed run left behind.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        keep: int = 1,
        keep_every: int = 0,
        read_only: bool = False,
    ):
        self.directory = path_of(directory) if is_remote(directory) else Path(directory).absolute()
        self._read_only = read_only
        self._checked: dict[int, str | None] = {}  # what was found wrong with a step, by step
        if not read_only and jax.process_index() == 0:
            # What a killed run left half-written. Orbax would do it in a thread that outlives an
            # early error.
            for unfinished in self._unfinished():
                unfinished.rmtree() if is_remote(unfinished) else shutil.rmtree(unfinished)
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(
                    [
                        policies.LatestN(keep),
                        policies.BestN(
                            get_metric_fn=_rank, n=1, keep_checkpoints_without_metrics=False
                        ),
                        *[policies.EveryNSteps(keep_every)] * (keep_every > 0),
                    ]
                ),
                best_fn=_rank,  # or the scores of earlier processes are not read
                read_only=read_only,
                async_options=ocp.AsyncOptions(post_finalization_callback=self._write_digests),
            ),
        )

    def steps(self) -> list[int]:
        """Steps that have a complete checkpoint, rising."""
        return sorted(self._manager.all_steps())

    def save(
        self, step: int, params: Any, optimizer: Any, about: dict, score: float | None = None
    ) -> None:
        """Starts to save canonical trees; returns once they may be overwritten, and goes on in the
        background.

        Args:
            optimizer: None if there is no optimiser's state.
            about: nested plain values that say of which model and text they are; `restore` compares
                them.
            score: of what is saved; larger is better, and of equal ones the first.
        """
        self._checked.pop(step, None)
        items = dict(
            params=ocp.args.StandardSave(params),
            about=ocp.args.JsonSave(dict(canonical_version=CANONICAL_VERSION, **about)),
        )
        if optimizer is not None:
            items["optimizer"] = ocp.args.StandardSave(optimizer)
        self._manager.save(
            step,
            args=ocp.args.Composite(**items),
            metrics=None if score is None else dict(step=step, score=score),
        )

    def latest_good(self) -> int | None:
        """The latest step whose files agree with their digests, or None if there is no checkpoint
        at all.

        Later ones that do not agree are set aside under the name `damaged-STEP-TIME`, or passed
        over if read only.

        Raises:
            UserError: there are checkpoints, and none of them is good.
        """
        steps = self.steps()
        damaged = {}
        for step in reversed(steps):
            damaged[step] = self._problem(step)
            if not damaged[step]:
                break
            log.warning("checkpoint %d is damaged: %s", step, damaged[step])
        else:
            if steps:
                raise UserError(
                    f"no checkpoint in {self.directory} is intact",
                    found=f"{len(steps)} damaged, the latest because {damaged[steps[-1]]}",
                    expected="files that agree with their digests.json",
                    hint="restore the directory from a copy, or start a new run in another "
                    "--workdir",
                )
            return None
        if not self._read_only and len(damaged) > 1:
            if jax.process_index() == 0:
                for bad in list(damaged)[:-1]:
                    _set_aside(
                        self.directory / str(bad),
                        self.directory / f"damaged-{bad}-{time.time_ns()}",
                    )
            if jax.process_count() > 1:
                multihost_utils.sync_global_devices("damaged checkpoints are set aside")
            self._manager.reload()
        return step

    def restore(self, step: int, about: dict | None, params: Any, optimizer: Any = None) -> tuple:
        """Reads a checkpoint.

        Args:
            step: one of `steps()`.
            about: expected description; keys that it or the checkpoint lacks have their defaults.
                None expects nothing.
            params: canonical tree of `jax.ShapeDtypeStruct`s, with shardings where they matter.
            optimizer: likewise, or None to leave the optimiser's state out.

        Returns:
            The trees `(params, optimizer)`.

        Raises:
            UserError: the checkpoint is damaged, or of another model, text or version.
        """
        what, stored = f"checkpoint {step} in {self.directory}", self.about(step)
        if about is not None:
            refuse_differences(
                f"{what} is of another model",
                descriptions.compared(stored, what),
                descriptions.compared(about, "the expected description"),
                "use the recipe that it was trained with; config.json in its workdir has it",
            )
        items = dict(params=ocp.args.StandardRestore(params))
        if optimizer is not None:
            items["optimizer"] = ocp.args.StandardRestore(optimizer)
        restored = self._manager.restore(step, args=ocp.args.Composite(**items))
        return restored["params"], restored["optimizer"] if optimizer is not None else None

    def drop_after(self, step: int) -> None:
        """Removes the checkpoints of later steps."""
        for later in self.steps():
            if later > step:
                self._manager.delete(later)

    def wait(self) -> None:
        """Returns when all that was saved is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, and ends the background threads."""
        self._manager.close()

    def about(self, step: int) -> dict:
        """Returns the description of a checkpoint that was given to `save`.

        Raises:
            UserError: the checkpoint is damaged or of another version.
        """
        problem = self._problem(step)
        if problem:
            raise UserError(
                f"checkpoint {step} in {self.directory} is damaged",
                found=problem,
                expected="files that agree with their digests.json",
                hint=f"another of the steps {self.steps()}, by --checkpoint={self.directory}/STEP",
            )
        description = self._manager.restore(
            step, args=ocp.args.Composite(about=ocp.args.JsonRestore())
        )["about"]
        refuse_differences(
            f"checkpoint {step} in {self.directory} is of another version",
            description,
            dict(canonical_version=CANONICAL_VERSION),
            "read it with the version that wrote it",
        )
        return description

    def _problem(self, step: int) -> str | None:
        if step not in self._checked:
            # One host reads the files; the others take its word.
            problem = (
                digests.problem(self.directory / str(step)) if jax.process_index() == 0 else None
            )
            if jax.process_count() > 1:
                bad = bool(multihost_utils.broadcast_one_to_all(problem is not None))
                problem = problem or ("the first host found it damaged" if bad else None)
            self._checked[step] = problem
        return self._checked[step]

    def _write_digests(self) -> None:
        # Orbax calls this when all is written and before it gives the step its final name: a step
        # has digests or is no step. Its own files beside the items may still change.
        if jax.process_index() == 0:
            for step in self._unfinished():
                digests.write(step, ITEMS)

    def _unfinished(self) -> list[Any]:
        """Returns the directories that are no complete step."""
        if not is_remote(self.directory):
            return list(self.directory.glob(UNFINISHED))
        steps = self.directory.iterdir() if self.directory.exists() else ()
        return [step for step in steps if step.name.isdigit() and not (step / COMPLETE).exists()]


def _set_aside(step: Any, to: Path) -> None:
    if not is_remote(step):
        os.rename(step, to)
        return
    path: Any
    for path in files_of(step):  # a bucket has no rename
        copy = to / path.relative_to(step)
        copy.parent.mkdir(parents=True, exist_ok=True)
        path.copy(copy)
    step.rmtree()
