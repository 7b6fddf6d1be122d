import dataclasses
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bert_jax.config import CorpusConfig, TokenizerConfig
from bert_jax.corpus import store_building
from bert_jax.corpus.corpora import open_corpus
from bert_jax.corpus.store_building import open_or_build, settings
from bert_jax.corpus.token_store import FILES, TokenStore, token_counts
from bert_jax.errors import UserError
from bert_jax.importers.local_text import prepare
from bert_jax.text.sentences import split
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_jax.text.wordpiece import wordpiece

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *"abcdefg.", *("##" + c for c in "abcdefg")))
TOKENIZER = TokenizerConfig()

# No guard and JAX at the top: the pool's processes may not run the main module again.
BUILD = """
import sys
import jax
from bert_jax.config import CorpusConfig, TokenizerConfig
from bert_jax.corpus.store_building import open_or_build
from bert_jax.text.vocabulary import Vocabulary
directory, vocabulary, data_dir, workers = sys.argv[1:]
open_or_build(directory, CorpusConfig(name="large", data_dir=data_dir), "train", TokenizerConfig(),
              Vocabulary.load(vocabulary), int(workers))
"""


def made_up(documents: int, sentences: int) -> list[str]:
    draw = random.Random(documents)
    texts = []
    for _ in range(documents):
        words = [
            [
                "".join(draw.choices("abcdefgh", weights=[9] * 7 + [1], k=draw.randint(1, 5)))
                for _ in range(6)
            ]
            for _ in range(draw.randint(1, sentences))
        ]
        texts.append(" ".join(" ".join(sentence).capitalize() + "." for sentence in words))
    # Documents without a token: a zero-width space is no white space, and yet nothing is left of
    # it.
    return texts[:3] + ["\u200b"] + texts[3:-1] + ["\u200b\n\n\x00"] + texts[-1:]


def prepared(directory: Path, name: str, texts: list[str]) -> CorpusConfig:
    source = directory / f"{name}.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    prepare([source], "jsonl", name, str(directory), held_out=0.1)
    return CorpusConfig(name=name, data_dir=str(directory))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> CorpusConfig:
    return prepared(tmp_path_factory.mktemp("tfds"), "small", made_up(80, 12))


@pytest.fixture(scope="module")
def built(corpus, tmp_path_factory) -> Path:
    """A store that nothing has disturbed; not to be written to."""
    directory = tmp_path_factory.mktemp("built") / "store"
    build(directory, corpus)
    return directory


@pytest.fixture
def copied(built, tmp_path) -> Path:
    (tmp_path / "copy").mkdir()
    for path in built.iterdir():
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "copy"


def build(
    directory: Path,
    corpus: CorpusConfig,
    workers: int = 1,
    vocabulary=VOCABULARY,
    tokenizer=TOKENIZER,
    split: str = "train",
) -> TokenStore:
    return open_or_build(directory, corpus, split, tokenizer, vocabulary, workers, progress=False)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != ".lock"}


def test_the_store_holds_what_the_tokenizer_makes_of_each_sentence(corpus, built):
    store, ids = TokenStore.open(built), wordpiece(VOCABULARY, TOKENIZER)
    texts = open_corpus(corpus.name, corpus.data_dir, "train")
    texts = texts.texts(0, len(texts))
    expected = [[ids(sentence) for sentence in split(text)] for text in texts]
    expected = [
        [sentence for sentence in document if sentence] for document in expected if any(document)
    ]
    found = [
        [
            list(store.tokens[store.sentence_offsets[s] : store.sentence_offsets[s + 1]])
            for s in range(begin, end)
        ]
        for begin, end in zip(store.document_offsets[:-1], store.document_offsets[1:])
    ]
    assert found == expected
    counts = store.manifest["counts"]
    assert counts == dict(
        documents=len(expected),
        sentences=sum(map(len, expected)),
        tokens=len(store.tokens),
        unknown_tokens=int((store.tokens == VOCABULARY.unk).sum()),
        empty_documents=len(texts) - len(expected),
        text_bytes=sum(len(text.encode()) for text in texts),
    )
    assert counts["empty_documents"] and counts["unknown_tokens"]


def test_dtypes_and_manifest(corpus, built):
    store = TokenStore.open(built)
    arrays = store.tokens, store.sentence_offsets, store.document_offsets, store.document_hashes
    assert [array.dtype for array in arrays] == [np.uint16, np.int64, np.int64, np.uint64]
    assert settings(corpus, "train", TOKENIZER, VOCABULARY).items() <= store.manifest.items()
    assert sorted(contents(built)) == sorted(["manifest.json", *FILES])
    store.verify()


