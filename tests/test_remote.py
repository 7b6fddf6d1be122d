import os
import shutil
from pathlib import Path

import pytest
from etils import epath

from bert_jax import remote
from bert_jax.data.builders import dataset
from bert_jax.data.corpora import open_corpus
from bert_jax.errors import UserError
from bert_jax.remote import Mirror, local_copy, path_of
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
    assert str(path_of("gs://b/run") / "x") == "gs://b/run/x" and isinstance(path_of("runs/x"), Path)


def test_what_reads_buckets_is_named_if_it_is_missing(monkeypatch):
    monkeypatch.setattr(remote.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gcsfs"):
        path_of("gs://b/run")


def test_a_mirror_goes_up_and_comes_down(bucket, tmp_path):
    """What one machine has pushed, another has after a pull; what changed since goes up as whole files, once."""
    mirror = Mirror(path_of("gs://b/run"), copy="0")
    mirror.pull()
    for name, text in (("config.json", "{}"), ("metrics.jsonl", "1\n"), ("store/train/tokens.bin", "abc"),
                       ("store/train/manifest.json", "{}"), ("store/train/building/00000/tokens.bin", "x"),
                       (".lock", ""), ("x.tmp", "")):
        (mirror.local / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.local / name).write_text(text)
    mirror.push()
    assert sorted(bucket.written) == [f"/b/run/{name}" for name in (
        "config.json", "metrics.jsonl", "store/train/manifest.json", "store/train/tokens.bin")]
    assert bucket.written[-1].endswith("manifest.json")  # when all that it tells of is there
    with (mirror.local / "metrics.jsonl").open("a") as file:
        file.write("2\n")
    mirror.push()
    assert bucket.written[4:] == ["/b/run/metrics.jsonl"]
    shutil.rmtree(mirror.local)  # another machine
    other = Mirror(path_of("gs://b/run"), copy="0")
    other.pull(leave_out=("store",))
    assert (other.local / "metrics.jsonl").read_text() == "1\n2\n" and not (other.local / "store").exists()
    other.push()
    assert len(bucket.written) == 5


def test_a_pull_drops_what_is_not_there(bucket):
    mirror = Mirror(path_of("gs://b/run"))
    mirror.pull()
    for name in ("results.json", "store/train/tokens.bin"):
        (mirror.local / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.local / name).write_text("of a run that was removed")
    mirror.pull()
    assert not (mirror.local / "results.json").exists() and (mirror.local / "store/train/tokens.bin").exists()


def test_a_store_comes_down_once(bucket):
    """And again if its manifest is another one, though its files be as large."""
    mirror, there = Mirror(path_of("gs://b/run")), epath.Path("gs://b/run/store/train")
    there.mkdir(parents=True)
    (there / "tokens.bin").write_bytes(b"abc")
    (there / "manifest.json").write_bytes(b"{1}")
    mirror.pull()
    local = mirror.local / "store" / "train" / "tokens.bin"
    before = local.stat().st_ino
    mirror.pull()
    assert local.stat().st_ino == before
    (there / "tokens.bin").write_bytes(b"xyz")
    (there / "manifest.json").write_bytes(b"{2}")
    mirror.pull()
    assert local.read_bytes() == b"xyz"


def test_a_local_directory_is_its_own_mirror(tmp_path):
    mirror = Mirror(tmp_path)
    mirror.pull()
    mirror.push()
    assert mirror.local == tmp_path and not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["array_record", "tfrecord"])
def test_a_data_set_in_a_bucket_reads_as_on_a_disk(bucket, tmp_path, monkeypatch, format):
    monkeypatch.setattr(dataset, "SHARD_BYTES", 1500)
    dataset.write([("train", text) for text in TEXTS] + [("validation", "held out")], name="little",
                  data_dir=str(tmp_path / "data"), description="", recipe={})
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
    dataset.write([("train", text) for text in TEXTS] + [("validation", "held out")], name="little",
                  data_dir=str(tmp_path / "data"), description="", recipe={})
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
    bring = remote._bring

    def short(source, to):
        bring(source, to)
        os.truncate(to, 4)

    with monkeypatch.context() as patch:
        patch.setattr(remote, "_bring", short)
        with pytest.raises(UserError, match="gs://b/data/x was not copied whole\n.*4 bytes\n.*10 bytes"):
            local_copy("gs://b/data/x")
    assert local_copy("gs://b/data/x").read_bytes() == b"0123456789"


def test_what_has_to_be_local_says_so():
    with pytest.raises(UserError, match="gs://b/run is not on a disk"):
        remote.local_path("gs://b/run")
