"""Check that a run that is killed goes on as if nothing had happened: to the same bits."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from bert_jax import config as configs
from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.config import Config
from bert_jax.text import vocabulary as vocabularies
from bert_jax.verification.findings import Finding

ROOT = Path(__file__).parents[2]
STEPS, EVERY = 30, 5


def check(config: Config, workdir: Path) -> list[Finding]:
    """Trains twice by `train.py`, once killed on the way, and compares what is left.

    Args:
        config: the recipe, of which few steps are taken.
        workdir: gets the two runs.
    """
    config = _short(config, workdir)
    whole, killed = workdir / "whole", workdir / "killed"
    workdir.mkdir(parents=True, exist_ok=True)
    for run in (whole, killed):
        shutil.rmtree(run, ignore_errors=True)
    (workdir / "recipe.json").write_text(json.dumps(configs.to_dict(config)))
    (workdir / "recipe.py").write_text(_RECIPE)
    log = workdir / "training.log"
    log.unlink(missing_ok=True)
    if status := _start(workdir, whole, log).wait():
        return [_failed(log, status)]
    process = _start(workdir, killed, log)
    while process.poll() is None and not _saved(killed):
        time.sleep(0.01)
    process.kill()
    process.wait()
    if status := _start(workdir, killed, log).wait():
        return [_failed(log, status)]
    went_on = re.findall(rf"goes on from step (\d+) of {STEPS}", log.read_text())
    if len(went_on) != 1 or not 0 < int(went_on[0]) < STEPS:
        return [
            Finding(
                "a run that is killed and goes on",
                f"it went on from {went_on or 'the beginning'}",
                f"to go on once, from a step before {STEPS}",
                passed=False,
            )
        ]
    return [
        compare(
            whole, killed, f"a run that was killed and went on from step {went_on[0]} of {STEPS}"
        )
    ]


def compare(whole: Path, other: Path, what: str) -> Finding:
    """Finds whether the latest checkpoints of two runs hold the same bits."""
    one, two = (_arrays(run) for run in (whole, other))
    different = sorted(
        path
        for path in one.keys() | two.keys()
        if path not in one or path not in two or not np.array_equal(one[path], two[path])
    )
    return Finding(
        what,
        f"{len(different)} of {len(one)} arrays differ, {different[0]} the first"
        if different
        else f"all {len(one)} arrays of parameters and optimiser are the same bits",
        "what a run that was not killed has",
        not different,
    )


def _short(config: Config, workdir: Path) -> Config:
    keys: dict[str, dict] = dict(
        train=dict(
            steps=STEPS,
            stop_after=0,
            stop_after_minutes=0.0,
            epochs=0.0,
            tokens=0.0,
            flops=0.0,
            patience=0,
        ),
        checkpoint=dict(every=EVERY, keep=2),
        evaluate=dict(every=0),
        log=dict(every=EVERY, sinks=()),
        optimizer=dict(warmup_steps=min(config.optimizer.warmup_steps, STEPS)),
        instances=dict(phases=()),
    )
    if not config.store.dir and not config.task.name:
        keys["store"] = dict(dir=str(workdir.absolute() / "store"))  # which both runs share
        if (vocabulary := workdir.absolute() / vocabularies.FILE).exists():
            keys["tokenizer"] = dict(vocab_file=str(vocabulary))
    return dataclasses.replace(
        config,
        **{
            section: dataclasses.replace(getattr(config, section), **values)
            for section, values in keys.items()
        },
    )


_RECIPE = '''"""The recipe beside it, for `train.py`."""
import json
from pathlib import Path

from bert_jax.config import recipe


def get_config():
    config = recipe()
    config.update(json.loads((Path(__file__).parent / "recipe.json").read_text()))
    return config
'''


def _start(workdir: Path, run: Path, log: Path) -> subprocess.Popen:
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        f"--config={workdir / 'recipe.py'}",
        f"--workdir={run}",
    ]
    with open(log, "a") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )


def _saved(run: Path) -> list[int]:
    """Steps before the last whose checkpoints are whole."""
    return [
        int(path.name)
        for path in (run / CHECKPOINTS).glob("*")
        if path.name.isdigit() and int(path.name) < STEPS
    ]


def _failed(log: Path, status: int) -> Finding:
    lines = log.read_text().splitlines()
    return Finding(
        "a run that is killed and goes on",
        f"train.py ended with status {status}: {' / '.join(lines[-3:])}",
        "status 0",
        passed=False,
    )


def _arrays(run: Path) -> dict[str, np.ndarray]:
    """Parameters and the optimiser's state of a run's latest good checkpoint, by path, in the
    host's memory."""
    checkpoints = Checkpoints(run / CHECKPOINTS, read_only=True)
    directory, arrays = run.absolute() / CHECKPOINTS / str(checkpoints.latest_good()), {}
    checkpoints.close()
    for item in ("params", "optimizer"):
        with ocp.PyTreeCheckpointer() as reader:
            stored = reader.metadata(directory / item).item_metadata.tree
            tree = reader.restore(
                directory / item,
                restore_args=jax.tree.map(
                    lambda _: ocp.RestoreArgs(restore_type=np.ndarray), stored
                ),
            )
        for path, x in jax.tree_util.tree_leaves_with_path(tree):
            arrays[item + jax.tree_util.keystr(path)] = np.asarray(x)
    return arrays
