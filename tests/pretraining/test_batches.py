import dataclasses

import numpy as np
import pytest

from bert_jax.config import MaskingConfig
from bert_jax.pretraining.batches import mask_keys, masked_pairs, with_padding_rows
from bert_jax.pretraining.instances import Instances
from bert_jax.text.vocabulary import Vocabulary

# The special tokens stand elsewhere than usual, so that no 0 or 1 is right by chance.
VOCABULARY = Vocabulary(
    ("a", "b", "[SEP]", "c", "[PAD]", "##d", "[UNK]", "##e", "[MASK]", "f", "[CLS]")
)
PIECES = np.array([0, 1, 3, 5, 6, 7, 9])
LENGTH = 24
DTYPES = dict(
    input_ids="int32",
    token_type_ids="int32",
    position_ids="int32",
    segment_ids="int32",
    example_positions="int32",
    example_weights="float32",
    next_sentence_labels="int32",
    masked_positions="int32",
    masked_ids="int32",
    masked_weights="float32",
)


def some_pairs(rows: int, seed: int = 0) -> tuple[np.ndarray, Instances]:
    """Tokens, and pairs that lie anywhere in them; the first three rows are the extremes."""
    draw = np.random.default_rng(seed)
    tokens = PIECES[draw.integers(0, len(PIECES), 300)].astype(np.uint16)
    a_length, b_length = draw.integers(1, 11, (2, rows)).astype(np.int32)
    a_length[:3], b_length[:3] = (1, 20, 1), (1, 1, 20)
    a_start, b_start = (draw.integers(0, 301 - n) for n in (a_length, b_length))
    a_start[:2], b_start[:2] = (0, 280), (299, 0)
    return tokens, Instances(a_start, a_length, b_start, b_length, draw.random(rows) < 0.5)


def make(rows: int = 40, dtype=np.uint16, **masking):
    tokens, pairs = some_pairs(rows)
    batch = masked_pairs(
        tokens.astype(dtype),
        pairs,
        mask_keys(0, 0, np.arange(rows)),
        LENGTH,
        VOCABULARY,
        dataclasses.replace(MaskingConfig(), max_predictions=5, **masking),
    )
    return tokens, pairs, batch


def unmasked(batch) -> np.ndarray:
    ids = batch["input_ids"].copy()
    predictions = (batch[f"masked_{name}"] for name in ("positions", "ids", "weights"))
    for row, at, labels, weights in zip(ids, *predictions, strict=True):
        row[at[weights > 0]] = labels[weights > 0]
    return ids


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("whole_word", [False, True])
def test_rows_decode_to_their_pairs(dtype, whole_word):
    tokens, pairs, batch = make(dtype=dtype, scheme="whole_words" if whole_word else "tokens")
    v, ids = VOCABULARY, unmasked(batch)
    for i in range(len(pairs)):
        a = tokens[pairs.a_start[i] :][: pairs.a_length[i]].tolist()
        b = tokens[pairs.b_start[i] :][: pairs.b_length[i]].tolist()
        n, padding = len(a) + len(b) + 3, LENGTH - len(a) - len(b) - 3
        assert ids[i].tolist() == [v.cls, *a, v.sep, *b, v.sep] + [v.pad] * padding
        assert (
            batch["token_type_ids"][i].tolist()
            == [0] * (len(a) + 2) + [1] * (len(b) + 1) + [0] * padding
        )
        assert batch["position_ids"][i].tolist() == [*range(n)] + [0] * padding
        assert batch["segment_ids"][i].tolist() == [1] * n + [0] * padding
        count = min(5, max(1, round(0.15 * n)))
        weights = batch["masked_weights"][i]
        assert weights.sum() <= count if whole_word else weights.sum() == count
        assert not set(batch["masked_ids"][i][weights > 0]) & {v.cls, v.sep, v.pad}
    assert np.array_equal(batch["next_sentence_labels"][:, 0], pairs.random_next)
    assert np.all(batch["example_positions"] == 0) and np.all(batch["example_weights"] == 1)
    assert np.all(batch["input_ids"][np.arange(40)[:, None], 0] == v.cls)


