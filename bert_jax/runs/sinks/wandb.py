"""Metrics in Weights & Biases; needs `pip install wandb`. Off unless `log.sinks` names it.

Where they go follows from wandb's own environment variables: WANDB_PROJECT, WANDB_ENTITY,
WANDB_MODE=offline.
"""

import hashlib
import json
from pathlib import Path

from bert_jax.runs.files import CONFIG


class WeightsAndBiases:
    """Writes each metric as `KIND/METRIC`; a resumed run goes on in the run that it began.

    Args:
        workdir: of the run; its name becomes the run's, its path the run's identity.
        step: the step from which the run goes on.
    """

    package = "wandb"

    def __init__(self, workdir: Path, step: int):
        import wandb

        recipe = workdir / CONFIG
        self._run = wandb.init(
            dir=str(workdir),
            name=workdir.name,
            id=hashlib.sha256(str(workdir.absolute()).encode()).hexdigest()[:16],
            resume="allow",
            config=json.loads(recipe.read_text()) if recipe.exists() else None,
        )

    def write(self, step: int, kind: str, metrics: dict[str, float]) -> None:
        self._run.log({f"{kind}/{name}": value for name, value in metrics.items()}, step=step)

    def close(self) -> None:
        self._run.finish()
