"""Settings that other programs' formats can express; a model with any other setting is refused.

A format lists every key of a model. A key that is new here, or a value that is not listed, is
refused until the format says how it expresses it, so that nothing leaves as a BERT that is not one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import to_dict
from bert_jax.errors import UserError, flattened
from bert_jax.text.wordpiece import identity


@dataclass(frozen=True)
class Rule:
    """Values of a key that a format can express.

    Attributes:
        allows: whether a value is one of them, for a model.
        expected: description of these values.
        hint: next thing to try with another value.
    """

    allows: Callable[[Any, Pretrained], bool]
    expected: str
    hint: str = "--to=orbax"


ANY = Rule(lambda value, pretrained: True, "any value")


def only(*values: Any, hint: str = "--to=orbax") -> Rule:
    """Returns the rule of a key that may have these values alone."""
    return Rule(
        lambda value, pretrained: value in values, " or ".join(repr(v) for v in values), hint
    )


def settings_of(pretrained: Pretrained) -> dict[str, Any]:
    """Returns the values of all keys that what a model computes may depend on, by dotted names."""
    tokenizer = identity(pretrained.tokenizer) if pretrained.vocabulary else {}
    return flattened(
        dict(model=to_dict(pretrained.model), probe=to_dict(pretrained.probe), tokenizer=tokenizer)
    )


def refuse_others(pretrained: Pretrained, rules: Mapping[str, Rule], program: str) -> None:
    """Refuses a model that a format cannot express.

    Args:
        pretrained: the model.
        rules: those of the format, by dotted names of keys.
        program: names the program whose format it is.

    Raises:
        UserError: the format has no rule for a key, or the rule does not allow its value; all such
            keys are named.
    """
    settings = settings_of(pretrained)
    wrong = {
        name: rules.get(name)
        for name, value in settings.items()
        if name not in rules or not rules[name].allows(value, pretrained)
    }
    if wrong:
        hints = dict.fromkeys(rule.hint if rule else "--to=orbax" for rule in wrong.values())
        raise UserError(
            f"{program} has no such model",
            found=", ".join(f"{name} = {settings[name]!r}" for name in wrong),
            expected=", ".join(
                f"{name} = {rule.expected}" if rule else f"no key {name}"
                for name, rule in wrong.items()
            ),
            hint="; ".join(hints),
        )
