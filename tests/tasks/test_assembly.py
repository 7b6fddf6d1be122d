import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_jax.batching.packing import pack
from bert_jax.config import TaskConfig, TokenizerConfig
from bert_jax.importers.squad import Answer
from bert_jax.tasks.assembly import assemble
from bert_jax.tasks.examples import Examples
from bert_jax.tasks.inputs import inputs_of, kept_lengths
from bert_jax.tasks.packed import Packed, shuffled
from bert_jax.tasks.tokenised import tokenise
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import Encoder

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *"abcdefghij", *(f"##{c}" for c in "abcdefghij")))
ENCODER = Encoder(VOCABULARY, TokenizerConfig())
PAD, UNK, CLS, SEP, MASK = range(5)


def task(texts_a, texts_b=None, labels=None, kind="classification", names=("x", "y")):
    if labels is None:
        labels = np.arange(len(texts_a), dtype=np.int32) % 2
    return tokenise(
        Examples(kind, texts_a, texts_b, labels, np.arange(len(texts_a)), names, {}, {}), ENCODER
    )


def packed(tokens, chosen, length, rows, most):
    """The batch of these examples, and of each its row, its place in it and the length to which its
    texts are cut."""
    inputs = inputs_of(tokens, TaskConfig(length=length))
    row_of, begins = pack(inputs.sizes[chosen], inputs.row_length)
    batch, place = assemble(inputs, np.array(chosen), row_of, begins, VOCABULARY, rows, most)
    return batch, row_of, place, inputs.lengths[chosen]


def sentences(lengths):
    """Texts of so many one-letter words."""
    return [" ".join("abcdefghij"[i % 10] for i in range(n)) for n in lengths]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=10),
    st.integers(5, 40),
)
def test_pairs_are_cut_as_google_cuts_them(lengths, length):
    def cut(a, b):
        while a + b > length - 3:
            a, b = (a - 1, b) if a > b else (a, b - 1)
        return a, b

    found = kept_lengths(np.array(lengths), length)
    assert found.tolist() == [list(cut(a, b)) for a, b in lengths]


def test_single_texts_lose_their_end():
    assert kept_lengths(np.array([[3], [9], [0]]), 8).tolist() == [[3], [6], [0]]


def test_a_packed_batch_decodes_to_its_examples():
    texts_a, texts_b = sentences([1, 4, 2, 9, 3]), sentences([2, 1, 8, 9, 0])
    tokens = task(texts_a, texts_b)
    chosen = [4, 0, 3, 1, 2]
    batch, row_of, place, kept = packed(tokens, chosen, 16, rows=5, most=3)
    seen = np.zeros((5, 16), bool)
    for example, row, number, (a, b) in zip(chosen, row_of, place, kept):
        mine = batch["segment_ids"][row] == number + 1
        seen[row] |= mine
        ids_a, ids_b = (ENCODER([texts[example]])[0] for texts in (texts_a, texts_b))
        assert batch["input_ids"][row, mine].tolist() == [CLS, *ids_a[:a], SEP, *ids_b[:b], SEP]
        assert batch["token_type_ids"][row, mine].tolist() == [0] * (a + 2) + [1] * (b + 1)
        assert batch["position_ids"][row, mine].tolist() == list(range(a + b + 3))
        begin = batch["example_positions"][row, number]
        assert batch["input_ids"][row, begin] == CLS and mine[begin] and not mine[:begin].any()
        assert (
            batch["example_weights"][row, number] == 1
            and batch["labels"][row, number] == example % 2
        )
    assert batch["example_weights"].sum() == 5
    for name in ("input_ids", "token_type_ids", "position_ids", "segment_ids"):
        assert not batch[name][~seen].any()  # [PAD] is 0 in this vocabulary
    assert len(set(zip(row_of.tolist(), place.tolist()))) == 5


def test_labels_of_other_kinds():
    several = np.array([[True, False, True], [False, False, True]])
    tokens = task(sentences([2, 3]), labels=several, kind="multilabel", names=("p", "q", "r"))
    batch, row_of, place, _ = packed(tokens, [1, 0], 8, rows=2, most=1)
    assert (
        batch["labels"].dtype == bool
        and batch["labels"][row_of, place].tolist() == several[[1, 0]].tolist()
    )
    tokens = task(sentences([2]), labels=np.array([2.5], np.float32), kind="regression", names=())
    batch, _, _, _ = packed(tokens, [0], 8, rows=1, most=1)
    assert batch["labels"].dtype == np.float32 and batch["labels"][0, 0] == 2.5