def test_large_vocabularies_have_wide_ids(corpus, tmp_path):
    large = Vocabulary((*(f"x{i}" for i in range(1 << 16)), *VOCABULARY.tokens))
    store = build(tmp_path / "store", corpus, vocabulary=large)
    assert store.tokens.dtype == np.uint32 and store.tokens.min() >= 1 << 16


def test_hashes_find_a_document_again_in_another_split(corpus, built, tmp_path):
    store = TokenStore.open(built)
    part = build(tmp_path / "part", corpus, split="train[:5]")
    other = build(tmp_path / "other", corpus, split="validation")
    assert np.isin(part.document_hashes, store.document_hashes).all()
    assert not np.isin(other.document_hashes, store.document_hashes).any()
    assert len(set(store.document_hashes.tolist())) == store.manifest["counts"]["documents"]


def test_lines_are_sentences_when_asked(tmp_path):
    config = prepared(
        tmp_path,
        "lined",
        ["a b. a\nb\n\n c"] + [f"a {c} {d}" for c in "abcdefg" for d in "abcdefg"],
    )
    store = build(
        tmp_path / "store", dataclasses.replace(config, sentences="lines"), split="train+validation"
    )
    lengths = {
        tuple(np.diff(store.sentence_offsets[a : b + 1]))
        for a, b in zip(store.document_offsets[:-1], store.document_offsets[1:])
    }
    assert lengths == {(4, 1, 1), (3,)}


def test_two_processes_make_the_same_bytes(corpus, built, tmp_path):
    build(tmp_path / "store", corpus, workers=2)
    assert contents(tmp_path / "store") == contents(built)


def test_batches_of_any_size_make_the_same_bytes(corpus, built, tmp_path, monkeypatch):
    monkeypatch.setattr(store_building, "_CHARS_AT_ONCE", 7)
    monkeypatch.setattr(store_building, "_DOCUMENTS_AT_ONCE", 1)
    monkeypatch.setattr(store_building, "_BYTES_AT_ONCE", 8)
    build(tmp_path / "store", corpus)
    assert contents(tmp_path / "store") == contents(built)


@pytest.mark.parametrize("shards", [0, 1, 20])
def test_an_interrupted_build_goes_on_where_it_was(corpus, built, tmp_path, monkeypatch, shards):
    made, make = [], store_building._Tokeniser.shard

    def interrupted(self, number):
        if len(made) == shards:
            (tmp_path / "store/building" / f"{number:05d}.1.tmp").mkdir()
            raise KeyboardInterrupt
        made.append(number)
        return make(self, number)

    monkeypatch.setattr(store_building._Tokeniser, "shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "store", corpus)
    with pytest.raises(UserError, match="unfinished one"):
        TokenStore.open(tmp_path / "store")
    kept, shards = set(made), -1
    made.clear()
    build(tmp_path / "store", corpus)
    assert not kept & set(made)
    assert contents(tmp_path / "store") == contents(built)


@pytest.mark.parametrize("name", FILES)
def test_a_build_interrupted_while_shards_are_joined(corpus, built, tmp_path, monkeypatch, name):
    write = store_building._write

    def interrupted(path, chunks):
        if path.name == name:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        return write(path, chunks)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store_building, "_write", interrupted)
        build(tmp_path / "store", corpus)
    monkeypatch.setattr(
        store_building, "_tokenise", lambda job, shards, workers: iter(shards)
    )  # none is left to do
    build(tmp_path / "store", corpus)
    assert contents(tmp_path / "store") == contents(built)


