import os
from pathlib import Path

import pytest
from etils import epath

from bert_jax import remote
from bert_jax.corpus.corpora import open_corpus
from bert_jax.errors import UserError
from bert_jax.importers import dataset
from bert_jax.remote import local_copy, path_of
from tests import stand_in
from tests.made_tfrecord import to_tfrecord

TEXTS = [f"document {i}" + " word" * i for i in range(40)]


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    return stand_in.install(monkeypatch, tmp_path / "copies")


def upload(directory: Path, to: str) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            there = epath.Path(to) / str(path.relative_to(directory))
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(path.read_bytes())


def test_paths_of_buckets_keep_both_slashes(bucket):
    assert str(path_of("gs://b/run") / "x") == "gs://b/run/x" and isinstance(
        path_of("runs/x"), Path
    )


def test_what_reads_buckets_is_named_if_it_is_missing(monkeypatch):
    monkeypatch.setattr(remote.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gcsfs"):
        path_of("gs://b/run")


@pytest.mark.parametrize("format", ["array_record", "tfrecord"])
def test_a_data_set_in_a_bucket_reads_as_on_a_disk(bucket, tmp_path, monkeypatch, format):
    monkeypatch.setattr(dataset, "SHARD_BYTES", 1500)
    dataset.write(
        [("train", text) for text in TEXTS] + [("validation", "held out")],
        name="little",
        data_dir=str(tmp_path / "data"),
        description="",
        recipe={},
    )
    if format == "tfrecord":
        to_tfrecord(tmp_path / "data" / "little" / dataset.VERSION)
    upload(tmp_path / "data", "gs://b/data")
    corpus = open_corpus("little", "gs://b/data", "train[:90%]")
    assert corpus.texts(0, 99) == TEXTS[:36] and corpus.texts(5, 7) == TEXTS[5:7]
    assert corpus.identity == open_corpus("little", str(tmp_path / "data"), "train[:90%]").identity
    remote.drop_copies(corpus.source.dataset_info.data_dir)
    assert not list((tmp_path / "copies").rglob("*record*"))


def test_what_cannot_be_reached_is_no_empty_data_set(bucket, tmp_path):
    with pytest.raises(UserError, match="not prepared"):
        open_corpus("little", "gs://nowhere/data", "train")
    dataset.write(
        [("train", text) for text in TEXTS] + [("validation", "held out")],
        name="little",
        data_dir=str(tmp_path / "data"),
        description="",
        recipe={},
    )
    upload(tmp_path / "data", "gs://b/data")
    corpus = open_corpus("little", "gs://b/data", "train")
    for path in list(bucket.store):
        if "array_record" in path:
            del bucket.store[path]
    with pytest.raises(UserError, match="cannot be copied|cannot be read"):
        corpus.texts(0, 3)
    with pytest.raises(UserError, match="incomplete"):
        open_corpus("little", "gs://b/data", "train")


def test_a_copy_that_was_cut_short_is_none(bucket, monkeypatch):
    epath.Path("gs://b/data").mkdir(parents=True)
    (epath.Path("gs://b/data") / "x").write_bytes(b"0123456789")
    bring = remote.bring

    def short(source, to):
        bring(source, to)
        os.truncate(to, 4)

    with monkeypatch.context() as patch:
        patch.setattr(remote, "bring", short)
        with pytest.raises(
            UserError, match="gs://b/data/x was not copied whole\n.*4 bytes\n.*10 bytes"
        ):
            local_copy("gs://b/data/x")
    assert local_copy("gs://b/data/x").read_bytes() == b"0123456789"


def test_what_has_to_be_local_says_so():
    with pytest.raises(UserError, match="gs://b/run is not on a disk"):
        remote.local_path("gs://b/run")
