import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from bert_jax.config import TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.vocabulary_training import count_words, train
from bert_jax.text.wordpiece import wordpiece

SCRIPT = """
import random, sys
from bert_jax.text.vocabulary_training import train
sys.path.insert(0, sys.argv[1])
from test_vocabulary_training import config, texts
these = texts()
random.Random(int(sys.argv[2])).shuffle(these)
print(train(iter(these), config(400, characters=30)).digest)
"""


def config(size: int = 400, characters: int = 1000, **keys) -> TokenizerConfig:
    return TokenizerConfig(vocab_size=size, vocab_characters=characters, **keys)


def texts(number: int = 300) -> list[str]:
    """Made-up words, many of them equally frequent: ties among characters and among pairs are the
    rule."""
    draw = random.Random(0)
    syllables = [a + b for a in "bcdfghklmnprst" for b in "aeiouäéàßøж中"]
    return [
        "".join(draw.choices(syllables, k=draw.randint(1, 4))).capitalize()
        + draw.choice([" ", ", ", ".\n"])
        + " ".join("".join(draw.choices(syllables, k=2)) for _ in range(5))
        for _ in range(number)
    ]


def test_size_and_order():
    vocabulary = train(texts(), config(lowercase=False))
    assert len(vocabulary) == 400
    assert vocabulary.tokens[:5] == SPECIAL_TOKENS
    words = count_words(texts(), config(lowercase=False))
    letters = sorted({letter for word in words for letter in word})
    inner = sorted({"##" + letter for word in words for letter in word[1:]})
    assert vocabulary.tokens[5 : 5 + len(letters) + len(inner)] == (*letters, *inner)
    merges = vocabulary.tokens[5 + len(letters) + len(inner) :]
    assert merges and all(len(token.removeprefix("##")) > 1 for token in merges)


def test_a_larger_vocabulary_begins_with_the_smaller():
    assert train(texts(), config(500)).tokens[:400] == train(texts(), config(400)).tokens


def test_the_most_frequent_pair_is_merged_first():
    vocabulary = train(["ab " * 5 + "cd " * 9 + "ae " * 5], config(5 + 5 + 3 + 3))
    assert vocabulary.tokens[-3:] == ("cd", "ab", "ae")


def test_every_word_of_the_training_text_is_known():
    vocabulary = train(texts(), config())
    ids = wordpiece(vocabulary, config())
    assert not any(vocabulary.unk in ids(text) for text in texts())


def test_lowercase_strips_case_and_accents():
    assert not any("é" in token or "B" in token for token in train(texts(), config()).tokens)
    assert any("é" in token for token in train(texts(), config(lowercase=False)).tokens)


def test_the_alphabet_is_limited_to_the_most_frequent_and_ties_go_by_code_point():
    vocabulary = train(["aaa bbb cc dd e" + "x"], config(5 + 3 + 3, characters=3))
    assert vocabulary.tokens[5:8] == ("a", "b", "c")
    assert train(["zz yy xx a"], config(5 + 2 + 2, characters=2)).tokens[5:7] == ("x", "y")


def test_words_are_counted_as_the_tokenizer_sees_them():
    text = "The the\x0ccat, THE thé\u00a0中国\ttHe\x00"
    counts = Counter({"the": 8, "thecat": 2, ",": 2, "中": 2, "国": 2})
    assert count_words([text] * 2, config()) == counts


def test_words_are_counted_by_the_rules_of_the_recipe():
    assert count_words(["Á\ue000 中国"], config(rules="google", lowercase=False)) == Counter(
        ["Á\ue000", "中", "国"]
    )
    assert count_words(["A\u0301\ue000"], config(rules="huggingface", lowercase=False)) == Counter(
        ["Á"]
    )
    assert count_words(["Á 中国"], config(accents="keep", split_cjk=False)) == Counter(
        ["á", "中国"]
    )


def test_too_little_text_and_too_many_characters_are_refused():
    with pytest.raises(UserError, match="too small for a vocabulary of 400"):
        train(["ab ab"], config())
    with pytest.raises(UserError, match="too small for a vocabulary of 400"):
        train([], config())
    with pytest.raises(UserError, match="cannot hold the characters"):
        train(texts(), config(20))


@pytest.mark.full
def test_the_same_in_any_process_with_any_threads_hash_seed_and_order_of_texts():
    def digest(order: int, threads: int, seed: int) -> str:
        environment = os.environ | {
            "RAYON_NUM_THREADS": str(threads),
            "PYTHONHASHSEED": str(seed),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-c", SCRIPT, os.path.dirname(__file__), str(order)]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    digests = {
        digest(order, threads, seed)
        for order, threads, seed in [
            (0, 1, 0),
            (0, 1, 0),
            (0, 2, 1),
            (1, 2, 2),
            (2, 1, 3),
            (3, 2, 4),
        ]
    }
    assert len(digests) == 1
    assert digests == {train(texts(), config(characters=30)).digest}


def test_the_same_twice_in_this_process_and_in_another_order():
    shuffled = texts()
    random.Random(1).shuffle(shuffled)
    first = train(texts(), config(characters=30))
    assert isinstance(first, Vocabulary) and all(
        train(shuffled, config(characters=30)) == first for _ in range(3)
    )
