import json

import numpy as np
import pytest

from bert_jax.cli import prepare as command
from bert_jax.errors import UserError
from bert_jax.importers import dataset, local_task
from bert_jax.tasks import examples

TSV = {
    "train": 'id\tsentence1\tsentence2\tlabel\n7\the said "no\tb\tyes\n8\tc  '
    "\td\tno\n9\te\tnaïve\u2028f\tyes\n",
    "validation": "label\tsentence2\tsentence1\nno\tb\ta\n",
    "test": "sentence1\tsentence2\nx\ty\nz\tw\n",
}
JSON = {
    "train": [
        {"tokens": ["Ada", "went", "home"], "tags": ["B-PER", "O", "O"]},
        {"tokens": ["café"], "tags": ["O"]},
    ],
    "validation": [{"tokens": ["Bo"], "tags": ["B-PER"]}],
    "test": [{"tokens": ["a", "b"]}],
}


@pytest.fixture
def make(tmp_path):
    """`make(files, format, **options)`: writes files by split, infers a layout and prepares them as
    `mine`."""

    def run(files, format="tsv", **options):
        paths = {}
        for split, content in files.items():
            paths[split] = tmp_path / f"{split}.{format}"
            if not isinstance(content, str):
                content = "".join(json.dumps(row) + "\n" for row in content)
            paths[split].write_text(content, "utf-8")
        layout = local_task.infer(paths["train"], **options)
        return layout, local_task.prepare(paths, layout, "mine", str(tmp_path / "tfds"))

    return run


@pytest.fixture
def read(tmp_path):
    return lambda split: examples.read("mine", str(tmp_path / "tfds"), split)


def test_pairs_with_classes(make, read):
    layout, info = make(TSV)
    assert layout == local_task.Layout(
        "classification",
        ("sentence1", "sentence2"),
        "label",
        ("no", "yes"),
        "tsv",
        quoting=False,
        separator=",",
        inferred=("kind", "texts", "label", "label_names", "format"),
    )
    train, validation, test = map(read, TSV)
    assert train.texts_a == ['he said "no', "c  ", "e"] and train.texts_b == [
        "b",
        "d",
        "naïve\u2028f",
    ]
    assert train.labels.tolist() == [1, 0, 1] and train.labels.dtype == np.int32
    assert train.ids.tolist() == [0, 1, 2] and train.label_names == ("no", "yes")
    assert (validation.texts_a, validation.texts_b, validation.labels.tolist()) == (
        ["a"],
        ["b"],
        [0],
    )
    assert (test.texts_a, test.texts_b, test.labels) == (["x", "z"], ["y", "w"], None)
    assert dict(info.metadata)["counts"] == dict(
        train=dict(rows=3, longest=4, labels=dict(no=1, yes=2)),
        validation=dict(rows=1, longest=2, labels=dict(no=1, yes=0)),
        test=dict(rows=2, longest=2),
    )


def test_one_text_with_numbers(make, read):
    rows = 'text,score\n"one, two",3.5\n"a ""b""\nc",-1\nd,0\n'
    layout, info = make(dict(train=rows, validation=rows, test="text\nx\n"), "csv")
    assert (layout.kind, layout.label_names) == ("regression", ())
    train = read("train")
    assert train.texts_a == ["one, two", 'a "b"\nc', "d"] and train.texts_b is None
    assert train.labels.dtype == np.float32 and train.labels.tolist() == [3.5, -1, 0]
    assert read("test").labels is None
    assert dict(info.metadata)["counts"]["train"]["numbers"] == dict(low=-1, mean=2.5 / 3, high=3.5)


