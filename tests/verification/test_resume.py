"""A run that is killed and goes on, and what shows if it does not. Run by `make test-full`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bert_jax import config as configs
from bert_jax.verification import resume

pytestmark = pytest.mark.full
ROOT = Path(__file__).parents[2]


def test_the_same_bits_and_others(run_recipe, tmp_path):
    run_recipe.log.every = 1000
    (found,) = resume.check(configs.resolve(run_recipe), tmp_path)
    assert found.passed, found.found
    assert found.what.startswith("a run that was killed and went on from step ")
    run_recipe.seed = 1
    (again,) = resume.check(configs.resolve(run_recipe), tmp_path / "other")
    assert again.passed
    found = resume.compare(tmp_path / "whole", tmp_path / "other" / "whole", "another seed")
    assert not found.passed and "arrays differ" in found.found


def test_a_run_that_begins_anew_is_no_resume(run_recipe, tmp_path, monkeypatch):
    """Its bits are the same all the same."""
    start = resume._start

    def forgetful(workdir, run, log):
        if run.name == "killed" and run.exists():
            shutil.rmtree(run)
        return start(workdir, run, log)

    monkeypatch.setattr(resume, "_start", forgetful)
    (found,) = resume.check(configs.resolve(run_recipe), tmp_path)
    assert found.passed is False and "the beginning" in found.found


def test_budgets_and_phases_do_not_count(run_recipe, tmp_path):
    run_recipe.train.tokens, run_recipe.train.stop_after_minutes = 1e9, 5.0
    train = resume._short(configs.resolve(run_recipe), tmp_path).train
    assert (train.steps, train.tokens, train.stop_after_minutes) == (resume.STEPS, 0, 0)


def test_training_that_fails_is_said(run_recipe, tmp_path):
    run_recipe.corpus.name = "missing"
    run_recipe.store.dir = str(tmp_path / "store")
    (found,) = resume.check(configs.resolve(run_recipe), tmp_path)
    assert (
        found.passed is False
        and "train.py ended with status 2" in found.found
        and "missing" in found.found
    )


def test_the_command_writes_a_report(run_recipe, tmp_path):
    (tmp_path / "recipe.py").write_text(
        "import json\nfrom bert_jax.config import recipe\n\n\ndef get_config():\n    config = "
        "recipe()\n"
        f"    config.update(json.loads({run_recipe.to_json()!r}))\n    return config\n"
    )
    command = [
        sys.executable,
        "-m",
        "bert_jax",
        "verify",
        f"--config={tmp_path / 'recipe.py'}",
        f"--workdir={tmp_path / 'verify'}",
    ]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [*command, "--config.mesh.data=2"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 14 checks failed" in done.stdout
    report = (tmp_path / "verify" / "verify.md").read_text()
    assert (
        "| loss, 2 devices beside one | " in report
        and "| all" in report
        and "- packages: jax" in report
    )
    done = subprocess.run(
        [*command, "--config.mesh.data=16", "--only", "parity"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 1
        and "the check ended with status 2" in (tmp_path / "verify" / "verify.md").read_text()
    )
