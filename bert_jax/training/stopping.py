"""Early stopping: when a run no longer gets better, and which of its steps was the best."""

import math


class EarlyStopping:
    """Held-out scores by step.

    Args:
        patience: evaluations in a row without a new best score after which `exhausted` is true; 0:
            never.
        seen: (step, score) of the evaluations before a resume; larger is better.
    """

    def __init__(self, patience: int, seen: list[tuple[int, float]]):
        self._patience = patience
        self._best, self._since = -math.inf, 0
        self.best_step: int | None = None
        for step, score in seen:
            self.add(step, score)

    def add(self, step: int, score: float) -> None:
        """Takes the score of a step; of equal ones the first is the best, and NaN is never
        better."""
        if self.best_step is None or score > self._best:
            self._best, self._since, self.best_step = (
                -math.inf if math.isnan(score) else score,
                0,
                step,
            )
        else:
            self._since += 1

    @property
    def exhausted(self) -> bool:
        return 0 < self._patience <= self._since
