"""Metrics as JSON lines, which everything else here reads back: `WORKDIR/metrics.jsonl`."""

import json
import os
from pathlib import Path

from bert_jax.runs.files import METRICS


class JsonLines:
    """Appends one JSON object a line: `step`, `kind` ('train' or 'held_out') and the metrics.

    Args:
        workdir: of the run.
        step: the step from which the run goes on; lines of later steps are dropped, since the run
            writes them anew.
    """

    def __init__(self, workdir: Path, step: int):
        path = workdir / METRICS
        kept = [line for line in read(path) if line["step"] <= step]
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        os.replace(temporary, path)
        self._file = path.open("a")

    def write(self, step: int, kind: str, metrics: dict[str, float]) -> None:
        self._file.write(json.dumps(dict(step=step, kind=kind, **metrics)) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[dict]:
    """Returns the lines of a `metrics.jsonl`, without a last one that a kill cut short."""
    if not path.exists():
        return []
    *whole, _ = path.read_text().split("\n")  # what follows the last line break was cut short
    return [json.loads(line) for line in whole if line]
