import random
import shutil

import pytest

from bert_jax.corpus.corpora import open_corpus
from bert_jax.errors import UserError
from bert_jax.importers import dataset

TEXTS = [f"document {i}: naïve café" + " word" * i for i in range(50)]


def write(data_dir, texts=TEXTS):
    documents = [("train", t) for t in texts] + [("validation", "held out")]
    return dataset.write(
        documents, name="little", data_dir=str(data_dir), description="", recipe={}
    )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("tfds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SHARD_BYTES", 1500)
        write(path)
    return path


@pytest.fixture
def copy(data_dir, tmp_path):
    return shutil.copytree(data_dir, tmp_path / "copy")


def shards(data_dir):
    return sorted((data_dir / "little" / dataset.VERSION).glob("little-train*"))


def test_reads_documents_by_number_over_shards(data_dir):
    corpus = open_corpus("little", str(data_dir), "train")
    assert len(shards(data_dir)) > 2
    assert len(corpus) == 50
    assert corpus.texts(0, 50) == TEXTS
    assert corpus.texts(7, 33) == TEXTS[7:33]
    assert corpus.texts(48, 99) == TEXTS[48:]
    assert corpus.texts(5, 5) == []
    assert open_corpus("little", str(data_dir), "validation").texts(0, 1) == ["held out"]


def test_slices(data_dir):
    assert open_corpus("little", str(data_dir), "train[:90%]").texts(0, 50) == TEXTS[:45]
    assert open_corpus("little", str(data_dir), "train[90%:]").texts(0, 50) == TEXTS[45:]


def test_identity_is_of_the_text_not_of_the_place(data_dir, copy, tmp_path):
    identity = open_corpus("little", str(data_dir), "train").identity
    assert identity["dataset"] == "little/1.0.0" and identity["documents"] == 50
    assert open_corpus("little", str(copy), "train").identity == identity
    assert open_corpus("little", str(data_dir), "train[:90%]").identity != identity
    assert open_corpus("little", str(data_dir), "validation").identity != identity
    # As many documents and bytes, another letter.
    write(tmp_path / "other", TEXTS[:-1] + [TEXTS[-1].replace("café", "cafè")])
    write(tmp_path / "same")
    same, other = (
        open_corpus("little", str(tmp_path / d), "train").identity for d in ("same", "other")
    )
    assert same["bytes"] == other["bytes"]
    assert same != other


def test_identity_notices_shards_that_were_exchanged(copy):
    before = open_corpus("little", str(copy), "train").identity
    first, second = shards(copy)[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert open_corpus("little", str(copy), "train").identity != before


def test_identity_notices_one_longer_record_without_a_digest_of_the_text(tmp_path):
    rng = random.Random(0)
    texts = [rng.randbytes(300).hex() for _ in range(2000)]
    identities = []
    for folder in ("a", "b"):
        write(tmp_path / folder, texts)
        (tmp_path / folder / "little" / dataset.VERSION / "metadata.json").unlink()
        identities.append(open_corpus("little", str(tmp_path / folder), "train").identity)
        texts[1000] = "a" * 600
    assert identities[0] != identities[1]


def test_identity_notices_the_ends_of_shards(copy):
    before = open_corpus("little", str(copy), "train").identity
    shard = shards(copy)[-1]
    content = bytearray(shard.read_bytes())
    for position in (100, -100):
        changed = content.copy()
        changed[position] ^= 1
        shard.write_bytes(changed)
        assert open_corpus("little", str(copy), "train").identity != before


def check(match, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        open_corpus(*args, **kwargs)
    for part in match:
        assert part in str(caught.value)


def test_not_prepared_names_what_is_there(data_dir, tmp_path):
    check(
        ["'litle'", str(data_dir), "--config.corpus.name=little"], "litle", str(data_dir), "train"
    )
    check(["no such directory", "prepare text"], "books", str(tmp_path / "nowhere"), "train")
    check(["download_and_prepare(file_format='array_record')"], "glue/cola", str(tmp_path), "train")
    check(["config.corpus.name is empty"], "", str(tmp_path), "train")


def test_unknown_split_feature_and_empty_slice(data_dir):
    check(["'test'", "train, validation"], "little", str(data_dir), "test")
    check(["no text feature 'body'", "text_feature=text"], "little", str(data_dir), "train", "body")
    check(["is empty"], "little", str(data_dir), "train[:0%]")


def test_another_format_is_refused(copy):
    info = copy / "little" / dataset.VERSION / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "riegeli"))
    check(["riegeli", "array_record or tfrecord"], "little", str(copy), "train")


def test_a_missing_shard_is_named(copy):
    shards(copy)[1].unlink()
    check(
        ["1 of", shards(copy)[0].name.replace("00000-of", "00001-of")], "little", str(copy), "train"
    )


def test_a_damaged_shard_is_an_error_of_the_user(copy):
    shards(copy)[0].write_bytes(b"")
    with pytest.raises(UserError, match="cannot be read"):
        open_corpus("little", str(copy), "train").texts(0, 1)


def test_a_reader_that_reaches_nothing_is_an_error(data_dir, monkeypatch):
    corpus = open_corpus("little", str(data_dir), "train")
    monkeypatch.setattr(
        type(corpus.source.data_source), "__getitems__", lambda self, keys: [b""] * len(keys)
    )
    with pytest.raises(UserError, match="no data"):
        corpus.texts(0, 3)
