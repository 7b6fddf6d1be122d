"""Sinks that a run's metrics are written to.

`metrics.jsonl` is always written; the others are named in `log.sinks`. A sink is one file here and
one line in SINKS.
"""

import importlib
from pathlib import Path
from typing import Protocol

from bert_jax.errors import UserError, unknown_name
from bert_jax.runs.sinks.jsonl import JsonLines
from bert_jax.runs.sinks.tensorboard import TensorBoard
from bert_jax.runs.sinks.wandb import WeightsAndBiases


class Sink(Protocol):
    """Takes metrics as they come.

    Args:
        workdir: of the run.
        step: the step from which the run goes on.

    Attributes:
        package: the package that it imports when it is made.
    """

    package: str

    def __init__(self, workdir: Path, step: int) -> None: ...

    def write(self, step: int, kind: str, metrics: dict[str, float]) -> None:
        """Takes the metrics of a step; `kind` is 'train' or 'held_out'."""
        ...

    def close(self) -> None:
        """Makes sure that all is written."""
        ...


SINKS: dict[str, type[Sink]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


class Sinks:
    """All sinks of a run as one.

    Args:
        workdir: of the run.
        step: the step from which the run goes on; what was written of later steps is dropped.
        names: keys of SINKS, beside `metrics.jsonl`.
        writes: false on all hosts but the first, which write nothing.
    """

    def __init__(self, workdir: Path, step: int, names: tuple[str, ...], writes: bool = True):
        self._sinks: list[JsonLines | Sink] = []
        if writes:
            self._sinks = [
                JsonLines(workdir, step),
                *(SINKS[name](workdir, step) for name in names),
            ]

    def write(self, step: int, kind: str, metrics: dict[str, float]) -> None:
        for sink in self._sinks:
            sink.write(step, kind, metrics)

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()


def check_sinks(names: tuple[str, ...]) -> None:
    """Raises a UserError if a name is not that of a sink, or its package cannot be imported."""
    for name in names:
        if name not in SINKS:
            raise unknown_name("config.log.sinks names a sink that does not exist", name, SINKS)
        package = SINKS[name].package
        try:
            importlib.import_module(package)
        except ImportError as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name == package
            raise UserError(
                f"config.log.sinks names {name}, which needs the package {package}",
                found="it is not installed" if missing else f"it cannot be imported: {error}",
                expected=f"{package} beside bert-jax",
                hint=f"pip install {package}, or leave {name} out of --config.log.sinks",
            ) from error
