"""Keys that a resumed run may not change, and keys that are the recipe's own."""

from bert_jax.config.keys import declared
from bert_jax.config.sections import Config

# Keys of the model that change nothing that it computes without dropout.
ONLY_IN_TRAINING = (
    "hidden_dropout",
    "attention_dropout",
    "classifier_dropout",
    "initializer",
    "initializer_range",
)
# Keys of the model that are the recipe's even if the architecture comes from a checkpoint.
RECIPES_OWN = (*ONLY_IN_TRAINING, "pooler", "num_labels")


def fixed(config: Config) -> dict[str, object]:
    """Returns the keys that a resumed run may not change, by their dotted names."""
    return {name: value for name, key, value in declared(config) if not key.free}


def resume_differences(before: Config, now: Config) -> list[tuple[str, object, object]]:
    """Returns (name, value before, value now) of each key that differs although a resumed run may
    not change it; None stands for a key that one of the two does not have."""
    old, new = fixed(before), fixed(now)
    return [
        (name, old.get(name), new.get(name)) for name in old | new if old.get(name) != new.get(name)
    ]
