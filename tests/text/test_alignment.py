import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_jax.config import TokenizerConfig
from bert_jax.text.alignment import AlignedEncoder
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import Encoder

LETTERS = "abcdefghijklmnopqrstuvwxyzäéσß"
VOCABULARY = Vocabulary(
    (*SPECIAL_TOKENS, *LETTERS, *(f"##{c}" for c in LETTERS), *"ABC.,-'()12中", "##1", "##2")
)
CONFIGS = [
    TokenizerConfig(),
    TokenizerConfig(lowercase=False),
    TokenizerConfig(rules="huggingface"),
    TokenizerConfig(accents="keep"),
    TokenizerConfig(rules="huggingface", lowercase=False),
]
NASTY = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("aAéÉ ́ßΣσς中İ가ᄀ\u1161\u200b. \t\u00a0ﬁ"),
    ),
    max_size=30,
)


def said(text, config=CONFIGS[0]):
    ids, places = AlignedEncoder(VOCABULARY, config)(text)
    return [(VOCABULARY.tokens[i], text[begin:end]) for i, (begin, end) in zip(ids, places)]


@given(NASTY, st.sampled_from(CONFIGS))
def test_ids_are_the_encoders_and_places_rise_within_the_text(text, config):
    ids, places = AlignedEncoder(VOCABULARY, config)(text)
    assert ids.tolist() == Encoder(VOCABULARY, config)([text])[0].tolist()
    assert places.shape == (len(ids), 2) and places.dtype == np.int32
    assert (
        (places[:, 0] < places[:, 1]).all() and (places >= 0).all() and (places <= len(text)).all()
    )
    assert (np.diff(places, axis=0) >= 0).all()


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "Cab, (É)",
            [
                ("c", "C"),
                ("##a", "a"),
                ("##b", "b"),
                (",", ","),
                ("(", "("),
                ("e", "É"),
                (")", ")"),
            ],
        ),
        ("a\u0301b c", [("a", "a\u0301"), ("##b", "b"), ("c", "c")]),  # a mark goes with its letter
        ("x\u200by", [("x", "x"), ("##y", "y")]),  # what is dropped belongs to nothing
        ("中a", [("中", "中"), ("a", "a")]),
        ("q~ ~", [("q", "q"), ("[UNK]", "~"), ("[UNK]", "~")]),
        ("a\n b\u00a0c", [("a", "a"), ("b", "b"), ("c", "c")]),
        ("ΣΣ", [("[UNK]", "ΣΣ")]),  # its final sigma is another letter
    ],
)
def test_each_token_stands_where_it_was_read(text, expected):
    assert said(text) == expected


def test_what_cannot_be_told_apart_stands_for_all_between_spaces():
    # Two letters that compose to a syllable, by the rules that compose.
    vocabulary = Vocabulary((*SPECIAL_TOKENS, "가", "a", "##a", "##가"))
    ids, places = AlignedEncoder(vocabulary, TokenizerConfig(rules="huggingface", lowercase=False))(
        "a ᄀ\u1161a"
    )
    assert [vocabulary.tokens[i] for i in ids] == ["a", "가", "##a"]
    assert places.tolist() == [[0, 1], [2, 5], [2, 5]]
