"""Errors that a user can fix, and comparisons that raise them."""

import contextlib
import difflib
import json
from collections.abc import Iterable, Iterator
from typing import Any


class UserError(Exception):
    """Error in something outside the code: a key, a file, a value, a mesh.

    Commands print it as a few lines, without a traceback, and exit with status 2.

    Args:
        what: the key or the file, and what is wrong with it.
        found: value or state that was found.
        expected: value or state that would be right.
        hint: next thing to try.
    """

    def __init__(
        self, what: str, *, found: Any = None, expected: Any = None, hint: str | None = None
    ) -> None:
        lines = [what]
        for label, text in (("found", found), ("expected", expected), ("try", hint)):
            if text is not None:
                lines.append(f"  {label + ':':<10}{text}")
        super().__init__("\n".join(lines))


class UnknownKey(UserError):
    """Error of a key that this version does not know; see `UserError`.

    Attributes:
        key: dotted name of the key.
    """

    def __init__(self, key: str, what: str, **lines: Any) -> None:
        super().__init__(what, **lines)
        self.key = key


def newer_version(what: str, keys: Iterable[str]) -> UserError:
    """Returns the error of a file with keys that this version does not know.

    Args:
        what: names the file.
        keys: dotted names of the unknown keys, with their values if they are known.
    """
    return UserError(
        f"{what} was written by a newer version",
        found=_listed(keys),
        expected="keys that this version knows",
        hint="use the version that wrote it, or a later one",
    )


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Names a file in the errors of reading settings from it.

    Args:
        what: names the file.

    Raises:
        UserError: one was raised inside.
    """
    try:
        yield
    except UnknownKey as error:
        raise newer_version(what, [error.key]) from None
    except UserError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise UserError(
            f"{what} cannot be used by this version",
            found=_listed(lines),
            hint="use the version that wrote it",
        ) from None


def with_defaults(what: str, stored: dict, defaults: dict, others: Iterable[str] = ()) -> dict:
    """Returns stored settings with the defaults of keys that are missing, since they were
    introduced after the file was written.

    Args:
        what: names the file.
        stored: its settings by name.
        defaults: all keys that have a default, each with the value that it stands for when it is
            missing.
        others: names of keys that may be there and have no default.

    Raises:
        UserError: a key is in neither, so that a newer version wrote the file.
    """
    unknown = [name for name in stored if name not in defaults and name not in others]
    if unknown:
        raise newer_version(what, [f"{name} = {json.dumps(stored[name])}" for name in unknown])
    return defaults | stored


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that is most similar to `name`, or None if none is similar."""
    known = list(known)
    # Often only the section of a key is wrong: compare last parts for equality, then whole names,
    # then last parts for similarity.
    same = [k for k in known if k.rsplit(".", 1)[-1] == name.rsplit(".", 1)[-1]]
    whole = same[:1] or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if whole:
        return whole[0]
    last = {k.rsplit(".", 1)[-1]: k for k in known}
    part = difflib.get_close_matches(name.rsplit(".", 1)[-1], last, n=1, cutoff=0.7)
    return last[part[0]] if part else None


def unknown_name(what: str, name: str, known: Iterable[str]) -> UserError:
    """Returns the error of a name that is none of the known ones, with the most similar one.

    Args:
        what: the key, and what it names.
        name: the unknown name.
        known: all names that are known.
    """
    known = list(dict.fromkeys(known))
    close = nearest(name, known)
    return UserError(
        what,
        found=repr(name),
        expected=f"some of {', '.join(known)}",
        hint=f"did you mean {close!r}?" if close else None,
    )


def refuse_differences(what: str, stored: dict, expected: dict, hint: str) -> None:
    """Raises a UserError that names all values of `stored` that differ from those of `expected`.

    Args:
        what: names the thing that is stored.
        stored, expected: nested plain values; only what `expected` names is compared.
        hint: the next thing to try.
    """
    stored = flattened({name: stored.get(name) for name in expected})
    expected = flattened(plain(expected))
    different = [name for name in {**expected, **stored} if stored.get(name) != expected.get(name)]
    if different:

        def shown(values: dict) -> str:
            return _listed(f"{name} = {json.dumps(values.get(name))}" for name in different)

        raise UserError(what, found=shown(stored), expected=shown(expected), hint=hint)


def flattened(values: dict, prefix: str = "") -> dict[str, Any]:
    """Returns `{'a': {'b': x}}` as `{'a.b': x}`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def plain(values: dict) -> dict:
    """Returns the values as JSON gives them back: tuples become lists."""
    return json.loads(json.dumps(values))


def _listed(lines: Iterable[str]) -> str:
    """Returns lines that stand under each other in a UserError."""
    return ("\n" + " " * 12).join(lines)
