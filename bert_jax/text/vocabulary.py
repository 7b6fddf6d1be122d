"""The vocabulary: a tuple of tokens whose positions are the ids, kept as Google's `vocab.txt`."""

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bert_jax.errors import UserError
from bert_jax.remote import path_of

FILE = "vocab.txt"  # what it is called beside a model
PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids."""

    tokens: tuple[str, ...]

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Vocabulary":
        """The vocabulary of a file with one token a line, UTF-8.

        Raises:
            UserError: the file is missing, empty or not UTF-8, names a token twice or lacks a
                special token.
        """
        try:
            content = path_of(path).read_bytes()
        except OSError as error:
            raise UserError(
                f"the vocabulary {path} cannot be read",
                found=error.strerror,
                expected="a file with one token a line, such as Google's vocab.txt",
                hint="name it with --config.tokenizer.vocab_file, or leave that empty to train one",
            ) from None
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise UserError(
                f"the vocabulary {path} is not UTF-8",
                found=f"byte 0x{content[error.start]:02x} on line {line}",
                expected="UTF-8 text, one token a line",
                hint=f"convert it with iconv, or check that {path} is a vocabulary at all",
            ) from None
        # Not splitlines(): some vocabularies hold U+0085 or U+2028 as tokens, and it would split at
        # those.
        lines = text.removesuffix("\n").split("\n")
        return cls.of(tuple(line.rstrip("\r") for line in lines), path)

    @classmethod
    def of(cls, tokens: tuple[str, ...], path: str | os.PathLike) -> "Vocabulary":
        """The vocabulary of tokens that were found in a file.

        Raises:
            UserError: there is none, one is there twice, or a special token is missing.
        """
        return cls(_checked(tokens, path))

    def save(self, path: str | os.PathLike) -> None:
        """Writes the file that `load` reads; it is there whole or not at all."""
        path = Path(path)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_bytes(self._content)
        os.replace(temporary, path)

    def __len__(self) -> int:
        return len(self.tokens)

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """The id of each token."""
        return {token: i for i, token in enumerate(self.tokens)}

    @property
    def pad(self) -> int:
        return self.ids[PAD]

    @property
    def unk(self) -> int:
        return self.ids[UNK]

    @property
    def cls(self) -> int:
        return self.ids[CLS]

    @property
    def sep(self) -> int:
        return self.ids[SEP]

    @property
    def mask(self) -> int:
        return self.ids[MASK]

    @functools.cached_property
    def is_continuation(self) -> np.ndarray:
        """Marks tokens that continue the word of the token before them: bool `[vocab]`."""
        return np.array([token.startswith(CONTINUATION) for token in self.tokens])

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the file that `save` writes, in hexadecimal digits."""
        return hashlib.sha256(self._content).hexdigest()

    @property
    def _content(self) -> bytes:
        return "".join(token + "\n" for token in self.tokens).encode("utf-8")


def _checked(tokens: tuple[str, ...], path: str | os.PathLike) -> tuple[str, ...]:
    if tokens == ("",):
        raise UserError(
            f"the vocabulary {path} is empty",
            expected="one token a line",
            hint="copy the file anew, or leave --config.tokenizer.vocab_file empty to train one",
        )
    first_line: dict[str, int] = {}
    for line, token in enumerate(tokens, start=1):
        if first_line.setdefault(token, line) != line:
            raise UserError(
                f"the vocabulary {path} names a token twice",
                found=f"{token!r} on lines {first_line[token]} and {line}",
                expected="every token once: its line is its id",
                hint="take the file that the model was made with; removing a line shifts the ids "
                "after it",
            )
    missing = [token for token in SPECIAL_TOKENS if token not in first_line]
    if missing:
        raise UserError(
            f"the vocabulary {path} lacks {', '.join(missing)}",
            found=f"{len(tokens)} tokens, the first of them {', '.join(map(repr, tokens[:3]))}",
            expected=f"{' '.join(SPECIAL_TOKENS)} among them",
            hint="check that it is a BERT vocabulary: one token a line and nothing else on it",
        )
    return tokens
