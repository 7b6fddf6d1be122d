"""A run is a workdir: its config, vocabulary, checkpoints, metrics and results, by name."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import jax

from bert_jax import config as configs
from bert_jax import recipes
from bert_jax.config import Config
from bert_jax.disk import LOCK, write_json
from bert_jax.disk import locked as lock_file
from bert_jax.errors import UserError, plain, reading, refuse_differences, with_defaults

CONFIG, DATA, RESULTS, METRICS, CURVES, PREDICTIONS = (
    "config.json",
    "data.json",
    "results.json",
    "metrics.jsonl",
    "curves.png",
    "predictions",
)


def read_config(workdir: Path) -> Config | None:
    """Returns the config with which the run in `workdir` was last started, or None if none was.

    Keys that were introduced later have their defaults.

    Raises:
        UserError: the file is damaged, or a newer version wrote it.
    """
    path = workdir / CONFIG
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(
            f"{path} is not JSON",
            found=str(error),
            expected="the config of a run",
            hint="restore it from a copy, or start a new run in another --workdir",
        ) from None
    with reading(str(path)):
        return recipes.from_stored(values)


def check_resume(config: Config, workdir: Path) -> None:
    """Raises a UserError if the run in `workdir` was begun with another config, but for what may
    change."""
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
        stored = json.loads(path.read_text())
        for split in stored.keys() & sources.keys():
            # A property that was not yet recorded cannot be compared.
            stored[split] = with_defaults(str(path), stored[split], plain(sources[split]))
        refuse_differences(
            f"the run in {workdir} was begun with other data",
            stored,
            sources,
            "name the same --config.corpus.data_dir or --config.task.data_dir, or another "
            "--workdir to start anew",
        )


def begin(config: Config, sources: dict[str, dict], workdir: Path) -> None:
    """Keeps what the run is started with, for the checks of its resumes."""
    write_json(workdir / CONFIG, configs.to_dict(config))
    write_json(workdir / DATA, sources)


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """While it lasts, no other process of this machine trains in `workdir`, which is made if it is
    not there.

    Raises:
        UserError: another one does, or the directory cannot be made.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{workdir} cannot be made", found=error.strerror, hint="another --workdir"
        ) from None
    if jax.process_index() > 0:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock_file(workdir / LOCK, wait=False))
        except BlockingIOError:
            raise UserError(
                f"another process trains in {workdir}",
                expected="one at a time",
                hint="wait for it or stop it (SIGTERM saves), or use another --workdir",
            ) from None
        yield
