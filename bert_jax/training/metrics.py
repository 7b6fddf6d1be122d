"""What a run writes down as it goes: `metrics.jsonl` and TensorBoard events."""

import json
import os
from pathlib import Path


class MetricsWriter:
    """Appends metrics to `WORKDIR/metrics.jsonl`, one JSON object a line, and to TensorBoard if asked.

    A line has `step`, `kind` ('train' or 'held_out') and the metrics. A run that resumes at a step writes the
    lines after it anew, so they are dropped first.

    Args:
        workdir: of the run.
        step: the step from which the run goes on.
        tensorboard: write `WORKDIR/tensorboard` too.
    """

    def __init__(self, workdir: Path, step: int, tensorboard: bool):
        self._path = workdir / "metrics.jsonl"
        kept = [line for line in read(self._path) if line["step"] <= step]
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        os.replace(temporary, self._path)
        self._file = self._path.open("a")
        self._events = None
        if tensorboard:
            from tensorboardX import SummaryWriter  # takes a second to import

            self._events = SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1 if step else None)

    def write(self, step: int, kind: str, metrics: dict[str, float]) -> None:
        self._file.write(json.dumps(dict(step=step, kind=kind, **metrics)) + "\n")
        self._file.flush()
        if self._events:
            for name, value in metrics.items():
                self._events.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        self._file.close()
        if self._events:
            self._events.close()


class NoWriter:
    """What all hosts but the first have in its place."""

    def write(self, step: int, kind: str, metrics: dict[str, float]) -> None:
        pass

    def close(self) -> None:
        pass


def read(path: Path) -> list[dict]:
    """The lines of a `metrics.jsonl`; a last line that a kill cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    whole = lines[:-1]  # the last one ends with a line break, or was cut short
    return [json.loads(line) for line in whole if line]
