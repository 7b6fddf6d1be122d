"""Makes `golden.json` and `golden_vocab.txt` anew: ids of awkward texts and of many languages by
the code of others.

    python -m tests.text.make_golden --google DIR

DIR is a checkout of google-research/bert; transformers has to be installed. The ids are those of
Google's own `tokenization.py` and of transformers' `BertTokenizerLegacy`, none of them ours; only
the vocabulary, trained on the same texts, is. No text holds characters that Unicode 15.0 knows and
14.0 does not, so that Python 3.11 and 3.12 agree.
"""

import argparse
import json
from pathlib import Path

from benchmarks.tokenisation_parity import google, hugging_face
from bert_jax.config import TokenizerConfig
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.vocabulary_training import train

HERE = Path(__file__).parent
LANGUAGES, GOLDEN, VOCABULARY = (
    HERE / "languages.json",
    HERE / "golden.json",
    HERE / "golden_vocab.txt",
)


def between(characters) -> str:
    """`a?b` for each of the characters."""
    return " ".join(f"a{c}b" for c in characters)


AWKWARD = [
    "",
    " ",
    "\t\r\n \u3000\u2028",
    "\u200b",
    "\x00\ufffd",
    "The quick brown fox doesn't jump-over $12.34, does it?",
    # Control characters, one by one; what is white space to whom; format characters.
    between(map(chr, [*range(0x20), *range(0x7F, 0xA0)])),
    between("\u00a0\u1680\u2000\u2001\u2002\u200a\u2028\u2029\u202f\u205f\u3000"),
    between(
        "\u00ad\u061c\u06dd\u08e2\u180e\u200b\u200c\u200d\u200e\u202e\u2060\u2066\ufeff\ufff9\U000e0001\U000e0041"
    ),
    # Private use, unassigned for good, non-characters.
    between("\ue000\uf8ff\U000f0000\U0010fffd"),
    between("\u0378\u0530\u2fe0\U000e0080\ufdd0\ufffe\U0001ffff\U0010ffff"),
    # Punctuation: of ASCII, of others, of late, what once was, what becomes it by (de)composition,
    # what never is.
    between("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "«a» “b” —c– …d¿ ，。「中」？ a‐b a·b a՚b a׳b a।b a።b a၊b a༔b",
    between("\u061d\u0c77\u166d\u16eb\u2e52\u2e55\u2e5d\U00010ead\U000111c9\U0001e95e"),
    between("\u037e\u0387\u1fef\u2260\u226e\u2adc\u2329\u232a"),
    between("€£¢©®°±×÷¬¦¨¯´¸№™∂∑√"),
    # Case: final sigma, the dotted and the dotless i, capitals without and with more than one small
    # letter.
    "ΟΔΥΣΣΕΥΣ ΑΣ. ΑΣ, Σ ΣΑ ΑΣ-ΑΣ ΑΣ'Α ΑΣ' Α\u0301Σ ΑΣ\u0301 ΑΣ\u00adΑ ΑΣ\u200bΑ ΑΣ\u2028Α ΑΣ中Α "
    "ΑΣ1 1Σ ς σ AΣ ΆΣ",
    "İstanbul ISPARTA ıi i\u0307 ẞß STRASSE ŉ ǰ ﬁ ﬀ Ǆǅǆ ᾈᾳ Ω\u2126 K\u212a Å\u212b "
    "\U00010400\U00010428 Ꭰꭰ Აა Ა",
    # Accents: composed, decomposed, several in either order, alone, without a base, excluded from
    # composition.
    "café cafe\u0301 CAFÉ CAFE\u0301 naïve a\u0323\u0307 a\u0307\u0323 ậ ằ \u1e9b\u0323 ñ n\u0303 "
    "o\u0308\u0304 ȫ",
    "\u0301 \u0301a a\u0301\u0302\u0303 \u0301\u0327\u0301 a \u0301 \u0344 \u0340 \u034f \u20dd "
    "a\u20dd \u0903 क\u0903",
    "\u0958 \u095c \u09dc \u0a33 \u0f69 \u0f71\u0f72 \u0f72\u0f71 \ufb1d \ufb4e \U0001d15e",
    "\u0929 \u0928\u093c \u0b94 \u0b92\u0bd7 \u0cca \u0cc6\u0cc2",
    "한국어 \u1112\u1161\u11ab\u1100\u116e\u11a8 \u1100\ua97c 가\u11a8 ㄱㅏ ﾊﾝｶｸ が か\u3099 ガ カ\u3099 ﾞ",
    # Emoji: alone, with selectors, joined, toned, flags, keycaps.
    "😀 x😀x ☺️ ❤️ 👩‍👩‍👧‍👦 👩🏽‍🚀 🏳️‍🌈 🇫🇷🇩🇪 1️⃣ #️⃣ 🫠 🧑‍💻! 🏴\U000e0067\U000e0062\U000e007f",
    # Chinese characters: the ends of all ranges, their neighbours, compatibility ideographs,
    # radicals, kana.
    between(
        map(
            chr,
            [
                0x33FF,
                0x3400,
                0x4DBF,
                0x4DC0,
                0x4E00,
                0x9FFF,
                0xA000,
                0x1FFFD,
                0x20000,
                0x2A6DF,
                0x2A700,
                0x2B73F,
                0x2B740,
                0x2B81F,
                0x2B820,
                0x2B91F,
                0x2B920,
                0x2CEAF,
                0x2CEB0,
                0x30000,
            ],
        )
    ),
    "中国人 and日本語 日本のfox 豈\uf900 \ufa0e \ufa6a \U0002f800 \U0002fa1d ⼀ ⺀ 々 〆 〇 ヶ 㐂 ㈱ ㍿",
    # Scripts that languages.json lacks.
    "తెలుగు లిపి ఒక",
    "සිංහල අකුරු ශ්‍රී",
    "ߒߞߏ ߞߊ߲",
    "𞤀𞤣𞤤𞤢𞤥 𞤆𞤵𞤤𞤢𞤪",
    "ᬩᬮᬶ ᬅᬓ᭄ᬱᬭ",
    "ꦗꦮ ꦲꦏ꧀",
    "ଓଡ଼ିଆ ଲିପି",
    "𐌲𐌿𐍄 ᚱᚢᚾ ⲁⲗ 𒀀𒁀 𓀀𓂀",
    "ㄅㄆㄇ ⠃⠗⠁⠊ ꤀ ᰀᰁ ᨀᨗ ꯃꯩ ᱚᱞ 𑄌𑄋𑄴 ꨌꩌ ᤕᤠ ꢁꢂ",
    # Words near the longest that the two know, before and after their characters are counted.
    *("x" * length for length in (99, 100, 101, 199, 200, 201)),
    *(
        "é" * length + " " + "e\u0301" * length + " " + "e\u0301" * (length // 2)
        for length in (100, 101, 200, 201)
    ),
    "x" * 5000 + " the " + "中" * 300 + "." * 300 + "x\u200b" * 150,
]


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m tests.text.make_golden", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--google", required=True, metavar="DIR", help="a checkout of google-research/bert"
    )
    args = parser.parse_args()
    languages = json.loads(LANGUAGES.read_text("utf-8"))
    vocabulary([*languages.values(), *AWKWARD]).save(VOCABULARY)
    # An awkward text stands beside its ids; of the others only the language's code does.
    golden = [dict(text=text) | ids_of(text, args.google) for text in AWKWARD]
    golden += [dict(language=code) | ids_of(text, args.google) for code, text in languages.items()]
    lines = (json.dumps(entry, separators=(",", ":")) for entry in golden)
    GOLDEN.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def vocabulary(texts: list[str]) -> Vocabulary:
    """One for all rules: cased and uncased, so that few words are [UNK]."""
    trained = [
        train(
            texts,
            TokenizerConfig(
                rules=rules, lowercase=lowercase, vocab_size=4500, vocab_characters=4000
            ),
        )
        for rules in ("google", "huggingface")
        for lowercase in (False, True)
    ]
    return Vocabulary(tuple(dict.fromkeys(token for each in trained for token in each.tokens)))


def ids_of(text: str, checkout: str) -> dict[str, list[int]]:
    """By rules and case; Hugging Face's are left out where they are Google's."""
    ids = {}
    for case in ("cased", "uncased"):
        ids[f"google {case}"] = by_google = google(
            str(VOCABULARY), case == "uncased", checkout
        ).ids(text)
        by_hugging_face = hugging_face(str(VOCABULARY), case == "uncased").ids(text)
        if by_hugging_face != by_google:
            ids[f"huggingface {case}"] = by_hugging_face
    return ids


if __name__ == "__main__":
    main()
