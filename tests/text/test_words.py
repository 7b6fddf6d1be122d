import dataclasses
import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_jax.config import TokenizerConfig
from bert_jax.text.words import splitter

GOOGLE, HUGGING_FACE = TokenizerConfig(rules="google"), TokenizerConfig(rules="huggingface")
CONFIGS = [
    TokenizerConfig(rules=rules, lowercase=lowercase, accents=accents, split_cjk=split_cjk)
    for rules, lowercase, accents, split_cjk in itertools.product(
        ("google", "huggingface"), (True, False), ("with_case", "strip", "keep"), (True, False)
    )
]
SPLITTERS = {config: splitter(config) for config in CONFIGS}

ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
SPACES = "\t\n\r \u00a0\u1680\u2000\u2003\u2009\u202f\u205f\u3000\u2028\u2029"
ANY = st.characters(exclude_categories=["Cs"])
TRICKY = st.sampled_from(
    "aAeEΣσς中\uac00\u1100\u1161\u11a8,≠\u1fef\u037e'\u00ad\u0301\u0327\u05b0\u0f71\u0f72"
    "\x00\x0b\x0c\x1c\x85\u200b\u200d\u180e\ufeff\ufffd\ue000\u0378\uf900İıßǅ" + SPACES
)
AROUND = ("{0}", "a{0}b", "AΣ{0}Σ", "e\u0301{0}\u0327", "\u1100{0}\u1161{0}")


def cased(config: TokenizerConfig) -> TokenizerConfig:
    return dataclasses.replace(config, lowercase=False)


def reference(text: str, config: TokenizerConfig) -> list[str]:
    """The rules of tokenization.py, one character and one string after the other, with Hugging
    Face's additions."""
    google = config.rules == "google"
    strip = config.accents == "strip" or (config.accents == "with_case" and config.lowercase)

    def is_space(c):
        return c in " \t\n\r" or unicodedata.category(c) == "Zs"

    def is_dropped(c):
        category = unicodedata.category(c)
        is_control = category in ("Cc", "Cf") if google else category.startswith("C")
        return c in "\x00\ufffd" or (c not in "\t\n\r" and is_control)

    def is_cjk(c):
        return any(
            low <= ord(c) <= high
            for low, high in (
                (0x4E00, 0x9FFF),
                (0x3400, 0x4DBF),
                (0x20000, 0x2A6DF),
                (0x2A700, 0x2B73F),
                (0x2B740, 0x2B81F),
                (0x2B820, 0x2CEAF),
                (0xF900, 0xFAFF),
                (0x2F800, 0x2FA1F),
            )
        )

    def is_punctuation(c):
        return c in ASCII_PUNCTUATION or unicodedata.category(c).startswith("P")

    text = "".join(" " if is_space(c) else c for c in text if not is_dropped(c))
    if config.split_cjk:
        text = "".join(f" {c} " if is_cjk(c) else c for c in text)
    words = []
    for word in (text if google else unicodedata.normalize("NFC", text)).split():
        if config.lowercase:
            word = word.lower()
        if strip:
            word = "".join(
                c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn"
            )
        words += "".join(f" {c} " if is_punctuation(c) else c for c in word).split()
    return words


@pytest.mark.parametrize(
    "text, google, hugging_face",
    [
        ("a\ue000b", ["a\ue000b"], ["ab"]),  # private use
        ("a\u0378b \U0010ffff", ["a\u0378b", "\U0010ffff"], ["ab"]),  # unassigned
        ("e\u0301 \u212b", ["e\u0301", "\u212b"], ["\u00e9", "\u00c5"]),
        ("\u1112\u1161\u11ab", ["\u1112\u1161\u11ab"], ["\ud55c"]),  # Hangul from its letters
        ("a\u037eb", ["a", "\u037e", "b"], ["a", ";", "b"]),
        ("a\u1fefb", ["a\u1fefb"], ["a", "`", "b"]),  # no punctuation until it is composed
        ("\uf900", ["\uf900"], ["\u8c48"]),
        ("\u0958", ["\u0958"], ["\u0915\u093c"]),  # excluded from composition
    ],
)
def test_where_the_two_rules_part(text, google, hugging_face):
    assert splitter(cased(GOOGLE))(text) == google
    assert splitter(cased(HUGGING_FACE))(text) == hugging_face


