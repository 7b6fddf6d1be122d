"""The one kind of error that is the user's to mend, and how it reads on a terminal."""

import difflib
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
    # A key is often right but for the section it stands in: compare whole names, then last parts.
    whole = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if whole:
        return whole[0]
    last = {k.rsplit(".", 1)[-1]: k for k in known}
    part = difflib.get_close_matches(name.rsplit(".", 1)[-1], last, n=1, cutoff=0.7)
    return last[part[0]] if part else None
