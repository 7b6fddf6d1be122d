"""The one kind of error that is the user's to mend, and how it reads on a terminal."""

import difflib
import json
from collections.abc import Iterable


class UserError(Exception):
    """Something outside the code is wrong: a key, a file, a value, a mesh.

    Args:
        what: names the thing (the key, the file) and what is wrong with it.
        found: what was found there.
        expected: what would have been right.
        hint: the next thing to try.

    The doors print it as a few lines and exit with status 2; nobody sees a traceback.
    """

    def __init__(self, what: str, *, found=None, expected=None, hint: str | None = None):
        lines = [what]
        for label, text in (("found", found), ("expected", expected), ("try", hint)):
            if text is not None:
                lines.append(f"  {label + ':':<10}{text}")
        super().__init__("\n".join(lines))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when nothing is like it."""
    known = list(known)
    # A key is often right but for the section it stands in: the same last part, else whole names, else last parts.
    same = [k for k in known if k.rsplit(".", 1)[-1] == name.rsplit(".", 1)[-1]]
    whole = same[:1] or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if whole:
        return whole[0]
    last = {k.rsplit(".", 1)[-1]: k for k in known}
    part = difflib.get_close_matches(name.rsplit(".", 1)[-1], last, n=1, cutoff=0.7)
    return last[part[0]] if part else None


def refuse_differences(what: str, stored: dict, expected: dict, hint: str) -> None:
    """Raises a UserError that names all that `expected` says and `stored` does not, if there is any.

    Args:
        what: names the thing that is stored.
        stored, expected: nested plain values; only what `expected` names is compared.
        hint: the next thing to try.
    """
    stored = _flat({name: stored.get(name) for name in expected})
    expected = _flat(plain(expected))
    different = [name for name in {**expected, **stored} if stored.get(name) != expected.get(name)]
    if different:
        def shown(values: dict) -> str:
            return ("\n" + " " * 12).join(f"{name} = {json.dumps(values.get(name))}" for name in different)

        raise UserError(what, found=shown(stored), expected=shown(expected), hint=hint)


def _flat(values: dict, prefix: str = "") -> dict:
    flat = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def plain(values: dict) -> dict:
    """The values as JSON gives them back: tuples are lists there."""
    return json.loads(json.dumps(values))
