import json
import pickle
import shutil

import numpy as np
import pytest

from bert_jax.corpus.corpora import open_corpus
from bert_jax.datasets import prepared
from bert_jax.errors import UserError
from bert_jax.importers import dataset
from tests.made_tfrecord import to_tfrecord

TEXTS = [f"document {i}: naïve café" + " word" * (7 * i % 50) for i in range(60)]


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    path = tmp_path_factory.mktemp("arrays")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SHARD_BYTES", 2500)
        dataset.write(
            [("train", text) for text in TEXTS] + [("validation", "held out")],
            name="little",
            data_dir=str(path),
            description="",
            recipe={},
        )
    return path


@pytest.fixture
def records(arrays, tmp_path):
    shutil.copytree(arrays, tmp_path / "records")
    to_tfrecord(tmp_path / "records" / "little" / dataset.VERSION)
    return tmp_path / "records"


def files(data_dir):
    return sorted((data_dir / "little" / dataset.VERSION).glob("little-train*"))


def test_the_copy_gives_the_same_records(arrays, records):
    """By number, in any order, of several files, and of slices that begin and end within them."""
    assert len(files(records)) > 3 and all("tfrecord" in path.name for path in files(records))
    draw = np.random.default_rng(0)
    for split in ("train", "train[:40%]", "train[35%:77%]", "train[-1:]"):
        one, other = (open_corpus("little", str(path), split) for path in (arrays, records))
        assert len(one) == len(other)
        assert one.texts(0, 99) == other.texts(0, 99)
        for numbers in (draw.integers(0, len(one), 30), np.arange(len(one))[::-1]):
            assert prepared.examples(one.source, numbers) == prepared.examples(
                other.source, numbers
            )


def test_another_process_reads_too(records):
    source = open_corpus("little", str(records), "train").source
    prepared.examples(source, [3])
    assert pickle.loads(pickle.dumps(source.data_source)).__getitems__(
        [3]
    ) == source.data_source.__getitems__([3])


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda data: data[:-1], "ends within record"),
        (lambda data: data[: -len(data) // 2], "ends within record"),
        (lambda data: data + data[:7], "ends within record"),
        (
            lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
            "record 0 does not agree with its checksum",
        ),
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "length of record 0 does not agree"),
        (lambda data: data + data, "records, as dataset_info.json says"),
        (lambda data: b"", "records, as dataset_info.json says"),
    ],
)
def test_damage_is_named(records, spoil, said):
    second = files(records)[1]
    second.write_bytes(spoil(second.read_bytes()))
    corpus = open_corpus("little", str(records), "train")
    with pytest.raises(UserError, match=said) as error:
        corpus.texts(0, 60)
    assert second.name in str(error.value)


def test_array_records_win_where_both_are_there(arrays, records):
    for path in (arrays / "little" / dataset.VERSION).glob("*array_record*"):
        shutil.copy(path, records / "little" / dataset.VERSION)
    info = records / "little" / dataset.VERSION / "dataset_info.json"
    said = json.loads(info.read_text())
    info.write_text(json.dumps(said | dict(alternativeFileFormats=["array_record"])))
    assert not isinstance(
        open_corpus("little", str(records), "train").source.data_source, prepared.records.Records
    )


@pytest.mark.full
def test_what_tensorflow_wrote(arrays, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")

    def write(path, records):
        with tensorflow.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)

    shutil.copytree(arrays, tmp_path / "records")
    to_tfrecord(tmp_path / "records" / "little" / dataset.VERSION, write)
    assert open_corpus("little", str(tmp_path / "records"), "train").texts(0, 60) == TEXTS
