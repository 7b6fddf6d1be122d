import json
import random

import pytest

from bert_jax.cli import prepare as command
from bert_jax.corpus.corpora import open_corpus
from bert_jax.errors import UserError
from bert_jax.importers import dataset, local_text

BOOKS = [f"This is book {i}.\nIt has café no. {i}." for i in range(40)]


def read_back(data_dir, name="mine"):
    corpora = [open_corpus(name, str(data_dir), split) for split in ("train", "validation")]
    return [corpus.texts(0, len(corpus)) for corpus in corpora]


def prepare(data_dir, inputs, format="documents", name="mine", **kwargs):
    return local_text.prepare(inputs, format, name, str(data_dir), **{"held_out": 0.3, **kwargs})


@pytest.fixture
def books(tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    for i, text in enumerate(BOOKS):
        (folder / f"{i:02}.txt").write_text(text + "\n", "utf-8")
    return folder


def test_every_document_once_on_one_side(tmp_path, books):
    info = prepare(tmp_path / "tfds", [books])
    train, held_out = read_back(tmp_path / "tfds")
    assert sorted(train + held_out) == sorted(BOOKS)
    assert 3 <= len(held_out) <= 25
    assert train == sorted(train, key=BOOKS.index)
    assert dict(info.metadata)["counts"] == dict(documents=40, duplicates=0, held_out=len(held_out))


def test_formats_agree(tmp_path, books):
    (tmp_path / "all.txt").write_text("\n\n \n".join(f" {b} " for b in BOOKS), "utf-8")
    (tmp_path / "all.jsonl").write_text(
        "\n".join(json.dumps({"body": b}) for b in BOOKS) + "\n\n", "utf-8"
    )
    prepare(tmp_path / "a", [books])
    prepare(tmp_path / "b", [tmp_path / "all.txt"], "sentences")
    prepare(tmp_path / "c", [tmp_path / "*.jsonl"], "jsonl", json_field="body")
    assert read_back(tmp_path / "a") == read_back(tmp_path / "b") == read_back(tmp_path / "c")


def test_sides_depend_on_words_alone(tmp_path):
    texts = BOOKS.copy()
    random.Random(0).shuffle(texts)
    (tmp_path / "one").write_text("\n\n".join(BOOKS), "utf-8")
    (tmp_path / "two").write_text("\n\n".join(t.replace(" ", "  ") for t in texts[:30]), "utf-8")
    prepare(tmp_path / "a", [tmp_path / "one"], "sentences")
    prepare(tmp_path / "b", [tmp_path / "two"], "sentences")
    sides, fewer = read_back(tmp_path / "a"), read_back(tmp_path / "b")
    for side, some in zip(sides, fewer):
        assert {t.replace("  ", " ") for t in some} == set(side) & set(texts[:30])


def test_duplicates_are_dropped_and_counted(tmp_path, books):
    (books / "again.txt").write_text(BOOKS[3].replace("\n", "  \n\t"), "utf-8")
    (books / "blank.txt").write_text(" \n\n")
    info = prepare(tmp_path / "tfds", [books, books / "07.txt"])
    assert dict(info.metadata)["counts"]["duplicates"] == 1
    assert sum(map(len, read_back(tmp_path / "tfds"))) == 40


def test_the_same_text_again_is_no_work_and_other_text_is_refused(tmp_path, books, monkeypatch):
    prepare(tmp_path / "tfds", [books])
    before = read_back(tmp_path / "tfds")
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "write", None)
        prepare(tmp_path / "tfds", [books / "*.txt"])
        (books / "new.txt").write_text("Another book.")
        with pytest.raises(UserError, match="holds something else"):
            prepare(tmp_path / "tfds", [books])
    assert read_back(tmp_path / "tfds") == before


def test_tfds_reads_it_by_its_name(tmp_path, books):
    import tensorflow_datasets as tfds

    prepare(tmp_path, [books])
    assert len(tfds.data_source("mine", data_dir=tmp_path, split="train+validation")) == 40


@pytest.mark.parametrize(
    "content, format, parts",
    [
        (b"good\nbad \xe9\n", "documents", ["bad.txt is not UTF-8", "0xe9 at byte offset 9"]),
        (b'{"text": "a"}\n{"text": \n', "jsonl", ["bad.txt:2"]),
        (b'{"text": "a"}\n\n{"body": "b"}', "jsonl", ["bad.txt:3", "'body'", "--json_field"]),
        (b'{"text": 5}', "jsonl", ["bad.txt:1", "int"]),
        (b'["text"]', "jsonl", ["bad.txt:1", "list"]),
        (b" \n\n", "sentences", ["no text"]),
        (b"one\n\none", "sentences", ["one side", "of 1 documents"]),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(tmp_path, content, format, parts):
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(UserError) as caught:
        prepare(tmp_path / "tfds", [tmp_path / "bad.txt"], format)
    for part in parts:
        assert part in str(caught.value)
    assert not (tmp_path / "tfds").exists()


def test_bad_arguments(tmp_path, books):
    wrong_arguments = {
        "no file matches": dict(inputs=[books / "*.md"]),
        "not a name": dict(name="My books"),
        "not a format": dict(format="csv"),
        "out of range": dict(held_out=1.5),
        "no input": dict(inputs=[]),
    }
    for wrong, kwargs in wrong_arguments.items():
        with pytest.raises(UserError, match=wrong):
            prepare(tmp_path / "tfds", **{"inputs": [books], **kwargs})
    with pytest.raises(UserError, match="local disk"):
        prepare("gs://bucket/tfds", [books])


def test_nothing_half_written_stays(tmp_path):
    def documents():
        yield "train", "a"
        yield "validation", "b"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.write(documents(), name="mine", data_dir=str(tmp_path), description="", recipe={})
    with pytest.raises(UserError, match="validation"):
        dataset.write(
            [("train", "a")], name="mine", data_dir=str(tmp_path), description="", recipe={}
        )
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_keys_to_use(tmp_path, books, capsys):
    command.main(
        [
            "text",
            "--input",
            str(books),
            "--format=documents",
            "--name=mine",
            "--held_out=0.3",
            f"--data_dir={tmp_path / 'tfds'}",
        ]
    )
    printed = capsys.readouterr().out
    assert "--config.corpus.name=mine" in printed
    assert f"--config.corpus.data_dir={tmp_path / 'tfds'}" in printed
