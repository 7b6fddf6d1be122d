import numpy as np
import pytest
from tensorflow_datasets import features

from bert_jax.datasets import prepared
from bert_jax.errors import UserError
from bert_jax.importers import dataset
from bert_jax.tasks import examples

CLASSES = features.ClassLabel(names=["a", "b"])


@pytest.fixture
def make(tmp_path):
    """`make(features, *rows)`: a data set `any` of TFDS with these rows as its split `train`."""

    def write(shapes, *rows):
        dataset.write_examples(
            (("train", row) for row in rows),
            shapes,
            name="any",
            data_dir=str(tmp_path),
            description="",
            recipe={},
            splits=["train"],
        )

    return write


@pytest.fixture
def read(tmp_path):
    return lambda split="train", **options: examples.read("any", str(tmp_path), split, **options)


def test_rows_are_in_the_order_of_idx(make, read):
    make(
        dict(sentence=features.Text(), label=CLASSES, idx=np.int32),
        *(dict(sentence=f"t{i}", label=i % 2, idx=i) for i in (12, 3, 7, 5)),
    )
    read_back = read()
    assert read_back.texts_a == ["t3", "t5", "t7", "t12"] and read_back.ids.tolist() == [
        3,
        5,
        7,
        12,
    ]
    assert read_back.labels.tolist() == [1, 1, 1, 0] and len(read_back) == 4
    assert read("train[:50%]").texts_a == ["t3", "t12"]


def test_without_idx_they_are_in_the_order_of_the_data_set(make, read):
    make(
        dict(sentence=features.Text(), label=CLASSES, idx=features.Text()),
        *(dict(sentence=f"t{i}", label=0, idx=str(i)) for i in (2, 1)),
    )
    assert read().texts_a == ["t2", "t1"] and read().ids.tolist() == [0, 1]


def test_features_are_inferred_or_given(make, read):
    make(
        dict(
            premise=features.Text(),
            hypothesis=features.Text(),
            note=features.Text(),
            label=CLASSES,
            score=np.float32,
            count=np.int64,
        ),
        dict(premise="p", hypothesis="h", note="n", label=1, score=0.5, count=3),
    )
    with pytest.raises(UserError, match="--config.task.label=label"):
        read()
    assert read(label="label").features == dict(texts=("premise", "hypothesis"), label="label")
    assert read(label="score").kind == "regression" and read(label="score").labels.tolist() == [0.5]
    noted = read(label="label", text="note")
    assert (noted.texts_a, noted.texts_b) == (["n"], None)
    for options, part in (
        (dict(label="count"), "no column 'count'"),
        (dict(label="label", text="notes"), "text=note"),
    ):
        with pytest.raises(UserError, match=part):
            read(**options)


def test_tags_as_conll_has_them(make, read):
    several = features.Sequence(CLASSES)
    make(
        dict(
            tokens=features.Sequence(features.Text()), id=features.Text(), pos=several, ner=several
        ),
        dict(tokens=[], id="", pos=[], ner=[]),
        dict(tokens=["x", "y"], id="0", pos=[0, 0], ner=[0, 1]),
    )
    tagged = read(label="ner")
    assert tagged.kind == "tagging" and tagged.texts_a == [["x", "y"]] and tagged.texts_b is None
    assert [ids.tolist() for ids in tagged.labels] == [[0, 1]] and tagged.ids.tolist() == [1]
    with pytest.raises(UserError, match="'ner', 'pos'"):
        read()


def test_hidden_labels(make, read):
    make(
        dict(text=features.Text(), label=CLASSES),
        *(dict(text="t", label=label) for label in (-1, -1, 0)),
    )
    assert read("train[:2]").labels is None
    assert read("train[2:]").labels.tolist() == [0]
    with pytest.raises(UserError, match="2 of 3 are -1"):
        read()


@pytest.mark.parametrize(
    "numbers, expected",
    [
        ([-1, -1], None),
        ([float("nan")] * 2, None),
        ([-1, 0.5], [-1, 0.5]),
        ([float("nan"), 0.5], "1 of 2"),
    ],
)
def test_hidden_numbers(make, read, numbers, expected):
    make(
        dict(text=features.Text(), label=np.float32),
        *(dict(text="t", label=number) for number in numbers),
    )
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            read()
    else:
        labels = read().labels
        assert (labels if labels is None else labels.tolist()) == expected


def test_identity(make, read):
    make(dict(text=features.Text(), label=CLASSES), *(dict(text="t", label=0) for _ in range(4)))
    assert read().identity["dataset"] == "any/1.0.0"
    assert read().identity != read("train[:2]").identity
    assert "fingerprint" not in repr(read())


def test_records_are_equal_in_bytes_whatever_the_process(make, tmp_path):
    shapes = {name: features.Text() for name in "gfedcba"}
    make(shapes, {name: f"value of {name}" for name in shapes})
    source = prepared.open_split("any", str(tmp_path), "train", section="task", hint="")
    (record,) = source.data_source.__getitems__([0])
    places = [record.index(f"value of {name}".encode()) for name in sorted(shapes)]
    assert places == sorted(places)


def test_what_is_not_prepared(make, read, tmp_path):
    make(dict(text=features.Text(), label=CLASSES), dict(text="t", label=0))
    with pytest.raises(UserError, match="--config.task.name=any"):
        examples.read("anny", str(tmp_path), "train")
    with pytest.raises(UserError, match="prepare glue"):
        examples.read("glue/cola", str(tmp_path), "train")
    with pytest.raises(UserError, match="no split 'test'"):
        read("test")
    with pytest.raises(UserError, match=r"config.task.name is empty"):
        examples.read("", str(tmp_path), "train")
