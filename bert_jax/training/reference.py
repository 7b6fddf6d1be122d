"""What held-out scores runs of a recipe have had at fixed steps, and whether a run keeps to them.

A reference is a JSON file beside the recipes, made of several runs by `python -m bert_jax report --reference=FILE`:

    runs     how many
    keys     the keys that made them what they are, all but the free ones and the seed
    sources  the text that they learned from
    steps    by step and score its mean and how far from it a run may be
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from bert_jax import config as configs
from bert_jax.config import Config
from bert_jax.errors import UserError
from bert_jax.training import run
from bert_jax.training.metrics import read as read_metrics

# Few runs tell little of their spread, and other text, devices or versions of libraries change it a little.
DEVIATIONS, SHARE = 4, 0.01


def make(workdirs: Sequence[Path]) -> dict:
    """The reference of some runs of one recipe with other seeds.

    Raises:
        UserError: they are not finished runs, differ in more than their seeds, or are fewer than two.
    """
    if len(workdirs) < 2:
        raise UserError("a band needs several runs", found=f"{len(workdirs)}", expected="at least 2, with other seeds",
                        hint="--workdir runs/a runs/b runs/c")
    found = [_of_run(workdir) for workdir in workdirs]
    keys, sources, _ = found[0]
    for workdir, (others, *_) in zip(workdirs, found):
        if different := _different(keys, others):
            raise UserError(f"{workdir} is of another recipe than {workdirs[0]}", found=", ".join(different),
                            expected="runs that differ in their seeds alone")
    steps = {}
    for step in found[0][2]:
        scores = [of_run[step] for _, _, of_run in found if step in of_run]
        if len(scores) == len(workdirs):
            steps[step] = {name: _band([one[name] for one in scores]) for name in scores[0]}
    return dict(runs=len(workdirs), keys=keys, sources=sources, steps=steps)


def read(path: str) -> dict:
    """A reference.

    Raises:
        UserError: it is not there, or none.
    """
    try:
        found = json.loads(Path(path).read_text())
        for scores in found["steps"].values():
            {name: mean + width for name, (mean, width) in scores.items()}
        found["runs"], found["sources"], dict(found["keys"])
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"config.evaluate.reference is no reference: {path}", found=str(error),
                        expected="a file that `python -m bert_jax report --reference=FILE` wrote",
                        hint="--config.evaluate.reference='' does without") from None


def watch(config: Config, sources: dict, console: Console) -> Callable[[int, dict], dict]:
    """A function of a step and its held-out scores that tells on the console of those out of the recipe's band.

    It returns what a line of metrics says of it: how many scores are outside, if there is something to compare with. Of
    a recipe that differs from the reference's in a key that matters nothing is told but that, once.
    """
    if not config.evaluate.reference:
        return lambda step, scores: {}
    reference = read(config.evaluate.reference)
    if different := _different(reference["keys"], _keys(config)):
        console.print(f"not compared with {config.evaluate.reference}, which has other {', '.join(different)}",
                      highlight=False, soft_wrap=True)
        return lambda step, scores: {}
    same_text = json.loads(json.dumps(sources)) == reference["sources"]

    def compare(step: int, scores: dict) -> dict:
        bands = reference["steps"].get(str(step), {})
        outside = {name: band for name, band in bands.items()
                   if name in scores and not abs(scores[name] - band[0]) <= band[1]}
        for name, (mean, width) in outside.items():
            console.print(
                f"warning: step {step}: {name} is {scores[name]:.4g}, outside of {mean - width:.4g} to "
                f"{mean + width:.4g}, the band of {reference['runs']} runs in {config.evaluate.reference}"
                + ("" if same_text else "; the text is not the same, which may be why"),
                style="yellow", highlight=False, soft_wrap=True)
        return dict(outside_reference=len(outside)) if bands else {}

    return compare


def bands(config: Config) -> dict[str, np.ndarray]:
    """Of each score its band, `[steps, 3]`: step, lowest and highest; nothing if there is none to compare with."""
    if not config.evaluate.reference:
        return {}
    reference = read(config.evaluate.reference)
    if _different(reference["keys"], _keys(config)):
        return {}
    found: dict[str, list] = {}
    for step, scores in reference["steps"].items():
        for name, (mean, width) in scores.items():
            found.setdefault(name, []).append((int(step), mean - width, mean + width))
    return {name: np.array(points) for name, points in found.items()}


def _of_run(workdir: Path) -> tuple[dict, dict, dict[str, dict]]:
    """Keys, sources and held-out scores by step of a finished run."""
    config = run.read_config(workdir)
    if config is None or not (workdir / run.RESULTS).exists():
        raise UserError(f"{workdir} is no finished run", found=f"no {run.RESULTS}", expected="the workdir of one")
    lines = [line for line in read_metrics(workdir / run.METRICS) if line["kind"] == "held_out"]
    scores = {str(line["step"]): {name: value for name, value in line.items() if name.endswith(("_loss", "_accuracy"))}
              for line in lines}
    return _keys(config), json.loads((workdir / run.DATA).read_text()), scores


def _keys(config: Config) -> dict:
    fields = configs.key_fields()
    return json.loads(json.dumps({name: value for name, value in configs.flat(config).items()
                                  if not fields[name].metadata["free"] and name != "seed"}))


def _different(keys: dict, others: dict) -> list[str]:
    # A key that is newer than the file is at its default there.
    keys, others = (_keys(Config()) | x for x in (keys, others))
    return [f"config.{name}" for name in keys if keys[name] != others.get(name)]


def _band(values: list[float]) -> tuple[float, float]:
    mean = float(np.mean(values))
    return round(mean, 5), round(max(DEVIATIONS * float(np.std(values, ddof=1)), SHARE * abs(mean)), 5)