@pytest.mark.parametrize(
    "files, format, options",
    [
        (
            dict(
                train=[{"text": "a", "labels": ["y", "x", "y"]}, {"text": "b", "labels": []}],
                validation=[{"text": "c", "labels": ["x"]}],
                test=[{"text": "d"}],
            ),
            "jsonl",
            {},
        ),
        (
            dict(
                train="text\tlabels\na\ty;x\nb\t\n",
                validation="text\tlabels\nc\tx\n",
                test="text\nd\n",
            ),
            "tsv",
            dict(kind="multilabel", separator=";"),
        ),
    ],
)
def test_several_classes_a_text(make, read, files, format, options):
    layout, info = make(files, format, **options)
    assert (layout.kind, layout.label_names) == ("multilabel", ("x", "y"))
    assert dict(info.metadata)["counts"]["train"] == dict(rows=2, longest=1, labels=dict(x=1, y=1))
    train = read("train")
    assert train.kind == "multilabel" and train.labels.dtype == bool
    assert train.labels.tolist() == [[True, True], [False, False]]
    assert read("validation").labels.tolist() == [[True, False]]
    assert read("test").labels is None


def test_tagging(make, read):
    layout, info = make(JSON, "jsonl")
    assert (layout.kind, layout.texts, layout.label) == ("tagging", ("tokens",), "tags")
    train = read("train")
    assert train.kind == "tagging" and train.texts_a == [["Ada", "went", "home"], ["café"]]
    assert [ids.tolist() for ids in train.labels] == [[0, 1, 1], [1]] and train.labels[
        0
    ].dtype == np.int32
    assert train.label_names == ("B-PER", "O")
    assert (read("test").texts_a, read("test").labels) == ([["a", "b"]], None)
    assert dict(info.metadata)["counts"]["train"] == dict(
        rows=2, longest=3, labels={"B-PER": 1, "O": 3}
    )


def test_whole_numbers_are_classes_in_their_order(make, read):
    rows = "text\tlabel\n" + "".join(f"t\t{i}\n" for i in (10, 9, -1, 10))
    layout, _ = make(dict(train=rows, validation=rows))
    assert (layout.kind, layout.label_names) == ("classification", ("-1", "9", "10"))
    assert read("train").labels.tolist() == [2, 1, 0, 2]


def test_what_is_given_is_not_inferred(make, read):
    rows = "text\tbody\tgrade\tlabel\n" + "".join(f"t\tb\t{i}\tx\n" for i in (1, 2))
    layout, _ = make(
        dict(train=rows, validation=rows),
        kind="regression",
        text="body",
        text_pair="text",
        label="grade",
    )
    assert layout.inferred == ("format",)
    assert (read("train").texts_a, read("train").texts_b, read("train").labels.tolist()) == (
        ["b", "b"],
        ["t", "t"],
        [1, 2],
    )


def test_label_names_fix_the_order_and_may_name_more(make, read):
    layout, _ = make(TSV, label_names=["yes", "perhaps", "no"])
    assert read("train").labels.tolist() == [0, 2, 0]
    assert read("train").label_names == ("yes", "perhaps", "no")


def changed(**splits):
    return {**TSV, **splits}


HEADER = "sentence1\tsentence2\tlabel\n"


@pytest.mark.parametrize(
    "files, options, parts",
    [
        (
            changed(validation=HEADER + "a\tb\tno\na\tb\tmaybe\n"),
            {},
            [
                "validation.tsv:3: the label 'maybe' is unknown",
                "of the training file: no, yes",
                "--label_names",
            ],
        ),
        (
            TSV,
            dict(label_names=["yes", "nope"]),
            ["train.tsv:3: the label 'no' is unknown", "given: yes, nope"],
        ),
        (TSV, dict(label_names=["yes", "no", "no"]), ["labels given do not do", "each once"]),
        (
            changed(validation="sentence1\tlabel\na\tno\n"),
            {},
            ["validation.tsv has no column 'sentence2'"],
        ),
        (
            changed(validation="sentence1\tsentence2\na\tb\n"),
            {},
            ["validation.tsv has no column 'label'"],
        ),
        (changed(validation=HEADER), {}, ["validation.tsv has no rows"]),
        (
            changed(validation=HEADER + "a\tb\n"),
            {},
            ["validation.tsv:2 has another number of columns"],
        ),
        (changed(train=HEADER + "a\tb\tyes\n"), {}, ["train.tsv do not do", "yes", "at least two"]),
        (
            changed(train=HEADER + "a\tb\tyes\na\tb\t \n"),
            {},
            ["train.tsv:3: the label is no class", "' '"],
        ),
        (TSV, dict(kind="regression"), ["train.tsv:2: the label is no number", "'yes'"]),
        (TSV, dict(kind="regression", label_names=["a"]), ["numbers have no label names"]),
        (TSV, dict(kind="ranking"), ["not a kind of task", "'ranking'", "tagging"]),
        (TSV, dict(kind="tagging"), ["train.tsv:2: the label is no list"]),
        (
            TSV,
            dict(text="sentence"),
            ["train.tsv has no column 'sentence' for --text", "--text=sentence"],
        ),
        (TSV, dict(label="labels"), ["no column 'labels'", "--label=label"]),
    ],
)
def test_wrong_rows_are_named_and_leave_nothing(make, tmp_path, files, options, parts):
    with pytest.raises(UserError) as caught:
        make(files, **options)
    for part in parts:
        assert part in str(caught.value)
    assert not (tmp_path / "tfds").exists()