@pytest.mark.parametrize("config", [GOOGLE, HUGGING_FACE])
@pytest.mark.parametrize(
    "text, words",
    [
        (
            "ΟΔΥΣΣΕΥΣ ΑΣ. Σ ΣΑ",
            ["οδυσσευς", "ας", ".", "σ", "σα"],
        ),  # a final sigma, unless it is alone
        ("ΑΣ\u2028Α ΑΣ中Α", ["ας", "α", "ας", "中", "α"]),  # what ends a string ends a word
        ("ΑΣ\u00adΑ ΑΣ\x85Α", ["ασα", "ασα"]),  # what is dropped does not
        ("ΑΣ'Α ΑΣ'", ["ασ", "'", "α", "ας", "'"]),  # the apostrophe still counts when case goes
        ("İstanbul ıI ẞ ǅ ﬁ", ["istanbul", "ıi", "ß", "ǆ", "ﬁ"]),
        ("a≠b", ["a", "=", "b"]),  # a symbol until it has lost its stroke
        ("\U0002b820\U0002cea1", ["\U0002b820", "\U0002cea1"]),
        ("a\u2e5db a\u061db a\u166db", ["a", "\u2e5d", "b", "a", "\u061d", "b", "a\u166db"]),
        ("a\x0bb a\x0cb a\x1cb a\x85b a\u200bb", ["ab"] * 5),
        (SPACES.join("abcdefghijklmnop"), list("abcdefghijklmnop")),
        ("", []),
        (" \t\u3000", []),
        ("\u0301", []),
        ("\u200b\x00\ufffd", []),
    ],
)
def test_what_both_rules_say(config, text, words):
    assert splitter(config)(text) == words


def test_accents_go_with_case_always_or_never():
    def words(**keys):
        return splitter(TokenizerConfig(**keys))("Éa\u0301")

    assert words(lowercase=True) == words(lowercase=True, accents="strip") == ["ea"]
    assert words(lowercase=False, accents="strip") == ["Ea"]
    assert words(lowercase=True, accents="keep") == ["éa\u0301"]
    assert words(lowercase=False) == words(lowercase=False, accents="keep") == ["Éa\u0301"]


def test_chinese_characters_may_stay_together():
    assert splitter(TokenizerConfig(split_cjk=False))("中国 a中") == ["中国", "a中"]
    assert splitter(TokenizerConfig(split_cjk=True))("中国 a中") == ["中", "国", "a", "中"]


@given(st.text(st.one_of(ANY, TRICKY)))
def test_words_of_any_text_are_those_of_the_rules(text):
    for config, words in SPLITTERS.items():
        assert words(text) == reference(text, config)


def every_code_point(at_once: int = 1024):
    """Texts that hold, all together, every code point but surrogates, alone and among others."""
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    for begin in range(0, len(points), at_once):
        yield " ".join(
            around.format(chr(c)) for c in points[begin : begin + at_once] for around in AROUND
        )


@pytest.mark.full
@pytest.mark.parametrize("config", [GOOGLE, cased(GOOGLE)])
def test_every_code_point_by_googles_rules(config):
    for text in every_code_point():
        assert SPLITTERS[config](text) == reference(text, config)


def hugging_face(config: TokenizerConfig):
    legacy = pytest.importorskip("transformers.models.bert.tokenization_bert_legacy")
    return legacy.BasicTokenizer(
        do_lower_case=config.lowercase,
        tokenize_chinese_chars=config.split_cjk,
        strip_accents=dict(with_case=None, strip=True, keep=False)[config.accents],
    ).tokenize


@pytest.mark.full
@pytest.mark.parametrize("config", [HUGGING_FACE, cased(HUGGING_FACE)])
def test_every_code_point_by_hugging_faces_code(config):
    theirs = hugging_face(config)
    for text in every_code_point():
        assert SPLITTERS[config](text) == theirs(text)


@pytest.mark.full
def test_words_of_any_text_are_those_of_hugging_faces_code():
    theirs = {config: hugging_face(config) for config in CONFIGS if config.rules == "huggingface"}

    @settings(max_examples=2000, deadline=None)
    @given(st.text(st.one_of(ANY, TRICKY)))
    def check(text):
        for config, words in theirs.items():
            assert SPLITTERS[config](text) == words(text)

    check()
