"""The phases of a run: rows of one length and number after the other, in one schedule."""

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass

from bert_jax.config import Config


@dataclass(frozen=True)
class Phase:
    """Steps with rows of one length.

    Attributes:
        first: step of the run.
        steps: how many.
        taken: examples that earlier phases of the same length took.
        config: the recipe as it would be of a run that has this phase alone, but for its steps.
    """

    first: int
    steps: int
    taken: int
    config: Config

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and tokens of a batch."""
        return self.config.train.batch_size, self.config.instances.length


def phases_of(recipe: Config, steps: int = 0) -> list[Phase]:
    """Returns the phases of a recipe, in turn; one if it names none.

    Args:
        recipe: the recipe; predictions of a row follow from its masking rate and the length.
        steps: steps of the run if the recipe names no phases; 0: `train.steps`.
    """
    phases, first = [], 0
    taken: Counter = Counter()
    for length, batch_size, phase_steps in recipe.instances.phases:
        train = dataclasses.replace(recipe.train, batch_size=batch_size)
        config = dataclasses.replace(with_length(recipe, length), train=train)
        phases.append(Phase(first, phase_steps, taken[length], config))
        first += phase_steps
        taken[length] += phase_steps * batch_size
    return phases or [Phase(0, steps or recipe.train.steps, 0, recipe)]


def with_length(config: Config, length: int) -> Config:
    """The recipe with rows of another length, and room for as many predictions as its rate makes of
    one; where they are drawn one by one the room grows with the length."""
    masking, instances = config.masking, config.instances
    room = (
        math.ceil(max(masking.rate, masking.final_rate) * length)
        if masking.draw == "exact"
        else math.ceil(masking.max_predictions * length / instances.length)
    )
    return dataclasses.replace(
        config,
        instances=dataclasses.replace(instances, length=length, phases=()),
        masking=dataclasses.replace(masking, max_predictions=room),
    )
