"""A run is a workdir: its config, vocabulary, checkpoints, metrics and results, by name."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import jax

from bert_jax import config as configs
from bert_jax.config import Config
from bert_jax.errors import UserError, refuse_differences

CONFIG, DATA, RESULTS, METRICS, CURVES, PREDICTIONS = (
    "config.json", "data.json", "results.json", "metrics.jsonl", "curves.png", "predictions")


def write_json(path: Path, values) -> None:
    """Writes JSON that is there whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(values, indent=1) + "\n")
    os.replace(temporary, path)


def read_config(workdir: Path) -> Config | None:
    """The config with which the run in `workdir` was last started, or None if none was."""
    path = workdir / CONFIG
    if not path.exists():
        return None
    try:
        return configs.from_dict(json.loads(path.read_text()))
    except ValueError as error:
        raise UserError(f"{path} is not JSON", found=str(error), expected="the config of a run",
                        hint="restore it from a copy, or start a new run in another --workdir") from None


def check_resume(config: Config, workdir: Path) -> None:
    """Raises a UserError if the run in `workdir` was begun with another config, but for what may change."""
    before = read_config(workdir)
    if before is None:
        return
    different = configs.resume_differences(before, config)
    if different:
        raise UserError(
            f"the run in {workdir} was begun with another config",
            found=", ".join(f"config.{name}={now!r}" for name, _, now in different),
            expected=", ".join(f"config.{name}={then!r}" for name, then, _ in different),
            hint="give these values back to resume it, or another --workdir to start anew",
        )


def check_data(sources: dict[str, dict], workdir: Path) -> None:
    """Raises a UserError if the run in `workdir` was begun with other data under the same name.

    Args:
        sources: by split what the data is, as JSON can hold it.
    """
    path = workdir / DATA
    if path.exists():
        refuse_differences(
            f"the run in {workdir} was begun with other data", json.loads(path.read_text()), sources,
            "name the same --config.corpus.data_dir or --config.task.data_dir, or another --workdir to start anew")


def begin(config: Config, sources: dict[str, dict], workdir: Path) -> None:
    """Keeps what the run is started with, for the checks of its resumes."""
    write_json(workdir / CONFIG, configs.to_dict(config))
    write_json(workdir / DATA, sources)


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """While it lasts, no other process of this machine trains in `workdir`, which is made if it is not there.

    Raises:
        UserError: another one does, or the directory cannot be made.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{workdir} cannot be made", found=error.strerror, hint="another --workdir") from None
    if jax.process_index() > 0:
        yield
        return
    with (workdir / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process trains in {workdir}", expected="one at a time",
                            hint="wait for it or stop it (SIGTERM saves), or use another --workdir") from None
        yield
