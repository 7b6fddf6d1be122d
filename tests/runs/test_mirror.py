"""Workdirs in a bucket, worked on in local copies."""

import shutil

import pytest
from etils import epath

from bert_jax.corpus.token_store import BUILDING, MANIFEST, STORES
from bert_jax.remote import path_of
from bert_jax.runs.mirror import Mirror
from tests import stand_in

NAMES = dict(stores=STORES, manifest=MANIFEST, unfinished=BUILDING)


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    return stand_in.install(monkeypatch, tmp_path / "copies")


def test_a_mirror_goes_up_and_comes_down(bucket, tmp_path):
    """What one machine has pushed, another has after a pull; what changed since goes up as whole
    files, once."""
    mirror = Mirror(path_of("gs://b/run"), copy="0", **NAMES)
    mirror.pull()
    for name, text in (
        ("config.json", "{}"),
        ("metrics.jsonl", "1\n"),
        ("store/train/tokens.bin", "abc"),
        ("store/train/manifest.json", "{}"),
        ("store/train/building/00000/tokens.bin", "x"),
        (".lock", ""),
        ("x.tmp", ""),
    ):
        (mirror.local / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.local / name).write_text(text)
    mirror.push()
    assert sorted(bucket.written) == [
        f"/b/run/{name}"
        for name in (
            "config.json",
            "metrics.jsonl",
            "store/train/manifest.json",
            "store/train/tokens.bin",
        )
    ]
    assert bucket.written[-1].endswith("manifest.json")  # when all that it tells of is there
    with (mirror.local / "metrics.jsonl").open("a") as file:
        file.write("2\n")
    mirror.push()
    assert bucket.written[4:] == ["/b/run/metrics.jsonl"]
    shutil.rmtree(mirror.local)  # another machine
    other = Mirror(path_of("gs://b/run"), copy="0", **NAMES)
    other.pull(leave_out=("store",))
    assert (other.local / "metrics.jsonl").read_text() == "1\n2\n" and not (
        other.local / "store"
    ).exists()
    other.push()
    assert len(bucket.written) == 5


def test_a_pull_drops_what_is_not_there(bucket):
    mirror = Mirror(path_of("gs://b/run"), **NAMES)
    mirror.pull()
    for name in ("results.json", "store/train/tokens.bin"):
        (mirror.local / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.local / name).write_text("of a run that was removed")
    mirror.pull()
    assert (
        not (mirror.local / "results.json").exists()
        and (mirror.local / "store/train/tokens.bin").exists()
    )


def test_a_store_comes_down_once(bucket):
    """And again if its manifest is another one, though its files be as large."""
    mirror, there = Mirror(path_of("gs://b/run"), **NAMES), epath.Path("gs://b/run/store/train")
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
    mirror = Mirror(tmp_path, **NAMES)
    mirror.pull()
    mirror.push()
    assert mirror.local == tmp_path and not list(tmp_path.iterdir())


def test_the_names_are_the_callers(bucket):
    """Without them nothing is special: no store is kept, and no directory stays local."""
    mirror = Mirror(path_of("gs://b/run"))
    mirror.pull()
    for name in ("store/train/tokens.bin", "store/train/manifest.json", "store/building/shard"):
        (mirror.local / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.local / name).write_text("x")
    mirror.push()
    assert len(bucket.written) == 3
    (mirror.local / "store" / "local").write_text("x")
    mirror.pull()
    assert not (mirror.local / "store" / "local").exists()
