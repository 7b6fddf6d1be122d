"""All keys of a recipe: the sections of `bert_jax.config` with what the rooms have registered."""

from collections.abc import Collection, Mapping
from typing import Any

import ml_collections

from bert_jax import config as configs
from bert_jax.config import RECIPES_OWN, Config, Key, Schema, renamed
from bert_jax.model import REGISTRIES
from bert_jax.optim import OPTIMIZERS
from bert_jax.pretraining import MASKING_SCHEMES

SCHEMA = Schema(
    Config,
    {
        "optimizer": {name: entry.OPTIONS for name, entry in OPTIMIZERS.items()},
        "masking": {name: entry.OPTIONS for name, entry in MASKING_SCHEMES.items()},
        **{f"model.{section}": registry for section, registry in REGISTRIES.items()},
    },
)


def recipe() -> ml_collections.ConfigDict:
    """Returns all keys at their defaults, locked: a recipe sets known keys to values of their
    type."""
    return SCHEMA.recipe()


def key_fields() -> dict[str, Key]:
    """Returns every dotted key with its declaration, those of unselected entries included."""
    return SCHEMA.key_fields()


def resolve(recipe: ml_collections.ConfigDict) -> Config:
    """Returns a recipe checked and frozen.

    Raises:
        UserError: a key is unknown, without effect, of the wrong type or out of its range; it is
            named.
    """
    return from_dict(recipe.to_dict())


def from_dict(values: Mapping[str, Any]) -> Config:
    """Returns the checked config of nested plain values; missing keys take their defaults.

    Raises:
        UserError: as `resolve`.
    """
    return configs.checked(SCHEMA.build(values))


def from_stored(values: Mapping[str, Any]) -> Config:
    """Returns the checked config of the nested values in a file that this or an older version
    wrote.

    Raises:
        UserError: as `resolve`; a newer version wrote it.
    """
    return from_dict(renamed.updated(values))


def recipe_of(config: Config) -> ml_collections.ConfigDict:
    """Returns a recipe that resolves to a config."""
    result = recipe()
    with result.unlocked():
        result.update(configs.to_dict(config))
    return result


def without_architecture(recipe: ml_collections.ConfigDict, given: Collection[str]) -> None:
    """Resets a recipe's architecture, which a checkpoint determines, to the defaults.

    Args:
        recipe: it is changed.
        given: dotted names of keys to leave as they are.
    """
    for name, key in key_fields().items():
        section, _, rest = name.partition(".")
        if section == "model" and rest not in RECIPES_OWN and name not in given:
            set_key(recipe, name, key.default)


def set_key(recipe: ml_collections.ConfigDict, name: str, value: Any) -> None:
    """Sets a dotted key of a recipe."""
    *parents, last = name.split(".")
    for parent in parents:
        recipe = recipe[parent]
    recipe[last] = value
