"""The phases of a run: rows of one length and number after the other, in one schedule."""

import dataclasses
import math
from dataclasses import dataclass

from bert_jax.config import Config


@dataclass(frozen=True)
class Phase:
    """Steps with rows of one length.

    Attributes:
        first: step of the run.
        steps: how many.
        config: the recipe as it would be of a run that has this phase alone, but for its steps.
    """

    first: int
    steps: int
    config: Config

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and tokens of a batch."""
        return self.config.train.batch_size, self.config.instances.length


def phases_of(config: Config) -> list[Phase]:
    """The phases of a recipe, in turn; one if it names none. Predictions follow from rate and length."""
    found, first = [], 0
    for length, batch_size, steps in config.instances.phases:
        found.append(Phase(first, steps, dataclasses.replace(
            config, instances=dataclasses.replace(config.instances, length=length, phases=()),
            masking=dataclasses.replace(config.masking, max_predictions=math.ceil(config.masking.rate * length)),
            train=dataclasses.replace(config.train, batch_size=batch_size))))
        first += steps
    return found or [Phase(0, config.train.steps, config)]
