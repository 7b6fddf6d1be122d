"""Declarations of a recipe's keys: each with its default, its meaning, and the values it may take.

A section is a frozen dataclass whose fields are declared by `key` and `section`. A section that
selects an entry of a registry, as `optimizer` selects an optimiser, declares the key that names it
by `selector` and a field `options` by `selected`: it holds the keys of the selected entry, which
the entry declares beside its code as a subclass of `Options`.
"""

import dataclasses
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from bert_jax.errors import UserError


@dataclass(frozen=True)
class Key:
    """A key of a recipe.

    Attributes:
        default: value of a recipe that does not set it; values have its type.
        help: meaning, as `--help` prints it.
        choices: allowed values; empty if there is no such list.
        free: a resumed run may change it.
        items: type of a tuple's elements; None if they are tuples themselves.
        at_least, above, at_most, below: range of a number, or of each number in a tuple.
        special: values outside that range that are allowed.
        patterns: the elements are regular expressions.
        example: value as it is written on the command line, if the default would not do as one.
    """

    default: Any
    help: str
    choices: tuple = ()
    free: bool = False
    items: type | None = None
    at_least: float | None = 0
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    special: tuple = ()
    patterns: bool = False
    example: str = ""

    @property
    def type(self) -> type:
        """Type of the values."""
        return type(self.default)


@dataclass(frozen=True)
class Options:
    """Keys of an entry of a registry; this base class has none."""

    def check(self, config: Any) -> None:
        """Checks that these keys, and the selection of their entry, fit all other keys.

        Args:
            config: the whole `Config`.

        Raises:
            UserError: they do not fit each other.
        """


def key(default: Any, help: str, **properties: Any) -> Any:
    """Declares a key.

    Args:
        default: value of recipes that do not set it.
        help: meaning, as a whole phrase.
        properties: further attributes of `Key`. Numbers are not negative unless `at_least` says
            otherwise.
    """
    return field(default=default, metadata=dict(key=Key(default, help, **properties)))


def section(cls: type, help: str) -> Any:
    """Declares a section of keys."""
    return field(default_factory=cls, metadata=dict(help=help))


def selector(default: str, help: str, **properties: Any) -> Any:
    """Declares the key that names an entry of a registry, whose names are its choices."""
    return field(default=default, metadata=dict(key=Key(default, help, **properties), selects=True))


def selected() -> Any:
    """Declares the field with the keys of the selected entry.

    In a recipe they form a sub-section with the entry's name: `optimizer.lamb.trust_exclude`. The
    default is right for entries that have no keys; `Schema` sets it for all others.
    """
    return field(default=Options(), metadata=dict(selected=True))


def selector_of(cls: type) -> dataclasses.Field:
    """Returns the field of a section that names an entry of a registry."""
    return next(f for f in fields(cls) if f.metadata.get("selects"))


def declared(config: Any, prefix: str = "") -> Iterator[tuple[str, Key, Any]]:
    """Yields the dotted name, the declaration and the value of each key of a resolved config.

    Args:
        config: a section, or a whole config.
        prefix: beginning of the dotted names.
    """
    for f in fields(config):
        value = getattr(config, f.name)
        if "selected" in f.metadata:
            entry = getattr(config, selector_of(type(config)).name)
            yield from declared(value, f"{prefix}{entry}.")
        elif dataclasses.is_dataclass(value):
            yield from declared(value, f"{prefix}{f.name}.")
        else:
            yield prefix + f.name, f.metadata["key"], value


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """Returns `{'model.num_layers': 12, ...}`, in the order of the declarations."""
    return {name: value for name, _, value in declared(config, prefix)}


def to_dict(config: Any) -> dict[str, Any]:
    """Returns the config, or a section of it, as nested plain values that JSON can hold."""
    return nested(flat(config))


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Returns `{'a.b': x}` as `{'a': {'b': x}}`."""
    root: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return root


def out_of_range(name: str, value: Any, expected: str, hint: str | None = None) -> UserError:
    """Returns the error of a key with a value that it may not have."""
    return UserError(
        f"config.{name} is out of range", found=repr(value), expected=expected, hint=hint
    )


def check_type(name: str, declaration: Key, value: Any) -> Any:
    """Returns a value as the type of its key: whole numbers become floats, and lists tuples.

    Raises:
        UserError: it has another type, or is not one of the key's choices.
    """
    if declaration.type is tuple and isinstance(value, list | tuple):
        value = _tuples(value)
        if declaration.items:
            value = tuple(_as_type(declaration.items, item) for item in value)
            right = all(_has_type(declaration.items, item) for item in value)
        else:
            right = True
    else:
        value = _as_type(declaration.type, value)
        right = _has_type(declaration.type, value)
    if not right:
        raise UserError(
            f"config.{name} has the wrong type",
            found=repr(value),
            expected=f"a value like {declaration.default!r}",
            hint=f"--config.{name}={example(declaration)}",
        )
    if declaration.choices and value not in declaration.choices:
        raise UserError(
            f"config.{name} has an unknown value",
            found=repr(value),
            expected=f"one of {', '.join(repr(choice) for choice in declaration.choices)}",
        )
    return value


def check_range(name: str, declaration: Key, value: Any) -> None:
    """Raises a UserError unless each number is in the key's range and each pattern compiles."""
    for item in value if declaration.items else (value,):
        if declaration.patterns:
            check_pattern(name, item)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            if item not in declaration.special and not _in_range(declaration, item):
                raise out_of_range(name, value, _range(declaration))


def check_pattern(name: str, pattern: Any) -> None:
    """Raises a UserError unless this entry of a key is a regular expression."""
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise UserError(
            f"config.{name} has an invalid regular expression",
            found=f"{pattern!r}: {error}",
            expected="expressions such as r'/bias$'",
        ) from None


def example(declaration: Key) -> str:
    """Returns a value of a key as it is written on the command line."""
    if declaration.example:
        return declaration.example
    if declaration.type is not tuple:
        return str(declaration.default)
    if declaration.items and declaration.default:
        return ",".join(str(item) for item in declaration.default)
    examples: dict[type | None, str] = {str: "first,second", int: "1,2", float: "0.1,0.2"}
    return examples.get(declaration.items, repr(declaration.default))


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _as_type(wanted: type, value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if wanted is float and whole else value


def _has_type(wanted: type, value: Any) -> bool:
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _in_range(declaration: Key, number: float) -> bool:
    return (
        math.isfinite(number)
        and (declaration.at_least is None or number >= declaration.at_least)
        and (declaration.above is None or number > declaration.above)
        and (declaration.at_most is None or number <= declaration.at_most)
        and (declaration.below is None or number < declaration.below)
    )


def _range(declaration: Key) -> str:
    """Describes the numbers that a key may have."""
    low, above, high, below = (
        declaration.at_least,
        declaration.above,
        declaration.at_most,
        declaration.below,
    )
    if above is not None and below is not None:
        text = f"a number between {above:g} and {below:g}"
    elif above is None and low is not None and high is not None:
        text = f"a number from {low:g} to {high:g}"
    elif above is None and low == 0 and below is None:
        text = "a finite number that is not negative"
    else:
        bounds = [
            f"above {above:g}" if above is not None else "",
            f"at least {low:g}" if above is None and low is not None else "",
            f"at most {high:g}" if high is not None else "",
            f"below {below:g}" if below is not None else "",
        ]
        text = " and ".join(bound for bound in bounds if bound) or "a finite number"
    return ", or ".join([text, *(f"{value}" for value in declaration.special)])
