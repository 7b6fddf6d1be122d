import dataclasses
import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bert_jax.config import TokenizerConfig
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import Encoder, identity, wordpiece
from bert_jax.text.words import splitter

WORDS = """the quick brown fox ##es jump ##ed over un ##want ##able ##ing , . ! ? - ' " [ ] $ mask MASK un ##UN The
caf ##e ##é café cafe Café na ##ï ##ive na ##i ##ve strasse ##ße straße İ i ##i ı ∂ € £ 。 中 国 人 語 日 本 の ##の
한 ##국 국 어 ##어 привет ##ы мир й и ##й а ##а й нет Σ σ ς ##ς ##σ 😀 ##😀 👩 ##👩 ﬁ ##n ä a ##a b ##b c ##c x ##x
xx ##xx ½ ـ नम ##स् ##ते ् ##् ไทย ##ไทย 12 ##3 ##4 3 0""".split()
LETTERS = "abcdefghijklmnopqrstuvwxyzABC0123456789"
VOCABULARY = Vocabulary(
    tuple(dict.fromkeys([*SPECIAL_TOKENS, *WORDS, *LETTERS, *("##" + c for c in LETTERS)]))
)

TEXTS = [
    "",
    " ",
    "\t\n",
    "the",
    "The quick brown foxes jumped over!",
    "unwanted, unwantable",
    "UNwanted\tTHE",
    "[MASK] [CLS] [UNK] [PAD]",
    "don't stop-jumping",
    "$12.34",
    "café cafe\u0301 Café CAFÉ naïve",
    "straße STRASSE",
    "İstanbul ıI",
    "中国人 and日本語",
    "日本のfox",
    "한국어 한국",
    "привет мир, ЙОЙ нет",
    "😀 x😀 😀x 👩‍👩",
    "ﬁn ﬁne ½ ² Ⅻ",
    "नमस्ते",
    "ไทย ภาษาไทย",
    "a\x00b",
    "a\ufffdb",
    "a\x07b",
    "a\x0bb a\x0cb a\x1cb a\x85b",
    "a\u200bb a\u200db a\ufeffb",
    "a\u00a0b a\u2003b a\u3000b a\u2028b a\u2029b",
    "a\rb\r\nc",
    "a\u0301\u0302 \u0301",
    "x" * 199,
    "x" * 200,
    "x" * 201,
    "é" * 200,
    "e\u0301" * 101,
    "x" * 500 + " the",
    "，。「中」？",
    "\U00020000 \U0002f800",
    "«a» “b” —c– …",
    "`a`^b~|c=+<>",
    "#a ##a ###a",
    "ä A\u0308 Å",
    "ـــ",
    "ẞ",
    "Ǆ ǅ ǆ",
    "\u1e9b\u0323",
]


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


# Both codes at their defaults, cased and uncased.
CONFIGS = {
    f"{rules} {case}": TokenizerConfig(
        rules=rules, lowercase=case == "uncased", max_chars_per_word=longest
    )
    for rules, longest in (("google", 200), ("huggingface", 100))
    for case in ("cased", "uncased")
}
UNCASED = CONFIGS["google uncased"]

HERE = Path(__file__).parent
GOLDEN_VOCABULARY = HERE / "golden_vocab.txt"
LANGUAGES = json.loads((HERE / "languages.json").read_text("utf-8"))
GOLDEN = json.loads((HERE / "golden.json").read_text("utf-8"))


def ids(text: str, config: TokenizerConfig = UNCASED) -> list[int]:
    return wordpiece(VOCABULARY, config)(text)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_word_is_its_longest_known_pieces(text, config):
    assert ids(text, config) == [
        i for word in splitter(config)(text) for i in pieces(word, config.max_chars_per_word)
    ]


@pytest.mark.parametrize("name", CONFIGS)
def test_ids_are_those_of_the_code_of_others(name):
    vocabulary = Vocabulary.load(GOLDEN_VOCABULARY)
    encode, encoder = wordpiece(vocabulary, CONFIGS[name]), Encoder(vocabulary, CONFIGS[name])
    for golden in GOLDEN:  # see make_golden.py
        text = golden["text"] if "text" in golden else LANGUAGES[golden["language"]]
        expected = golden.get(name, golden[name.replace("huggingface", "google")])
        assert encode(text) == encoder([text])[0].tolist() == expected, text


def test_the_golden_ids_tell_the_rules_apart_and_know_most_words():
    assert {golden["language"] for golden in GOLDEN if "language" in golden} == set(LANGUAGES)
    assert sum("huggingface cased" in golden for golden in GOLDEN) > 10
    assert sum("huggingface uncased" in golden for golden in GOLDEN) > 3
    unknown = Vocabulary.load(GOLDEN_VOCABULARY).unk
    assert not any(
        unknown in golden[name]
        for golden in GOLDEN
        if "language" in golden
        for name in CONFIGS
        if name in golden
    )


@pytest.mark.parametrize("longest", [1, 4, 100])
def test_longer_words_are_unknown(longest):
    config = dataclasses.replace(UNCASED, max_chars_per_word=longest)
    for length in (longest, longest + 1):
        assert ids("x" * length, config) == pieces("x" * length, longest)
    assert ids("x" * (longest + 1), config) == [VOCABULARY.unk]


