"""Digests over files: what Orbax restores without a word though a bit has flipped, they tell."""

import hashlib
import itertools
import json
from collections.abc import Iterable
from pathlib import Path

from bert_jax.remote import files_of

NAME = "digests.json"


def write(directory: Path, parts: Iterable[str]) -> None:
    """Writes `digests.json` over all files in these parts of `directory`."""
    files = itertools.chain.from_iterable(files_of(directory / part) for part in parts)
    digests = {str(path.relative_to(directory)): _digest(path) for path in files}
    (directory / NAME).write_text(json.dumps(digests, indent=1))


def problem(directory: Path) -> str | None:
    """Returns a sentence naming the first file that differs from the digests; None if none does."""
    try:
        expected = json.loads((directory / NAME).read_text())
    except FileNotFoundError:
        return f"{directory / NAME} is missing"
    except ValueError:
        return f"{directory / NAME} is not JSON"
    for name, digest in expected.items():
        if not (directory / name).exists():
            return f"{directory / name} is missing"
        if _digest(directory / name) != digest:
            return f"{directory / name} has other content than was written"
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
