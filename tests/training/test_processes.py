"""What only real processes show: kills, signals, several hosts. Run by `make test-full`."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from bert_jax import config as configs

pytestmark = pytest.mark.full
ROOT = Path(__file__).parents[2]


def arguments(recipe) -> list[str]:
    """The keys of a recipe that differ from the defaults, as a user would give them."""
    given, default = configs.flat(configs.resolve(recipe)), configs.flat(configs.Config())
    return [f"--config.{name}={value}" for name, value in given.items() if value != default[name]]


def start(recipe, workdir, *more, devices=1, empty_in=None, **popen):
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    empty = (empty_in or workdir.parent) / "empty.py"
    empty.write_text("from bert_jax.config import recipe as get_config\n")
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        f"--config={empty}",
        f"--workdir={workdir}",
        *arguments(recipe),
    ]
    return subprocess.Popen(
        [*command, *more],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **popen,
    )


def finish(process, status=0) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == status, output
    return output


def start_hosts(recipe, workdir, hosts=2, **more) -> list:
    """The same run on several hosts."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    return [
        start(
            recipe,
            workdir,
            f"--coordinator=localhost:{port}",
            f"--hosts={hosts}",
            f"--host_index={i}",
            **more,
        )
        for i in range(hosts)
    ]


@pytest.fixture
def long_recipe(run_recipe):
    run_recipe.train.steps = 60
    run_recipe.checkpoint.every = 7
    run_recipe.evaluate.every = 0
    return run_recipe


def test_killed_at_random_and_resumed_is_bit_equal(long_recipe, tmp_path, final_state):
    """SIGKILL, three times, at moments that no code of ours chooses."""
    finish(start(long_recipe, tmp_path / "whole"))
    chance = random.Random(time.time_ns())
    kills = 0
    while kills < 3:
        process = start(long_recipe, tmp_path / "killed")
        # Once there are metrics, training is under way; from then on any moment will do.
        metrics = tmp_path / "killed" / "metrics.jsonl"
        before = metrics.stat().st_size if metrics.exists() else 0
        while process.poll() is None and (not metrics.exists() or metrics.stat().st_size <= before):
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        process.communicate()
        kills += 1
    finish(start(long_recipe, tmp_path / "killed"))
    jax.tree.map(
        np.testing.assert_array_equal,
        final_state(long_recipe, tmp_path / "whole"),
        final_state(long_recipe, tmp_path / "killed"),
    )
    whole, killed = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "killed")
    )
    timing = ("seconds", "per_second", "share")

    def untimed(line):
        return {name: value for name, value in line.items() if not name.endswith(timing)}

    # A line is the mean since the line before; a resume begins a new window, so only whole windows
    # compare.
    assert untimed(whole[-1]) == untimed(killed[-1])
    assert len({line["step"] for line in killed if line["kind"] == "train"}) >= 25


def test_sigterm_saves_and_exits_cleanly(long_recipe, tmp_path):
    long_recipe.train.steps = 5000
    long_recipe.checkpoint.every = 0
    process = start(long_recipe, tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.jsonl"
    while process.poll() is None and (not metrics.exists() or not metrics.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output = finish(process)
    assert "the same command goes on from there" in output
    saved = [int(p.name) for p in (tmp_path / "run" / "checkpoints").iterdir() if p.name.isdigit()]
    assert len(saved) == 1 and f"stopped after step {saved[0]} of 5000" in output
    resumed = start(long_recipe, tmp_path / "run", f"--config.train.stop_after={saved[0] + 1}")
    assert f"goes on from step {saved[0]}" in finish(resumed)


def test_what_fails_on_the_first_host_ends_on_all(long_recipe, tmp_path):
    long_recipe.mesh.data = -1
    long_recipe.corpus.name = "missing"
    long_recipe.store.dir = str(tmp_path / "store")
    outputs = [finish(host, status=2) for host in start_hosts(long_recipe, tmp_path / "run")]
    assert "'missing' is not prepared" in outputs[0] and "the first host failed" in outputs[1]


@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts_are_one_run(long_recipe, tmp_path, final_state, hosts):
    """Processes of one device each against one process of as many: the same scores and the same
    parameters."""
    long_recipe.train.steps = 8
    long_recipe.checkpoint.every = 4
    long_recipe.mesh.data = -1
    finish(start(long_recipe, tmp_path / "one", devices=hosts))
    outputs = [finish(host) for host in start_hosts(long_recipe, tmp_path / "several", hosts)]
    assert f"{hosts} host(s)" in outputs[0] and "step 8/8" in outputs[0]
    assert not any("step 8/8" in output for output in outputs[1:])
    one, several = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("one", "several")
    )
    assert one["mlm_loss"] == pytest.approx(several["mlm_loss"], rel=1e-6)
    assert one["baselines"] == several["baselines"]
    # Sums over devices round otherwise than within one, and Adam makes much of little.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4),
        final_state(long_recipe, tmp_path / "one"),
        final_state(long_recipe, tmp_path / "several"),
    )


def test_two_hosts_start_from_a_run_of_ours(long_recipe, tmp_path):
    """Hosts open such a checkpoint together, and prepare their data one after the other."""
    long_recipe.train.steps = 4
    finish(start(long_recipe, tmp_path / "first"))
    long_recipe.mesh.data = -1
    long_recipe.init_from = str(tmp_path / "first")
    long_recipe.tokenizer.vocab_file = long_recipe.store.dir = ""
    outputs = [finish(host) for host in start_hosts(long_recipe, tmp_path / "two")]
    assert "all parameters are there" in outputs[0] and "step 4/4" in outputs[0]
    assert (tmp_path / "two" / "vocab.txt").read_text() == (
        tmp_path / "first" / "vocab.txt"
    ).read_text()