def test_the_characters_of_a_word_are_counted_when_it_is_normalised():
    four = {
        name: dataclasses.replace(config, max_chars_per_word=4) for name, config in CONFIGS.items()
    }
    known = {name: VOCABULARY.unk not in ids("cafe\u0301", config) for name, config in four.items()}
    assert known == {
        "google cased": False,
        "google uncased": True,
        "huggingface cased": True,
        "huggingface uncased": True,
    }


def test_no_special_token_is_found_in_text():
    assert not set(ids("[MASK] [PAD]")) & {VOCABULARY.mask, VOCABULARY.pad}


def test_the_identity_holds_every_key_that_ids_depend_on():
    keys = {f.name for f in dataclasses.fields(TokenizerConfig) if not f.name.startswith("vocab_")}
    assert identity(UNCASED) == {name: getattr(UNCASED, name) for name in keys}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_encoder_gives_ids_one_after_the_other_and_lengths(config):
    encoded, lengths = Encoder(VOCABULARY, config)(TEXTS)
    assert encoded.dtype == lengths.dtype == np.int32
    assert [list(part) for part in np.split(encoded, np.cumsum(lengths)[:-1])] == [
        ids(t, config) for t in TEXTS
    ]


def test_encoder_of_nothing():
    encoded, lengths = Encoder(VOCABULARY, UNCASED)([])
    assert encoded.shape == lengths.shape == (0,)


ANY = st.characters(exclude_categories=["Cs"])
TRICKY = st.sampled_from(
    "aAéEΣσ中가\u11a8,! \t\r\n\x0b\x0c\x85\u2028\u3000\u0301\u0327\u00ad\ue000\u0378"
)
WORDPIECES = [
    (wordpiece(VOCABULARY, config), Encoder(VOCABULARY, config)) for config in CONFIGS.values()
]


@given(st.text(st.one_of(ANY, TRICKY)))
def test_encoder_gives_the_ids_of_any_text(text):
    for encode, encoder in WORDPIECES:
        for _ in range(2):  # first met, then remembered
            assert list(encoder([text])[0]) == encode(text)


def test_encoder_forgets_rather_than_grows(monkeypatch):
    encode = Encoder(VOCABULARY, UNCASED)
    monkeypatch.setattr(type(encode._ids), "most", 10)
    for i in range(100):
        assert list(encode([f"the {i} " + "x" * 50])[0]) == ids(f"the {i} " + "x" * 50)
        assert len(encode._ids) <= 10


# Against transformers' own code


def hugging_face(**options):
    transformers = pytest.importorskip("transformers.models.bert.tokenization_bert_legacy")
    legacy = transformers.BertTokenizerLegacy(str(GOLDEN_VOCABULARY), **options)
    return lambda text: legacy.encode(text, add_special_tokens=False)


def switches() -> list[tuple]:
    """Every choice of both: our config and their tokenizer."""
    vocabulary, accents = (
        Vocabulary.load(GOLDEN_VOCABULARY),
        dict(with_case=None, strip=True, keep=False),
    )
    return [
        (
            Encoder(
                vocabulary,
                TokenizerConfig(
                    rules="huggingface",
                    lowercase=lowercase,
                    accents=name,
                    split_cjk=split_cjk,
                    max_chars_per_word=100,
                ),
            ),
            hugging_face(
                do_lower_case=lowercase,
                strip_accents=accents[name],
                tokenize_chinese_chars=split_cjk,
            ),
        )
        for lowercase, name, split_cjk in itertools.product((True, False), accents, (True, False))
    ]


@pytest.mark.full
def test_ids_of_all_languages_are_those_of_hugging_faces_code():
    texts = [*LANGUAGES.values(), *(golden["text"] for golden in GOLDEN if "text" in golden)]
    for ours, theirs in switches():
        for text in texts:
            assert ours([text])[0].tolist() == theirs(text), text


@pytest.mark.full
def test_ids_of_any_text_are_those_of_hugging_faces_code():
    both = switches()
    known = st.sampled_from(sorted(set("".join(LANGUAGES.values()))))

    @settings(max_examples=1000, deadline=None)
    @given(st.text(st.one_of(ANY, TRICKY, known, known)))
    def check(text):
        assume(
            not any(token in text for token in SPECIAL_TOKENS)
        )  # which they find in text, and we do not
        for ours, theirs in both:
            assert ours([text])[0].tolist() == theirs(text)

    check()


@pytest.mark.full
@pytest.mark.parametrize(
    "unit",
    [
        "x",
        "the cat, ",
        "中国",
        ".,!",
        "é",
        "e\u0301",
        "\u0301",
        "ΑΣ\u00ad",
        "\U000f0000\u0378",
        "नमस्ते",
    ],
    ids=ascii,
)
def test_a_megabyte_on_one_line_takes_seconds(unit):
    text = unit * (1_000_000 // len(unit))
    for case in ("cased", "uncased"):
        ours = Encoder(Vocabulary.load(GOLDEN_VOCABULARY), CONFIGS[f"huggingface {case}"])
        start = time.process_time()
        found = ours([text])[0].tolist()
        assert time.process_time() - start < 10
        assert found == hugging_face(do_lower_case=case == "uncased")(text)
