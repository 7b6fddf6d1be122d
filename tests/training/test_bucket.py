"""Runs in a bucket: gcsfs and TensorStore against an emulator of Google Cloud Storage. Run by `make
test-full`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests.training.test_processes import ROOT, finish, start, start_hosts

pytestmark = pytest.mark.full
pytest.importorskip("gcsfs")
emulator = pytest.importorskip("gcp_storage_emulator.server")


class Store:
    """The objects of a bucket, by HTTP."""

    def __init__(self, url: str):
        self.url = url

    def put(self, name: str, data: bytes) -> None:
        query = urllib.parse.urlencode(dict(uploadType="media", name=name))
        urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/upload/storage/v1/b/bucket/o?{query}", data=data)
        )

    def get(self, name: str) -> bytes:
        quoted = urllib.parse.quote(name, "")
        return urllib.request.urlopen(
            f"{self.url}/download/storage/v1/b/bucket/o/{quoted}?alt=media"
        ).read()

    def names(self) -> list[str]:
        listed = json.load(urllib.request.urlopen(f"{self.url}/storage/v1/b/bucket/o"))
        return [item["name"] for item in listed.get("items", ())]


def with_generation(download):
    """The handler, with a header that it lacks: which generation of an object was read."""

    def handle(request, response, storage, *args, **kwargs):
        download(request, response, storage, *args, **kwargs)
        if response.status < 400:
            found = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
            response["x-goog-generation"] = found["generation"]

    return handle


@pytest.fixture
def store(tmp_path, monkeypatch):
    objects, download = emulator.objects, with_generation(emulator.objects.download)
    for _, handlers in emulator.HANDLERS:
        for method, handler in handlers.items():
            if handler is objects.download:
                monkeypatch.setitem(handlers, method, download)
    monkeypatch.setattr(objects, "download", download)
    server = emulator.create_server("localhost", 0, in_memory=True, default_bucket="bucket")
    server.start()
    url = f"http://localhost:{server._api._httpd.server_port}"
    environment = dict(
        STORAGE_EMULATOR_HOST=url,
        TENSORSTORE_GCS_HTTP_URL=url,
        GOOGLE_AUTH_TOKEN_FOR_TESTING="x",
        NO_GCE_CHECK="true",
        GCE_METADATA_HOST="localhost:1",
        GCE_METADATA_IP="127.0.0.1:1",
        EPATH_USE_TF="false",
        BERT_JAX_COPIES=str(tmp_path / "copies"),
    )
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield Store(url)
    server.stop()


@pytest.fixture
def remote_recipe(run_recipe, store):
    run_recipe.train.steps, run_recipe.checkpoint.every, run_recipe.evaluate.every = 40, 5, 0
    data = Path(run_recipe.corpus.data_dir)
    for path in data.rglob("*"):
        if path.is_file():
            store.put(f"data/{path.relative_to(data)}", path.read_bytes())
    return run_recipe


def on_disk(recipe, tmp_path) -> dict:
    """The results of the same run in a directory."""
    finish(start(recipe, tmp_path / "local"))
    return json.loads((tmp_path / "local" / "results.json").read_text())


def begin(recipe):
    return start(recipe, "gs://bucket/run", empty_in=Path(os.environ["BERT_JAX_COPIES"]).parent)


def test_killed_and_resumed_on_an_empty_machine(remote_recipe, store, tmp_path):
    """Text and run in the bucket, the local disk lost at a kill: the same scores, to the bit, as on
    a disk."""
    expected = on_disk(remote_recipe, tmp_path)
    remote_recipe.corpus.data_dir, remote_recipe.store.dir = "gs://bucket/data", ""
    process, output = begin(remote_recipe), []
    reader = threading.Thread(
        target=lambda: output.append(process.communicate()[0])
    )  # or a full pipe would stop it
    reader.start()
    while process.poll() is None and "run/checkpoints/10/commit_success.txt" not in store.names():
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    reader.join()
    assert process.returncode == -signal.SIGKILL, output
    shutil.rmtree(tmp_path / "copies")
    output = finish(begin(remote_recipe))
    assert "goes on from step" in output and "tokenising" not in output
    results = json.loads(store.get("run/results.json"))
    assert {name: results[name] for name in ("mlm_loss", "nsp_loss", "step")} == {
        name: expected[name] for name in ("mlm_loss", "nsp_loss", "step")
    }
    lines = [json.loads(line) for line in store.get("run/metrics.jsonl").splitlines()]
    assert sorted({line["step"] for line in lines}) == list(range(2, 41, 2))
    assert "run/curves.png" in store.names() and not any(
        "building" in name for name in store.names()
    )
    scored = subprocess.run(
        [
            sys.executable,
            str(ROOT / "evaluate.py"),
            "--checkpoint=gs://bucket/run",
            f"--workdir={tmp_path / 'scores'}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert scored.returncode == 0, scored.stderr
    assert json.loads((tmp_path / "scores" / "evaluation.json").read_text())[
        "mlm_loss"
    ] == pytest.approx(expected["mlm_loss"])


def test_a_damaged_step_is_set_aside(remote_recipe, store):
    remote_recipe.train.steps = 10
    finish(begin(remote_recipe))
    name = max(
        (name for name in store.names() if name.startswith("run/checkpoints/10/params/")),
        key=lambda name: len(store.get(name)),
    )
    data = bytearray(store.get(name))
    data[len(data) // 2] ^= 1
    store.put(name, bytes(data))
    remote_recipe.train.steps = 10
    shutil.rmtree(os.environ["BERT_JAX_COPIES"])
    output = finish(begin(remote_recipe))
    assert "goes on from step 5" in output
    assert any(name.startswith("run/checkpoints/damaged-10-") for name in store.names())
    assert "run/checkpoints/10/commit_success.txt" in store.names()


def test_two_hosts_share_nothing_but_the_bucket(remote_recipe, store, tmp_path):
    remote_recipe.train.steps = 10
    expected = on_disk(remote_recipe, tmp_path)
    remote_recipe.mesh.data, remote_recipe.store.dir = -1, ""
    outputs = [
        finish(host) for host in start_hosts(remote_recipe, "gs://bucket/run", empty_in=tmp_path)
    ]
    assert "2 host(s)" in outputs[0] and "tokenising" not in outputs[1]
    assert json.loads(store.get("run/results.json"))["mlm_loss"] == pytest.approx(
        expected["mlm_loss"], rel=1e-5
    )
