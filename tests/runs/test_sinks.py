"""Sinks take the same metrics, and what a resumed run writes anew does not stand twice."""

import json
import sys
import types

import pytest

from bert_jax.errors import UserError
from bert_jax.runs import files
from bert_jax.runs.sinks import SINKS, Sinks, check_sinks
from bert_jax.runs.sinks.jsonl import read


def test_a_resumed_run_writes_its_later_lines_anew(tmp_path):
    sinks = Sinks(tmp_path, 0, ())
    for step in (2, 4):
        sinks.write(step, "train", dict(loss=1.0 / step))
    sinks.close()
    with (tmp_path / files.METRICS).open("a") as file:
        file.write('{"step": 6, "ki')  # a kill cut this line short
    sinks = Sinks(tmp_path, 2, ())
    sinks.write(4, "train", dict(loss=0.3))
    sinks.close()
    lines = read(tmp_path / files.METRICS)
    assert [(line["step"], line["loss"]) for line in lines] == [(2, 0.5), (4, 0.3)]


def test_sinks_are_a_list_that_can_be_added_to(tmp_path, monkeypatch):
    written = []

    class Recorder:
        package = "json"

        def __init__(self, workdir, step):
            written.append((workdir, step))

        def write(self, step, kind, metrics):
            written.append((step, kind, metrics))

        def close(self):
            written.append("closed")

    monkeypatch.setitem(SINKS, "recorder", Recorder)
    sinks = Sinks(tmp_path, 3, ("recorder",))
    sinks.write(4, "held_out", dict(mlm_loss=2.0))
    sinks.close()
    assert written == [(tmp_path, 3), (4, "held_out", dict(mlm_loss=2.0)), "closed"]
    Sinks(tmp_path, 3, ("recorder",), writes=False).write(5, "train", {})
    assert len(written) == 3


def test_an_unknown_sink_is_refused_by_its_name():
    with pytest.raises(UserError, match="config.log.sinks") as error:
        check_sinks(("tensorbord",))
    assert "did you mean 'tensorboard'?" in str(error.value)


def test_weights_and_biases_gets_what_the_others_get(tmp_path, monkeypatch):
    calls = []

    class Run:
        def log(self, values, step):
            calls.append((step, values))

        def finish(self):
            calls.append("finished")

    def init(**settings):
        calls.append(settings)
        return Run()

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    (tmp_path / files.CONFIG).write_text(json.dumps(dict(seed=1)))
    for step in (0, 2):
        sinks = Sinks(tmp_path, step, ("wandb",))
        sinks.write(step + 2, "train", dict(loss=1.5))
        sinks.close()
    first, logged, finished, second, *_ = calls
    assert (logged, finished) == ((2, {"train/loss": 1.5}), "finished")
    assert first == second and first["resume"] == "allow" and first["config"] == dict(seed=1)


def test_a_package_that_is_missing_or_broken_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(SINKS, "absent", types.SimpleNamespace(package="absent_package"))
    with pytest.raises(UserError, match="names absent") as error:
        check_sinks(("absent",))
    assert "is not installed" in str(error.value)
    assert "pip install absent_package" in str(error.value)
    (tmp_path / "broken_package.py").write_text("import another_package")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SINKS, "broken", types.SimpleNamespace(package="broken_package"))
    with pytest.raises(UserError) as error:
        check_sinks(("tensorboard", "broken"))
    assert "cannot be imported: No module named 'another_package'" in str(error.value)