def unfinished(directory: Path, corpus: CorpusConfig, monkeypatch) -> Path:
    """The shards of a store that is all but joined."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def interrupted(path, chunks):
            raise KeyboardInterrupt

        patch.setattr(store_building, "_write", interrupted)
        build(directory, corpus)
    return directory / "building"


@pytest.mark.parametrize("name", [*FILES, "counts.json"])
def test_a_damaged_shard_is_made_anew(corpus, built, tmp_path, monkeypatch, name):
    shard = unfinished(tmp_path / "store", corpus, monkeypatch) / "00002"
    (shard / name).write_bytes((shard / name).read_bytes()[:-8])
    build(tmp_path / "store", corpus)
    assert contents(tmp_path / "store") == contents(built)


def test_shards_of_other_settings_are_not_joined(corpus, tmp_path, monkeypatch):
    unfinished(tmp_path / "store", corpus, monkeypatch)
    with pytest.raises(UserError, match="other settings") as error:
        build(tmp_path / "store", corpus, tokenizer=dataclasses.replace(TOKENIZER, lowercase=False))
    assert "lowercase = true" in str(error.value) and "lowercase = false" in str(error.value)
    assert str(tmp_path / "store/building") in str(error.value)


def test_what_a_kill_after_the_manifest_leaves_is_removed(corpus, copied):
    (copied / "building/00000").mkdir(parents=True)
    build(copied, corpus)
    assert not (copied / "building").exists()


def test_an_existing_store_is_opened_and_not_made(corpus, copied, monkeypatch):
    monkeypatch.setattr(store_building, "_build", None)
    assert len(build(copied, corpus).tokens) == len(TokenStore.open(copied).tokens)


def test_each_difference_of_a_store_is_named(corpus, built):
    other = Vocabulary((*VOCABULARY.tokens, "zz"))
    tokenizer = TokenizerConfig(
        rules="huggingface",
        lowercase=False,
        accents="strip",
        split_cjk=False,
        max_chars_per_word=100,
    )
    with pytest.raises(UserError) as error:
        build(
            built,
            dataclasses.replace(corpus, sentences="lines"),
            split="validation",
            vocabulary=other,
            tokenizer=tokenizer,
        )
    found, expected = str(error.value).split("expected:")
    for name, stored, wanted in [
        ("source.split", '"train"', '"validation"'),
        ("vocabulary", f'"{VOCABULARY.digest}"', f'"{other.digest}"'),
        ("vocab_size", "20", "21"),
        ("rules", '"google"', '"huggingface"'),
        ("lowercase", "true", "false"),
        ("accents", '"with_case"', '"strip"'),
        ("split_cjk", "true", "false"),
        ("max_chars_per_word", "200", "100"),
        ("sentences", '"split"', '"lines"'),
        ("language", '"en"', "null"),
    ]:
        assert f"{name} = {stored}\n" in found and f"{name} = {wanted}\n" in expected
    assert "source.dataset" not in found and "delete" in expected
    with pytest.raises(UserError, match="language"):
        build(built, dataclasses.replace(corpus, language="de"))


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_or_missing_file_is_refused(copied, name):
    size = (copied / name).stat().st_size
    os.truncate(copied / name, size - 1)
    with pytest.raises(UserError, match=f"(?s){name} is damaged.*{size - 1} bytes.*{size} bytes"):
        TokenStore.open(copied)
    (copied / name).unlink()
    with pytest.raises(UserError, match=f"(?s){name} is damaged.*no such file"):
        TokenStore.open(copied)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found_by_verify(copied, name):
    data = bytearray((copied / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(UserError, match=f"{name} is damaged"):
        TokenStore.open(copied).verify()


@pytest.mark.parametrize(
    "manifest, said",
    [
        (None, "not a token store"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is damaged"),
        ('{"format": 2, "files": {}}', "another version"),
    ],
)
def test_a_store_without_a_good_manifest_is_refused(copied, manifest, said):
    (copied / "manifest.json").unlink() if manifest is None else (
        copied / "manifest.json"
    ).write_text(manifest)
    with pytest.raises(UserError, match=said):
        TokenStore.open(copied)


def test_a_corpus_without_text_is_refused(tmp_path):
    config = prepared(tmp_path, "blank", ["\u200b" + " \u200b" * i for i in range(40)])
    with pytest.raises(UserError, match="has no text in its split 'train'"):
        build(tmp_path / "store", config)


def test_a_store_goes_to_another_process_by_name(built):
    store = TokenStore.open(built)
    sent = pickle.dumps(store)
    assert len(sent) < 1000 and np.array_equal(pickle.loads(sent).tokens, store.tokens)


def test_token_counts(built):
    store = TokenStore.open(built)
    counts = token_counts(store)
    assert counts.dtype == np.int64 and counts.shape == (len(VOCABULARY),)
    assert counts.tolist() == [(store.tokens == i).sum() for i in range(len(VOCABULARY))]


def test_who_comes_second_waits_and_opens(corpus, built, tmp_path, monkeypatch, capsys):
    tokenise, calls = store_building._tokenise, []

    def slow(*args):
        calls.append(args)
        time.sleep(0.5)
        return tokenise(*args)

    monkeypatch.setattr(store_building, "_tokenise", slow)
    with ThreadPoolExecutor(2) as pool:
        stores = list(pool.map(lambda _: build(tmp_path / "store", corpus), range(2)))
    assert stores[0].manifest == stores[1].manifest
    assert len(calls) == 1 and "waiting" in capsys.readouterr().err
    assert contents(tmp_path / "store") == contents(built)


def test_progress_is_lines_off_a_terminal(corpus, tmp_path, capsys):
    open_or_build(tmp_path / "store", corpus, "train", TOKENIZER, VOCABULARY, workers=1)
    documents = len(open_corpus(corpus.name, corpus.data_dir, "train"))
    assert f"{documents} of {documents} documents" in capsys.readouterr().err


@pytest.mark.full
def test_killed_builds_leave_no_process_and_the_next_one_makes_the_same_bytes(tmp_path):
    config = prepared(tmp_path, "large", made_up(300, 1500))
    VOCABULARY.save(tmp_path / "vocab.txt")
    (tmp_path / "build.py").write_text(BUILD)
    store, undisturbed = tmp_path / "store", tmp_path / "undisturbed"

    def start(directory: Path, workers: int) -> subprocess.Popen:
        return subprocess.Popen(
            [
                sys.executable,
                tmp_path / "build.py",
                directory,
                tmp_path / "vocab.txt",
                tmp_path,
                str(workers),
            ],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.DEVNULL,
        )

    def shards() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in (store / "building").glob("?????")}

    kept = {}
    for workers, wanted in ((2, 5), (3, 12), (1, 20)):
        process, end = start(store, workers), time.monotonic() + 60
        while len(shards()) < wanted:
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                pytest.fail(f"{workers} processes made {len(shards())} shards of {wanted}")
            time.sleep(0.01)
        pool = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in pool:
            assert "jaxlib" not in Path(f"/proc/{pid}/maps").read_text()
        assert len(pool) >= (workers if workers > 1 else 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        end = time.monotonic() + 5
        while any(Path(f"/proc/{pid}/exe").exists() for pid in pool):
            assert time.monotonic() < end, "processes outlive the one that started them"
            time.sleep(0.05)
        assert not (store / "manifest.json").exists()
        assert kept.items() <= shards().items()  # the same files: nothing finished is made twice
        kept = shards()
    assert start(store, 2).wait() == 0
    build(undisturbed, config)
    assert contents(store) == contents(undisturbed)
    TokenStore.open(store).verify()


@pytest.mark.full
@pytest.mark.parametrize("workers", [0, 3, 5])
def test_any_number_of_processes_makes_the_same_bytes(corpus, built, tmp_path, workers):
    build(tmp_path / "store", corpus, workers)
    assert contents(tmp_path / "store") == contents(built)


@pytest.mark.full
def test_a_process_that_is_killed_is_reported_and_its_shards_are_kept(tmp_path, monkeypatch):
    config = prepared(tmp_path, "large", made_up(300, 1500))

    def kill_one():
        while len(list((tmp_path / "store/building").glob("?????"))) < 3:
            time.sleep(0.01)
        os.kill(
            int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1]),
            signal.SIGKILL,
        )

    threading.Thread(target=kill_one).start()
    with pytest.raises(
        UserError, match="(?s)a process that tokenised .* died.*run the command again"
    ):
        build(tmp_path / "store", config, workers=2)
    assert len(list((tmp_path / "store/building").glob("?????"))) >= 3


def change_manifest(directory, change):
    path = directory / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


@pytest.mark.parametrize("name", store_building.defaults())
def test_a_key_that_an_older_store_lacks_is_its_default(corpus, copied, name, monkeypatch):
    monkeypatch.setattr(store_building, "_build", None)  # it is read, not made anew
    before = TokenStore.open(copied)
    default = store_building.defaults()[name]
    change_manifest(copied, lambda manifest: {key: x for key, x in manifest.items() if key != name})
    if before.manifest[name] == default:
        assert len(build(copied, corpus).tokens) == len(before.tokens)
    else:
        with pytest.raises(UserError, match=f"{name} = {json.dumps(default)}\n"):
            build(copied, corpus)


def test_a_key_of_a_newer_store_is_named(corpus, copied):
    change_manifest(copied, lambda manifest: manifest | dict(ligatures="split"))
    with pytest.raises(UserError, match="was written by a newer version") as error:
        build(copied, corpus)
    assert 'ligatures = "split"' in str(error.value)


def test_unfinished_shards_of_an_older_version_are_kept(tmp_path, corpus, built, monkeypatch):
    path = unfinished(tmp_path / "store", corpus, monkeypatch) / "settings.json"
    made_with = json.loads(path.read_text())
    del made_with["cleaning"]
    path.write_text(json.dumps(made_with))
    monkeypatch.setattr(store_building._Tokeniser, "shard", None)  # none is made anew
    build(tmp_path / "store", corpus)
    assert contents(tmp_path / "store") == contents(built)


def test_unfinished_shards_of_a_newer_version_are_refused(tmp_path, corpus, monkeypatch):
    path = unfinished(tmp_path / "store", corpus, monkeypatch) / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | dict(ligatures="split")))
    with pytest.raises(UserError, match="was written by a newer version"):
        build(tmp_path / "store", corpus)
