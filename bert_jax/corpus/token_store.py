"""The token store: a corpus tokenised once, on disk, memory-mapped. `store_building` makes it.

    manifest.json         written last: origin of the store; counts, sizes and digests of files
    tokens.bin            uint16 or uint32 [tokens]: the ids, without special tokens
    sentence_offsets.bin  int64 [sentences + 1], into the tokens
    document_offsets.bin  int64 [documents + 1], into the sentences
    document_hashes.bin   uint64 [documents], of a document's ids: shows texts in two splits

Numbers are little-endian. There is no sentence without a token and no document without a sentence.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bert_jax.errors import UserError, refuse_differences, with_defaults

FORMAT = 1
STORES = "store"  # directory of a workdir in which the stores of a run lie
MANIFEST = "manifest.json"
ABOUT_FILES = ("dtype", "counts", "files", "libraries")  # keys of a manifest beside settings
BUILDING = "building"  # where finished shards wait until all are there
TOKENS, SENTENCES, DOCUMENTS, HASHES = FILES = (
    "tokens.bin",
    "sentence_offsets.bin",
    "document_offsets.bin",
    "document_hashes.bin",
)


@dataclass(frozen=True, eq=False)
class TokenStore:
    """A tokenised corpus: sentence `s` is `tokens[sentence_offsets[s]:sentence_offsets[s + 1]]`."""

    directory: Path
    manifest: dict
    tokens: np.ndarray
    sentence_offsets: np.ndarray
    document_offsets: np.ndarray
    document_hashes: np.ndarray

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike,
        expected: dict | None = None,
        defaults: dict | None = None,
    ) -> "TokenStore":
        """Maps a store, in a time that does not depend on its size.

        Args:
            directory: directory of the store.
            expected: settings that the manifest has to hold; None takes any.
            defaults: values of those that the manifest may lack, since they were introduced after
                it was written.

        Raises:
            UserError: there is no finished store, a file has not the size it was written with, or
                the store was made with other settings; each difference is named.
        """
        directory = Path(directory)
        manifest = _read_manifest(directory)
        if expected is not None:
            what = f"the token store {directory}"
            made_with = with_defaults(what, manifest, defaults or {}, (*expected, *ABOUT_FILES))
            refuse_differences(
                f"{what} was made with other settings",
                made_with,
                expected,
                f"name another --config.store.dir, or delete {directory} to have it made anew",
            )
        for name, written in manifest["files"].items():
            path = directory / name
            size = path.stat().st_size if path.exists() else None
            if size != written["bytes"]:
                raise UserError(
                    f"{path} is damaged",
                    found="no such file" if size is None else f"{size} bytes",
                    expected=f"{written['bytes']} bytes, as {MANIFEST} says",
                    hint=f"copy the store anew, or delete {directory} to have it made anew",
                )

        def mapped(name: str, dtype: str) -> np.ndarray:
            # A plain view: slices of np.memmap itself cost several times as much.
            return np.asarray(np.memmap(directory / name, dtype, mode="r"))

        return cls(
            directory,
            manifest,
            mapped(TOKENS, manifest["dtype"]),
            mapped(SENTENCES, "<i8"),
            mapped(DOCUMENTS, "<i8"),
            mapped(HASHES, "<u8"),
        )

    def verify(self) -> None:
        """Reads every file and compares its digest with the manifest's.

        Raises:
            UserError: a file is not as it was written; it is named.
        """
        for name, written in self.manifest["files"].items():
            with open(self.directory / name, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != written["sha256"]:
                raise UserError(
                    f"{self.directory / name} is damaged",
                    found=f"SHA-256 {digest}",
                    expected=f"{written['sha256']}, as {MANIFEST} says",
                    hint=f"copy the store anew, or delete {self.directory} to have it made anew",
                )

    def __reduce__(self) -> tuple:
        # To another process goes the place, not the arrays.
        return TokenStore.open, (self.directory,)


def token_counts(store: TokenStore) -> np.ndarray:
    """Counts the occurrences of each token in the store: int64 `[vocab]`."""
    counts, step = np.zeros(store.manifest["vocab_size"], np.int64), 1 << 22
    for begin in range(0, len(store.tokens), step):
        counts += np.bincount(store.tokens[begin : begin + step], minlength=len(counts))
    return counts


def _read_manifest(directory: Path) -> dict:
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        {name: (w["bytes"], w["sha256"]) for name, w in manifest["files"].items()}
    except FileNotFoundError:
        raise UserError(
            f"{directory} is not a token store",
            found="an unfinished one" if (directory / BUILDING).exists() else f"no {MANIFEST}",
            expected=f"a {MANIFEST}, which is written when all else is",
            hint="run the command that makes it (again): finished shards are kept",
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is damaged",
            expected="the manifest of a token store",
            hint=f"copy the store anew, or delete {directory} to have it made anew",
        ) from None
    refuse_differences(
        f"the token store {directory} is of another version",
        manifest,
        {"format": FORMAT},
        f"delete {directory} to have it made anew",
    )
    return manifest
