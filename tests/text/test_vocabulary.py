import hashlib

import pytest

from bert_jax.errors import UserError
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary

TOKENS = (
    "[PAD]",
    "[unused0]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "##a",
    "#",
    "é",
    "\u2028",
    "\x85",
    "##\u3000",
)


def write(path, text: str, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_load_gives_back_what_save_wrote(tmp_path):
    Vocabulary(TOKENS).save(tmp_path / "vocab.txt")
    assert Vocabulary.load(tmp_path / "vocab.txt") == Vocabulary(TOKENS)
    assert [path.name for path in tmp_path.iterdir()] == ["vocab.txt"]


def test_lines_end_at_newlines_only_and_lose_carriage_returns(tmp_path):
    assert Vocabulary.load(write(tmp_path / "unix", "\n".join(TOKENS))).tokens == TOKENS
    assert Vocabulary.load(write(tmp_path / "dos", "\r\n".join(TOKENS) + "\r\n")).tokens == TOKENS


def test_ids_of_special_tokens_are_their_lines():
    vocabulary = Vocabulary(TOKENS)
    assert (vocabulary.pad, vocabulary.unk, vocabulary.cls, vocabulary.sep, vocabulary.mask) == (
        0,
        2,
        3,
        4,
        5,
    )
    assert len(vocabulary) == 13


def test_continuations():
    vocabulary = Vocabulary(TOKENS)
    assert vocabulary.is_continuation.dtype == bool
    assert [TOKENS[i] for i in vocabulary.is_continuation.nonzero()[0]] == ["##a", "##\u3000"]


def test_digest_is_that_of_the_saved_file_and_does_not_see_line_ends(tmp_path):
    Vocabulary(TOKENS).save(tmp_path / "vocab.txt")
    dos = Vocabulary.load(write(tmp_path / "dos", "\r\n".join(TOKENS)))
    assert dos.digest == hashlib.sha256((tmp_path / "vocab.txt").read_bytes()).hexdigest()
    assert dos.digest != Vocabulary(TOKENS[:-1]).digest


@pytest.mark.parametrize("special", SPECIAL_TOKENS)
def test_a_missing_special_token_is_named(tmp_path, special):
    path = write(tmp_path / "vocab.txt", "\n".join(token for token in TOKENS if token != special))
    with pytest.raises(UserError) as error:
        Vocabulary.load(path)
    assert f"lacks {special}\n" in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "is empty"),
        ("\n".join([*TOKENS, "a"]).encode(), "'a' on lines 7 and 14"),
        ("\n".join(TOKENS).encode("latin-1", "ignore"), "byte 0xe9 on line 10"),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, content, said):
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(UserError, match=said):
        Vocabulary.load(tmp_path / "vocab.txt")


@pytest.mark.parametrize("path", ["nowhere.txt", "."])
def test_an_unreadable_file_is_refused(tmp_path, path):
    with pytest.raises(UserError, match="cannot be read"):
        Vocabulary.load(tmp_path / path)
