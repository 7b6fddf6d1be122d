"""A run is a workdir: its config, vocabulary, checkpoints, metrics and results, by name."""

import json
import os
from pathlib import Path

from bert_jax import config as configs
from bert_jax.config import Config
from bert_jax.errors import UserError

CONFIG, RESULTS, METRICS, CURVES, CHECKPOINTS = (
    "config.json", "results.json", "metrics.jsonl", "curves.png", "checkpoints")


def write_json(path: Path, values) -> None:
    """Writes JSON that is there whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(values, indent=1) + "\n")
    os.replace(temporary, path)


def read_config(workdir: Path) -> Config | None:
    """The config that the run in `workdir` began with, or None if none did."""
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