def test_tags_stand_at_the_first_piece_of_each_word():
    words = [["ab", "c", "\u200b", "de"], ["f"]]
    tokens = task(
        words,
        labels=[np.array([3, 1, 2, 0], np.int32), np.array([1], np.int32)],
        kind="tagging",
        names=("O", "P", "Q", "R"),
    )
    batch, _, _, kept = packed(tokens, [0, 1], 12, rows=1, most=2)
    assert kept.tolist() == [[6], [1]]
    ids = batch["input_ids"][0].tolist()
    # A word of which nothing is left is an unknown one.
    assert ids[:8] == [
        CLS,
        *(VOCABULARY.ids[t] for t in ("a", "##b", "c", "[UNK]", "d", "##e")),
        SEP,
    ]
    assert batch["label_weights"][0].tolist() == [0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0]
    assert batch["labels"][0][batch["label_weights"][0] > 0].tolist() == [3, 1, 2, 0, 1]


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 12))
def test_every_epoch_takes_each_example_once(examples, batch_size, steps):
    chosen = shuffled(examples, batch_size, steps, seed=1)
    assert len(chosen) == steps
    epoch = -(-examples // batch_size)
    for first in range(0, steps - epoch + 1, epoch):
        together = np.concatenate(chosen[first : first + epoch])
        assert sorted(together) == list(range(examples))
    assert [c.tolist() for c in chosen] == [
        c.tolist() for c in shuffled(examples, batch_size, steps, seed=1)
    ]
    # A longer run begins as a shorter one.
    assert [c.tolist() for c in chosen] == [
        c.tolist() for c in shuffled(examples, batch_size, steps + 5, 1)[:steps]
    ]


def test_epochs_and_seeds_differ():
    one, two = np.split(np.concatenate(shuffled(50, 10, 10, seed=0)), 2)
    assert one.tolist() != two.tolist() != np.concatenate(shuffled(50, 10, 5, seed=1)).tolist()


@pytest.mark.parametrize("multiple", [1, 4])
def test_packed_batches_come_in_few_shapes_and_hold_everything(multiple):
    rng = np.random.default_rng(0)
    tokens = task(sentences(rng.integers(1, 30, 200)))
    chosen = shuffled(200, 16, 25, seed=0)
    inputs = inputs_of(tokens, TaskConfig(length=24))
    batches = Packed(inputs, chosen, VOCABULARY, most_counts=2, multiple=multiple)
    assert (
        len(batches) == 25
        and len(batches.counts) <= 2
        and all(n % multiple == 0 for n in batches.counts)
    )
    assert inputs.truncated == np.sum(tokens.lengths[:, 0] > 22) > 0
    for number in range(25):
        batch, row_of, begins, place = batches.batch(number)
        assert (
            batch["input_ids"].shape == (batches.rows[number], 24)
            and batches.rows[number] in batches.counts
        )
        assert batch["example_weights"].sum() == len(chosen[number])
        assert batch["labels"][row_of, place].tolist() == tokens.labels[chosen[number]].tolist()
        assert batch["example_positions"][row_of, place].tolist() == begins.tolist()


def test_the_choices_of_a_question_stand_together_and_count_once():
    texts, choices = (
        sentences([2, 3, 1]),
        [sentences([1, 4, 2]), sentences([2, 2, 9]), sentences([0, 1, 1])],
    )
    tokens = task(texts, choices, np.array([2, 0, 1], np.int32), "choice", ("0", "1", "2"))
    batch, row_of, place, kept = packed(tokens, [1, 2, 0], 8, rows=3, most=2)
    assert batch["input_ids"].shape == (3, 24) and batch["labels"].shape == (3, 2)
    assert (
        batch["labels"][row_of, place].tolist() == [0, 1, 2] and batch["example_weights"].sum() == 3
    )
    for question, row, at in zip([1, 2, 0], row_of, place):
        for choice in range(3):
            number = 3 * at + choice
            mine = batch["segment_ids"][row] == number + 1
            a, b = ENCODER([texts[question]])[0], ENCODER([choices[question][choice]])[0]
            ((a_kept, b_kept),) = kept_lengths(np.array([[len(a), len(b)]]), 8)
            assert batch["input_ids"][row, mine].tolist() == [
                CLS,
                *a[:a_kept],
                SEP,
                *b[:b_kept],
                SEP,
            ]
            assert batch["position_ids"][row, mine].tolist() == list(range(mine.sum()))
            assert mine[batch["example_positions"][row, number]]
            assert batch["example_weights"][row, number] == (choice == 0)


def test_windows_of_a_question_mark_the_answer_where_they_hold_it():
    context = "a b c d e f g h i j a b"
    answers = [[Answer("e f", 8), Answer("a", 0)], [Answer("b", 22)]]
    tokens = task(["a b", "c"], [context, context], answers, "span", ("answer",))
    assert len(tokens.contexts.texts) == 1 and tokens.labels.tolist() == [[4, 5], [11, 11]]
    inputs = inputs_of(tokens, TaskConfig(length=11, stride=3))
    assert inputs.examples.tolist() == [0, 0, 0, 1, 1, 1]
    assert inputs.lengths.tolist() == [[2, 6], [2, 6], [2, 6], [1, 7], [1, 7], [1, 6]]
    row_of, begins = pack(inputs.sizes, 22)
    batch, place = assemble(
        dataclasses.replace(inputs, row_length=22), np.arange(6), row_of, begins, VOCABULARY, 3, 2
    )
    for number, (row, begin, at) in enumerate(zip(row_of, begins, place)):
        first, last = batch["labels"][row, at]
        said = [VOCABULARY.tokens[i] for i in batch["input_ids"][row, first : last + 1]]
        assert said == (["e", "f"] if number in (0, 1) else ["b"] if number == 5 else ["[CLS]"])
        assert batch["segment_ids"][row, first] == at + 1
