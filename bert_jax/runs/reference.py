"""Reference bands: held-out scores that runs of a recipe have had at fixed steps, and checks that a
run keeps to them.

A reference is a JSON file beside the recipes, made of several runs by `python -m bert_jax report
--reference=FILE`:

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
from bert_jax.config import Config, renamed
from bert_jax.errors import UserError
from bert_jax.runs import files
from bert_jax.runs.sinks.jsonl import read as read_metrics

# Half of a band is four deviations, at the step or over all steps since few runs tell little of
# their spread, or a hundredth of the mean; where the text is not the same, as the demo's is not on
# another Python, three hundredths more.
DEVIATIONS, SHARE, OTHER_TEXT = 4, 0.01, 0.03


def make(workdirs: Sequence[Path]) -> dict:
    """The reference of some runs of one recipe with other seeds.

    Raises:
        UserError: they are not finished runs, differ in more than their seeds, or are fewer than
            two.
    """
    if len(workdirs) < 2:
        raise UserError(
            "a band needs several runs",
            found=f"{len(workdirs)}",
            expected="at least 2, with other seeds",
            hint="--workdir runs/a runs/b runs/c",
        )
    found = [_of_run(workdir) for workdir in workdirs]
    keys, sources, _ = found[0]
    for workdir, (others, *_) in zip(workdirs, found):
        if different := _different(keys, others):
            raise UserError(
                f"{workdir} is of another recipe than {workdirs[0]}",
                found=", ".join(different),
                expected="runs that differ in their seeds alone",
            )
    of_runs = [of_run for _, _, of_run in found]
    steps = [step for step in of_runs[0] if all(step in of_run for of_run in of_runs)]
    values = {
        name: np.array([[of_run[step][name] for of_run in of_runs] for step in steps])
        for name in of_runs[0][steps[0]]
    }  # [steps, runs]
    bands = {name: _bands(of_name) for name, of_name in values.items()}
    return dict(
        runs=len(workdirs),
        keys=keys,
        sources=sources,
        steps={
            step: {name: of_name[i] for name, of_name in bands.items()}
            for i, step in enumerate(steps)
        },
    )


def read(path: str) -> dict:
    """A reference.

    Raises:
        UserError: it is not there, or none.
    """
    try:
        reference = json.loads(Path(path).read_text())
        for scores in reference["steps"].values():
            {name: mean + width for name, (mean, width) in scores.items()}
        reference["runs"], reference["sources"]
        return reference | dict(keys=renamed.updated_flat(reference["keys"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"config.evaluate.reference is no reference: {path}",
            found=str(error),
            expected="a file that `python -m bert_jax report --reference=FILE` wrote",
            hint="--config.evaluate.reference='' does without",
        ) from None


def watch(config: Config, sources: dict, console: Console) -> Callable[[int, dict], dict]:
    """A function of a step and its held-out scores that tells on the console of those out of the
    recipe's band.

    It returns what a line of metrics says of it: how many scores are outside, if there is something
    to compare with. Of a recipe that differs from the reference's in a key that matters nothing is
    told but that, once.
    """
    if not config.evaluate.reference:
        return lambda step, scores: {}
    reference = read(config.evaluate.reference)
    if different := _different(reference["keys"], _keys(config)):
        console.print(
            f"not compared with {config.evaluate.reference}, which has other "
            f"{', '.join(different)}",
            highlight=False,
            soft_wrap=True,
        )
        return lambda step, scores: {}
    same_text = json.loads(json.dumps(sources)) == reference["sources"]

    def compare(step: int, scores: dict) -> dict:
        bands = {
            name: (mean, width + (0 if same_text else OTHER_TEXT * abs(mean)))
            for name, (mean, width) in reference["steps"].get(str(step), {}).items()
        }
        outside = {
            name: band
            for name, band in bands.items()
            if name in scores and not abs(scores[name] - band[0]) <= band[1]
        }
        for name, (mean, width) in outside.items():
            console.print(
                f"warning: step {step}: {name} is {scores[name]:.4g}, outside of "
                f"{mean - width:.4g} to "
                f"{mean + width:.4g}, the band of {reference['runs']} runs in "
                f"{config.evaluate.reference}"
                + ("" if same_text else "; the text is not the same, which may be why"),
                style="yellow",
                highlight=False,
                soft_wrap=True,
            )
        return dict(outside_reference=len(outside)) if bands else {}

    return compare


def bands(config: Config) -> dict[str, np.ndarray]:
    """Returns the band of each score, `[steps, 3]`: step, lowest and highest; empty if the recipe
    has no reference."""
    if not config.evaluate.reference:
        return {}
    reference = read(config.evaluate.reference)
    if _different(reference["keys"], _keys(config)):
        return {}
    result: dict[str, list] = {}
    for step, scores in reference["steps"].items():
        for name, (mean, width) in scores.items():
            result.setdefault(name, []).append((int(step), mean - width, mean + width))
    return {name: np.array(points) for name, points in result.items()}


def _of_run(workdir: Path) -> tuple[dict, dict, dict[str, dict]]:
    """Keys, sources and held-out scores by step of a finished run."""
    config = files.read_config(workdir)
    if config is None or not (workdir / files.RESULTS).exists():
        raise UserError(
            f"{workdir} is no finished run",
            found=f"no {files.RESULTS}",
            expected="the workdir of one",
        )
    lines = [line for line in read_metrics(workdir / files.METRICS) if line["kind"] == "held_out"]
    scores = {
        str(line["step"]): {
            name: value for name, value in line.items() if name.endswith(("_loss", "_accuracy"))
        }
        for line in lines
    }
    return _keys(config), json.loads((workdir / files.DATA).read_text()), scores


def _keys(config: Config) -> dict:
    keys = {name: value for name, value in configs.fixed(config).items() if name != "seed"}
    return json.loads(json.dumps(keys))


def _different(keys: dict, others: dict) -> list[str]:
    # A key that is newer than the file is at its default there.
    keys, others = (_keys(Config()) | x for x in (keys, others))
    return [f"config.{name}" for name in keys | others if keys.get(name) != others.get(name)]


def _bands(values: np.ndarray) -> list[tuple[float, float]]:
    """Returns mean and half of the band of each step, from scores `[steps, runs]`."""
    means, variances = values.mean(axis=1), values.var(axis=1, ddof=1)
    widths = np.maximum(
        DEVIATIONS * np.sqrt(np.maximum(variances, variances.mean())), SHARE * np.abs(means)
    )
    return [(round(float(mean), 5), round(float(width), 5)) for mean, width in zip(means, widths)]
