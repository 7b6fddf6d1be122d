"""Schema of a recipe: builds frozen dataclasses, with the keys of registered entries."""

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import ml_collections

from bert_jax.config.keys import Key, Options, check_type, flat, nested, selector_of
from bert_jax.config.renamed import REMOVED, RENAMED
from bert_jax.errors import UnknownKey, UserError, nearest

Registry = Mapping[str, type[Options]]  # the keys of each entry, by its name


class Schema:
    """All keys of a recipe: those of the sections, and those of the entries of registries.

    Args:
        root: dataclass of the whole.
        registries: the registry of each section that selects an entry, by the section's dotted
            name.
        prefix: of the dotted names in errors.
    """

    def __init__(
        self, root: type, registries: Mapping[str, Registry] | None = None, prefix: str = ""
    ) -> None:
        self._root, self._registries, self._prefix = root, registries or {}, prefix

    def key_fields(self) -> dict[str, Key]:
        """Returns every dotted key with its declaration, those of unselected entries included."""
        return self._key_fields(self._root, "")

    def recipe(self) -> ml_collections.ConfigDict:
        """Returns all keys at their defaults, locked: a recipe sets known keys only."""
        defaults = {name: key.default for name, key in self.key_fields().items()}
        return ml_collections.ConfigDict(nested(defaults)).lock()

    def build(self, values: Mapping[str, Any]) -> Any:
        """Returns the dataclass of nested plain values, such as a recipe or JSON gives.

        Missing keys take their defaults. Keys of an entry that is not selected may be there if
        they are at their defaults.

        Raises:
            UserError: a key is unknown or without effect, or its value has the wrong type.
        """
        return self._build(self._root, values, "")

    def check_effect(self, config: Any, given: Iterable[str]) -> None:
        """Raises a UserError if one of the keys that were given has no effect in a config."""
        for name in given:
            if name not in flat(config):
                entry_section, entry, last = name.rsplit(".", 2)
                self._without_effect(entry_section, entry, last, config)

    def unknown_key(self, name: str) -> typing.NoReturn:
        """Raises the error of a key that no recipe has, naming its new name or the nearest key."""
        what = f"config.{name} is not a key of a recipe"
        if name in RENAMED:
            raise UserError(what, found=name, expected=f"config.{RENAMED[name].new}, its new name")
        if name in REMOVED:
            raise UserError(what, found=name, hint="leave it out: it never had an effect")
        names = [self._prefix + known for known in self.key_fields()]
        sections = dict.fromkeys(known.rpartition(".")[0] for known in names)
        close = nearest(name, [*names, *filter(None, sections)])
        raise UnknownKey(
            name,
            what,
            found=name,
            expected=f"config.{close}, perhaps" if close else "one of the keys that --help lists",
            hint="`--help` lists every key with its default",
        )

    def _key_fields(self, cls: type, prefix: str) -> dict[str, Key]:
        keys: dict[str, Key] = {}
        registry = self._registries.get(prefix.removesuffix("."), {})
        for f in fields(cls):
            if "selected" in f.metadata:
                for entry, options in registry.items():
                    keys |= self._key_fields(options, f"{prefix}{entry}.")
            elif isinstance(f.type, type) and dataclasses.is_dataclass(f.type):
                keys |= self._key_fields(f.type, f"{prefix}{f.name}.")
            else:
                keys[prefix + f.name] = self._declaration(f, registry)
        return keys

    def _declaration(self, f: dataclasses.Field, registry: Registry) -> Key:
        declaration = f.metadata["key"]
        if "selects" in f.metadata:
            return dataclasses.replace(declaration, choices=tuple(registry))
        return declaration

    def _build(self, cls: type, values: Mapping[str, Any], prefix: str) -> Any:
        registry = self._registries.get(prefix.removesuffix("."), {})
        known = {f.name: f for f in fields(cls) if "selected" not in f.metadata}
        built: dict[str, Any] = {}
        options: dict[str, Options] = {}
        for name, value in values.items():
            path = prefix + name
            f = known.get(name)
            if name in registry:
                options[name] = self._build(registry[name], self._section(path, value), path + ".")
            elif f is None:
                self.unknown_key(self._prefix + path)
            elif isinstance(f.type, type) and dataclasses.is_dataclass(f.type):
                built[name] = self._build(f.type, self._section(path, value), path + ".")
            else:
                declaration = self._declaration(f, registry)
                built[name] = check_type(self._prefix + path, declaration, value)
        if registry:
            built["options"] = self._selected(cls, built, options, prefix)
        return cls(**built)

    def _section(self, path: str, value: Any) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        raise UserError(
            f"config.{self._prefix}{path} has the wrong type",
            found=repr(value),
            expected="a section of keys",
        )

    def _selected(
        self, cls: type, built: dict[str, Any], options: dict[str, Options], prefix: str
    ) -> Options:
        """Returns the keys of the selected entry; those of others have to be at their defaults."""
        section, selector = prefix.removesuffix("."), selector_of(cls)
        registry = self._registries[section]
        selected = built.get(selector.name, selector.default)
        for entry, given in options.items():
            defaults = flat(registry[entry]())
            changed = [name for name, value in flat(given).items() if value != defaults[name]]
            if entry != selected and changed:
                self._raise_without_effect(
                    f"{prefix}{entry}.{changed[0]}", prefix + selector.name, selected, entry
                )
        return options.get(selected) or registry[selected]()

    def _without_effect(self, section: str, entry: str, last: str, config: Any) -> typing.NoReturn:
        node = config
        for part in section.split("."):
            node = getattr(node, part)
        selector = selector_of(type(node)).name
        self._raise_without_effect(
            f"{section}.{entry}.{last}", f"{section}.{selector}", getattr(node, selector), entry
        )

    def _raise_without_effect(
        self, name: str, selector: str, selected: str, entry: str
    ) -> typing.NoReturn:
        raise UserError(
            f"config.{self._prefix}{name} has no effect",
            found=f"config.{self._prefix}{selector}={selected!r}",
            expected=f"{entry!r} with this key",
            hint=f"--config.{self._prefix}{selector}={entry}, or leave the key out",
        )
