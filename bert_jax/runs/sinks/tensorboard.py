"""Metrics as TensorBoard events: `WORKDIR/tensorboard/`."""

from pathlib import Path


class TensorBoard:
    """Writes each metric as the scalar `KIND/METRIC`.

    Args:
        workdir: of the run.
        step: the step from which the run goes on; TensorBoard hides what it has of later steps.
    """

    package = "tensorboardX"

    def __init__(self, workdir: Path, step: int):
        from tensorboardX import SummaryWriter  # takes a second to import

        purge_step = step + 1 if step else None
        self._events = SummaryWriter(str(workdir / "tensorboard"), purge_step=purge_step)

    def write(self, step: int, kind: str, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self._events.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        self._events.close()