def test_shapes_and_dtypes():
    _, _, batch = make()
    assert {name: x.dtype.name for name, x in batch.items()} == DTYPES
    for name, x in batch.items():
        width = (
            LENGTH
            if name in ("input_ids", "token_type_ids", "position_ids", "segment_ids")
            else (5 if name.startswith("masked") else 1)
        )
        assert x.shape == (40, width), name


def test_left_to_right_each_token_is_predicted_from_the_one_before():
    tokens, pairs = some_pairs(40)
    batch = masked_pairs(tokens, pairs, mask_keys(0, 0, np.arange(40)), LENGTH, VOCABULARY, None)
    assert {name: x.dtype.name for name, x in batch.items()} == DTYPES
    special = [VOCABULARY.cls, VOCABULARY.sep, VOCABULARY.pad]
    for ids, *predictions in zip(
        batch["input_ids"], *(batch[f"masked_{x}"] for x in ("positions", "ids", "weights"))
    ):
        wanted = [(at, ids[at + 1]) for at in range(LENGTH - 1) if ids[at + 1] not in special]
        assert [(at, label) for at, label, weight in zip(*predictions) if weight] == wanted


def test_predicted_tokens_are_hidden_by_the_vocabularys_mask():
    _, _, batch = make(mask_share=1.0, random_share=0.0)
    hidden = np.take_along_axis(batch["input_ids"], batch["masked_positions"], 1)
    assert np.all(hidden[batch["masked_weights"] > 0] == VOCABULARY.mask)


def test_whole_words_end_at_segments():
    # c ##d, ##e f ##d ##d: cut in front, B begins within a word, which is no part of A's last.
    tokens = np.array([3, 5, 7, 9, 5, 5], np.uint16)
    pairs = Instances(*(np.full(400, x) for x in (0, 2, 2, 4)), np.zeros(400, bool))
    batch = masked_pairs(
        tokens,
        pairs,
        mask_keys(0, 0, np.arange(400)),
        12,
        VOCABULARY,
        dataclasses.replace(MaskingConfig(), rate=0.34, scheme="whole_words"),
    )
    positions, weights = batch["masked_positions"], batch["masked_weights"]
    found = {tuple(at[real]) for at, real in zip(positions, weights > 0, strict=True)}
    # [CLS] c ##d [SEP] ##e f ##d ##d [SEP]: three predictions at most.
    assert found == {(1, 2, 4), (5, 6, 7)}


def test_rows_do_not_depend_on_each_other():
    tokens, pairs = some_pairs(40)
    keys, order = mask_keys(3, 1, np.arange(40)), np.array([7, 0, 39, 7])
    config = MaskingConfig()
    whole = masked_pairs(tokens, pairs, keys, LENGTH, VOCABULARY, config)
    some = masked_pairs(tokens, pairs.take(order), keys[order], LENGTH, VOCABULARY, config)
    assert all(np.array_equal(some[name], whole[name][order]) for name in whole)


@pytest.mark.parametrize("real", [[1, 0, 1, 1, 0], [0, 0, 1, 1, 1, 0, 0], [1, 1, 1]])
def test_padding_rows_hold_nothing(real):
    real = np.array(real, bool)
    _, _, batch = make(rows=3)
    padded = with_padding_rows(batch, real, VOCABULARY.pad)
    assert {name: x.dtype.name for name, x in padded.items()} == DTYPES
    for name, x in padded.items():
        assert np.array_equal(x[real], batch[name])
        assert np.all(x[~real] == (VOCABULARY.pad if name == "input_ids" else 0))


def test_mask_keys_differ_by_seed_version_and_instance():
    keys = [
        key
        for seed in range(3)
        for version in range(3)
        for key in mask_keys(seed, version, np.arange(50))
    ]
    assert len(set(keys)) == len(keys)
    assert mask_keys(1, 2, np.array([7, 3]))[1] == mask_keys(1, 2, np.array([3]))[0]
