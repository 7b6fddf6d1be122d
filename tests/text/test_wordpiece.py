import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import Encoder, wordpiece

WORDS = """the quick brown fox ##es jump ##ed over un ##want ##able ##ing , . ! ? - ' " [ ] $ mask MASK un ##UN The
caf ##e ##é café cafe Café na ##ï ##ive na ##i ##ve strasse ##ße straße İ i ##i ı ∂ € £ 。 中 国 人 語 日 本 の ##の
한 ##국 국 어 ##어 привет ##ы мир й и ##й а ##а й нет Σ σ ς ##ς ##σ 😀 ##😀 👩 ##👩 ﬁ ##n ä a ##a b ##b c ##c x ##x
xx ##xx ½ ـ नम ##स् ##ते ् ##् ไทย ##ไทย 12 ##3 ##4 3 0""".split()
LETTERS = "abcdefghijklmnopqrstuvwxyzABC0123456789"
VOCABULARY = Vocabulary(tuple(dict.fromkeys([*SPECIAL_TOKENS, *WORDS, *LETTERS, *("##" + c for c in LETTERS)])))

TEXTS = [
    "", " ", "\t\n", "the", "The quick brown foxes jumped over!", "unwanted, unwantable", "UNwanted\tTHE",
    "[MASK] [CLS] [UNK] [PAD]", "don't stop-jumping", "$12.34", "café cafe\u0301 Café CAFÉ naïve",
    "straße STRASSE", "İstanbul ıI", "中国人 and日本語", "日本のfox", "한국어 한국",
    "привет мир, ЙОЙ нет", "😀 x😀 😀x 👩‍👩", "ﬁn ﬁne ½ ² Ⅻ",
    "नमस्ते", "ไทย ภาษาไทย", "a\x00b", "a\ufffdb", "a\x07b", "a\x0bb a\x0cb a\x1cb a\x85b",
    "a\u200bb a\u200db a\ufeffb",
    "a\u00a0b a\u2003b a\u3000b a\u2028b a\u2029b", "a\rb\r\nc", "a\u0301\u0302 \u0301",
    "x" * 199, "x" * 200, "x" * 201,
    "é" * 200, "e\u0301" * 101, "x" * 500 + " the", "，。「中」？", "\U00020000 \U0002f800",
    "«a» “b” —c– …", "`a`^b~|c=+<>",
    "#a ##a ###a", "ä A\u0308 Å", "ـــ", "ẞ", "Ǆ ǅ ǆ", "\u1e9b\u0323",
]


def reference(text: str, lowercase: bool, max_chars: int) -> list[int]:
    """WordPiece by the rules of Google's tokenization.py, one character after the other."""
    def is_space(c):
        return c in " \t\n\r" or unicodedata.category(c) == "Zs"

    def is_dropped(c):
        return c in "\x00\ufffd" or (c not in "\t\n\r" and unicodedata.category(c) in ("Cc", "Cf"))

    def is_cjk(c):
        return any(low <= ord(c) <= high for low, high in (
            (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
            (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)))

    def is_punctuation(c):
        return c in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" or unicodedata.category(c).startswith("P")

    text = "".join(" " if is_space(c) else c for c in text if not is_dropped(c))
    text = "".join(f" {c} " if is_cjk(c) else c for c in text)
    words = []
    for word in text.split():
        if lowercase:
            word = "".join(c for c in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(c) != "Mn")
        words += "".join(f" {c} " if is_punctuation(c) else c for c in word).split()
    return [i for word in words for i in pieces(word, max_chars)]


def pieces(word: str, max_chars: int) -> list[int]:
    """Longest match first; a word that cannot be covered, or is too long, is one [UNK]."""
    found, begin = [], 0
    while begin < len(word) <= max_chars:
        for end in range(len(word), begin, -1):
            piece = "##" * (begin > 0) + word[begin:end]
            if piece in VOCABULARY.ids:
                found.append(VOCABULARY.ids[piece])
                begin = end
                break
        else:
            return [VOCABULARY.unk]
    return found or [VOCABULARY.unk]


def ids(text: str, lowercase: bool, max_chars: int = 200) -> list[int]:
    return wordpiece(VOCABULARY, lowercase, max_chars).encode(text).ids


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_googles_rules(text, lowercase):
    assert ids(text, lowercase) == reference(text, lowercase, 200)


@pytest.mark.parametrize("max_chars", [1, 4, 100])
def test_longer_words_are_unknown(max_chars):
    for length in (max_chars, max_chars + 1):
        assert ids("x" * length, True, max_chars) == reference("x" * length, True, max_chars)
    assert ids("x" * (max_chars + 1), True, max_chars) == [VOCABULARY.unk]


def test_no_special_token_is_found_in_text():
    assert not set(ids("[MASK] [PAD]", True)) & {VOCABULARY.mask, VOCABULARY.pad}


def test_where_the_library_departs_from_googles_code():
    # A final sigma keeps its shape in Python's lower(), which sees the word; the library lowers letter by letter.
    assert ids("AΣ", True) == [VOCABULARY.ids["a"], VOCABULARY.ids["##σ"]]
    assert reference("AΣ", True, 200) == [VOCABULARY.ids["a"], VOCABULARY.ids["##ς"]]
    # Private-use characters are kept by Google's code and dropped by the library.
    assert ids("a\ue000b", True) == ids("ab", True) != reference("a\ue000b", True, 200)


@pytest.mark.parametrize("lowercase", [True, False])
def test_encoder_gives_ids_one_after_the_other_and_lengths(lowercase):
    encoded, lengths = Encoder(wordpiece(VOCABULARY, lowercase, 200))(TEXTS)
    assert encoded.dtype == lengths.dtype == np.int32
    assert [list(part) for part in np.split(encoded, np.cumsum(lengths)[:-1])] == [ids(t, lowercase) for t in TEXTS]


def test_encoder_of_nothing():
    encoded, lengths = Encoder(wordpiece(VOCABULARY, True, 200))([])
    assert encoded.shape == lengths.shape == (0,)


TOKENIZER = wordpiece(VOCABULARY, True, 200)
ENCODER = Encoder(TOKENIZER)


ANY, TRICKY = st.characters(exclude_categories=["Cs"]), st.sampled_from("aAé中,! \t\r\n\x0b\x0c\x85\u3000\u0301")


@given(st.text(st.one_of(ANY, TRICKY)))
def test_encoder_agrees_with_the_tokenizer_on_any_text(text):
    for _ in range(2):  # first met, then remembered
        assert list(ENCODER([text])[0]) == TOKENIZER.encode(text).ids


def test_encoder_forgets_rather_than_grows(monkeypatch):
    encode = Encoder(TOKENIZER)
    monkeypatch.setattr(type(encode._ids), "most", 10)
    for i in range(100):
        assert list(encode([f"the {i} " + "x" * 50])[0]) == ids(f"the {i} " + "x" * 50, True)
        assert len(encode._ids) <= 10
