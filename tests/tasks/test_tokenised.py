import dataclasses
import shutil

import numpy as np
import pytest

from bert_jax.config import TaskConfig, TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.importers import local_task
from bert_jax.tasks import examples, tokenised
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import Encoder, wordpiece

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *LETTERS, *(f"##{letter}" for letter in LETTERS)))
TOKENIZER = TokenizerConfig()


@pytest.fixture
def prepared(tmp_path):
    """A data set of pairs with a hidden test split."""
    rows = [("a cat", "one dog", "no"), ("b", "", "yes"), ("two birds sing", "c", "no")]
    for split, labelled in (("train", True), ("validation", True), ("test", False)):
        lines = ["sentence1\tsentence2" + "\tlabel" * labelled]
        lines += ["\t".join(row[: 3 if labelled else 2]) for row in rows]
        (tmp_path / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    files = {split: tmp_path / f"{split}.tsv" for split in ("train", "validation", "test")}
    layout = local_task.infer(files["train"])
    local_task.prepare(files, layout, "pairs", str(tmp_path / "data"))
    return TaskConfig(name="pairs", data_dir=str(tmp_path / "data")), rows


def made(directory, config, split="train", vocabulary=VOCABULARY, tokenizer=TOKENIZER):
    return tokenised.open_or_make(directory, config, split, vocabulary, tokenizer)


def test_tokens_are_those_of_the_texts(prepared, tmp_path):
    config, rows = prepared
    task = made(tmp_path / "cache", config)
    encode = wordpiece(VOCABULARY, TOKENIZER)
    for example, row in enumerate(rows):
        for text in (0, 1):
            begin = task.begins[example, text]
            assert task.tokens[begin : begin + task.lengths[example, text]].tolist() == encode(
                row[text]
            )
    assert task.kind == "classification" and task.label_names == ("no", "yes") and not task.hidden
    assert task.labels.tolist() == [0, 1, 0] and task.ids.tolist() == [0, 1, 2]


def test_a_word_of_which_nothing_is_left_is_unknown():
    words = ["\u200b", "\u200b", "a", "\x07", "a"]
    task = tokenised.tokenise(
        examples.Examples(
            "tagging",
            [words, ["a"]],
            None,
            [np.arange(5), np.array([0])],
            np.arange(2),
            ("o",) * 5,
            {},
            {},
        ),
        Encoder(VOCABULARY, TOKENIZER),
    )
    a, unk = VOCABULARY.ids["a"], VOCABULARY.unk
    assert task.tokens.tolist() == [unk, unk, a, unk, a, a] and task.labels.tolist() == [
        *range(5),
        0,
    ]
    assert task.lengths[:, 0].tolist() == [5, 1]


def test_what_is_kept_is_what_was_made(prepared, tmp_path, monkeypatch):
    config, _ = prepared
    first = {split: made(tmp_path / "cache", config, split) for split in ("train", "test")}
    assert first["test"].hidden and not first["test"].labels.any()
    monkeypatch.setattr(tokenised.examples, "read", None)  # nothing is read again
    for split, task in first.items():
        again = made(tmp_path / "cache", config, split)
        for f in dataclasses.fields(task):
            one, other = getattr(task, f.name), getattr(again, f.name)
            np.testing.assert_array_equal(one, other) if isinstance(one, np.ndarray) else None
            assert isinstance(one, np.ndarray) or one == other


@pytest.mark.parametrize(
    "change",
    [
        dict(tokenizer=TokenizerConfig(lowercase=False)),
        dict(vocabulary=Vocabulary((*VOCABULARY.tokens, "zz"))),
    ],
)
def test_other_tokens_are_made_anew(prepared, tmp_path, change):
    config, _ = prepared
    made(tmp_path / "cache", config)
    made(tmp_path / "cache", config, **change)
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 2


def test_a_file_that_was_cut_short_is_made_anew(prepared, tmp_path):
    config, _ = prepared
    expected = made(tmp_path / "cache", config)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:-200])
    np.testing.assert_array_equal(made(tmp_path / "cache", config).tokens, expected.tokens)


def test_other_labels_of_another_split_are_refused(prepared, tmp_path):
    config, _ = prepared
    one = made(tmp_path / "cache", config)
    with pytest.raises(UserError, match="have different labels"):
        tokenised.check_same_labels(
            one, dataclasses.replace(one, label_names=("no", "maybe")), ("train", "test")
        )


def test_a_data_set_that_is_gone_is_refused(prepared, tmp_path):
    config, _ = prepared
    shutil.rmtree(config.data_dir)
    with pytest.raises(UserError, match="'pairs' is not prepared"):
        made(tmp_path / "cache", config)
