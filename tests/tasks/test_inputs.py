import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bert_jax.config import TaskConfig, TokenizerConfig
from bert_jax.importers.squad import Answer
from bert_jax.tasks.examples import Examples
from bert_jax.tasks.inputs import inputs_of, windows
from bert_jax.tasks.tokenised import tokenise
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import Encoder

LETTERS = "abcdefghij"
ENCODER = Encoder(
    Vocabulary((*SPECIAL_TOKENS, *LETTERS, *(f"##{c}" for c in LETTERS))), TokenizerConfig()
)


SMALL = st.tuples(
    st.lists(st.integers(0, 60), min_size=1, max_size=5), st.integers(1, 20), st.integers(1, 20)
)
LARGE = st.tuples(
    st.lists(st.integers(300, 900), min_size=1, max_size=2),
    st.integers(150, 400),
    st.integers(60, 400),
)


@given(st.one_of(SMALL, LARGE))
@example(([321], 320, 128))  # a last window that goes on for one token
@example(([449], 320, 128))
def test_windows_are_googles_and_each_token_counts_where_it_sees_most(drawn):
    lengths, room, step = drawn
    step = min(step, room)
    rooms, steps = np.full(len(lengths), room), np.full(len(lengths), step)
    found = list(zip(*(x.tolist() for x in windows(np.array(lengths), rooms, steps))))
    for text, length in enumerate(lengths):
        expected, at = [], 0  # of run_squad.py
        while at < length or not expected:
            size = min(length - at, room)
            expected.append((at, size))
            if at + size == length:
                break
            at += min(size, step)
        mine = [window for window in found if window[0] == text]
        assert [(begin, size) for _, begin, size, *_ in mine] == expected
        counted = {}
        for number, (_, _, _, first, end) in enumerate(mine):
            for token in range(first, end):
                assert token not in counted
                counted[token] = number
        for token in range(length):
            seen = [
                100 * min(token - begin, begin + size - 1 - token) + size
                if begin <= token < begin + size
                else -1
                for begin, size in expected
            ]
            assert counted[token] == seen.index(max(seen))  # the first of those that see as much


def test_overlap_is_what_windows_share():
    task = questions(["a"], [" ".join(LETTERS)])
    made = {
        how: inputs_of(task, TaskConfig(length=9, stride=2, stride_is=how))
        for how in ("step", "overlap")
    }
    assert made["step"].lengths[:, 1].tolist() == [5, 5, 5, 4]
    assert made["overlap"].lengths[:, 1].tolist() == [5, 5, 4]  # each a step of three


def questions(texts, contexts, answers=None):
    answers = answers or [[Answer(context[:1], 0)] for context in contexts]
    ids = np.array([f"q{i}" for i in range(len(texts))])
    return tokenise(Examples("span", texts, contexts, answers, ids, ("answer",), {}, {}), ENCODER)


def test_long_questions_lose_their_end_and_say_so():
    task = questions(["a b c d e f", "a"], ["a b", "c d"])
    inputs = inputs_of(task, TaskConfig(length=20, max_question_length=4))
    assert inputs.lengths.tolist() == [[4, 2], [1, 2]] and inputs.truncated == 1
    assert inputs.sizes.tolist() == [9, 6]


def words(sentences, documents=None):
    labels = [np.arange(len(sentence), dtype=np.int32) for sentence in sentences]
    documents = None if documents is None else np.array(documents)
    return tokenise(
        Examples(
            "tagging",
            sentences,
            None,
            labels,
            np.arange(len(sentences)),
            tuple("OPQRSTUVWX"),
            {},
            {},
            documents,
        ),
        ENCODER,
    )


def test_a_long_sentence_is_seen_in_windows_and_no_word_is_lost():
    task = words([list("abcdefghij"), ["ab", "c"]])
    inputs = inputs_of(task, TaskConfig(length=8))
    assert inputs.examples.tolist() == [0, 0, 0, 1] and inputs.lengths[:, 0].tolist() == [
        6,
        6,
        4,
        3,
    ]
    assert inputs.counted.tolist() == [[0, 5], [5, 8], [8, 10], [10, 13]]


@pytest.mark.parametrize(
    "context, documents, lengths, counted",
    [
        ("sentence", [0, 0, 1], [2, 1, 2], [[0, 2], [2, 3], [3, 5]]),
        ("document", [0, 0, 1], [3, 2], [[0, 3], [3, 5]]),
        ("document", [0, 1, 2], [2, 1, 2], [[0, 2], [2, 3], [3, 5]]),
        ("document", None, [2, 1, 2], [[0, 2], [2, 3], [3, 5]]),
    ],
)
def test_windows_are_over_sentences_or_over_documents(context, documents, lengths, counted):
    task = words([["a", "b"], ["c"], ["d", "e"]], documents)
    inputs = inputs_of(task, TaskConfig(length=10, context=context))
    assert inputs.lengths[:, 0].tolist() == lengths and inputs.counted.tolist() == counted