@pytest.mark.parametrize("number", ["nan", "inf", "-1e39", "", "3,5", "true"])
def test_unparsable_numbers(make, number):
    with pytest.raises(UserError, match="train.tsv:3: the label is no number"):
        make(
            dict(train=f"text\tscore\na\t1.5\nb\t{number}\n", validation="text\tscore\na\t1.5\n"),
            kind="regression",
        )


@pytest.mark.parametrize(
    "row, parts",
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, [":3: words and tags", "2 words, 1 tags"]),
        ({"tokens": [], "tags": []}, [":3: 'tokens' is no list of words"]),
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, [":3: 'tokens' is no list of words"]),
        ({"tokens": "a b", "tags": ["O", "O"]}, [":3: 'tokens' is no list of words", "'a b'"]),
        ({"tokens": ["a"], "tags": "O"}, [":3: the label is no list"]),
        ({"tokens": ["a"], "tags": [0.5]}, [":3: the label is no class"]),
        ({"tokens": ["a"]}, [":3 has no value in 'tags'"]),
        ({"tags": ["O"]}, [":3 has no value in 'tokens'"]),
        ({"tokens": ["a"], "tags": None}, [":3 has no value in 'tags'"]),
    ],
)
def test_wrong_json_rows_are_named(make, row, parts):
    with pytest.raises(UserError) as caught:
        make({**JSON, "train": [*JSON["train"], row]}, "jsonl")
    for part in parts:
        assert part in str(caught.value)


def test_a_text_that_is_none(make):
    rows = [{"text": "a", "label": "x"}, {"text": 5, "label": "y"}]
    with pytest.raises(UserError, match=r":2: 'text' is no text\n.*5"):
        make(dict(train=rows, validation=rows), "jsonl")


def test_a_missing_file_and_a_bad_name(tmp_path):
    with pytest.raises(UserError, match="no.tsv is not there"):
        local_task.infer(tmp_path / "no.tsv")
    with pytest.raises(UserError, match="not a name"):
        local_task.prepare({}, None, "My task", str(tmp_path))


def test_the_same_files_again_are_no_work_and_others_are_refused(make, monkeypatch):
    make(TSV)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "write_examples", None)
        make(TSV)
        make(TSV, kind="classification", label="label")  # as was inferred
        with pytest.raises(UserError, match="holds something else"):
            make(changed(validation=HEADER + "other\tb\tno\n"))
        with pytest.raises(UserError, match="holds something else"):
            make(TSV, text="sentence1")


def test_the_command_shows_what_was_inferred(tmp_path, capsys):
    for split, content in TSV.items():
        (tmp_path / f"{split}.tsv").write_text(content, "utf-8")
    command.main(
        [
            "task",
            *(f"--{split}={tmp_path / split}.tsv" for split in TSV),
            "--name=mine",
            "--label=label",
            f"--data_dir={tmp_path / 'tfds'}",
        ]
    )
    printed = capsys.readouterr().out
    for part in (
        "classification (inferred)",
        "sentence1 and sentence2 (inferred)",
        "label:       label\n",
        "no, yes (inferred)",
        "no: 1 (33.3%), yes: 2 (66.7%)",
        "hidden",
        "--config.task.name=mine",
        f"--config.task.data_dir={tmp_path / 'tfds'}",
    ):
        assert part in printed
