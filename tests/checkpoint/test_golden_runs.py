"""Runs that an earlier version began go on: `tests/golden_runs`, which commit 440a883 made."""

import json
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.runs import files
from bert_jax.runs.sinks.jsonl import read
from bert_jax.training.loop import train
from bert_jax.training.session import check_recipe, open_session
from tests.golden_runs.make import KINDS, digest
from tests.golden_runs.recipe import SAVED, get_config

GOLDEN = Path(__file__).parents[1] / "golden_runs"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
CONSOLE = Console(quiet=True)


@pytest.fixture
def run(request, tmp_path, monkeypatch):
    """The recipe and the workdir of an unpacked run; its data lie in the current directory."""
    for name in ("data", request.param):
        with tarfile.open(GOLDEN / f"{name}.tar.xz") as archive:
            archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    recipe = get_config(request.param)
    recipe.log.sinks = ()
    return configs.resolve(recipe), tmp_path / request.param


LIGHT = ("pretraining", "classification")
CASES = [
    pytest.param(kind, kind, marks=() if kind in LIGHT else pytest.mark.full) for kind in KINDS
]


@pytest.mark.parametrize("run, kind", CASES, indirect=["run"])
def test_arrays_are_restored_bit_by_bit_and_the_run_goes_on(run, kind):
    recipe, workdir = run
    with open_session(check_recipe(recipe, workdir), workdir, CONSOLE, resumes=True) as session:
        state = session.restore(Checkpoints(workdir / CHECKPOINTS, read_only=True), SAVED)
    restored = dict(params=digest(state.params), optimizer=digest(state.opt_state))
    expected = EXPECTED[kind]
    assert restored == expected["arrays"]
    assert train(recipe, workdir, CONSOLE)["step"] == 15
    metrics = read(workdir / files.METRICS)
    losses = [line["loss"] for line in metrics if line["kind"] == "train" and line["step"] > SAVED]
    np.testing.assert_allclose(losses, expected["losses"], atol=1e-5)
    scores = [line for line in metrics if line["kind"] == "held_out"][-1]
    assert _logs(scores) == pytest.approx(_logs(expected["held_out"]), abs=1e-5)


def _logs(scores):
    """Scores with the logarithm of each perplexity, which is a loss, in its place."""
    return {
        name: math.log(value) if name.endswith("perplexity") else value
        for name, value in scores.items()
    }
