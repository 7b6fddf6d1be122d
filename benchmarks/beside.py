"""Runs of bert-jax beside runs of other code, compared over seeds.

Each run has a process of its own, and its results are kept in a file.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy import stats

SIDES = ("ours", "theirs")
_SECONDS = ("training", "scoring", "all")


def options(
    parser: argparse.ArgumentParser,
    *,
    epochs: float,
    learning_rate: float,
    batch_size: int,
    seeds: int,
) -> None:
    """Adds the options of both sides, with these defaults, and those of a process of one side."""
    parser.add_argument(
        "--model", type=Path, required=True, help="Hugging Face directory with a tokenizer"
    )
    parser.add_argument(
        "--data_dir", required=True, help="TFDS data directory, as `prepare` makes it"
    )
    parser.add_argument("--results", type=Path, help="JSON lines file that keeps finished runs")
    parser.add_argument("--epochs", type=float, default=epochs)
    parser.add_argument("--batch_size", type=int, default=batch_size)
    parser.add_argument("--learning_rate", type=float, default=learning_rate)
    parser.add_argument(
        "--train_split",
        default="train",
        help="split to train on, which may be a slice such as 'train[:2000]'",
    )
    parser.add_argument("--seeds", type=int, default=seeds, help="number of runs of each side")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)


def runs(
    settings: dict[str, dict], seeds: int, results: Path | None
) -> dict[tuple[str, int], dict]:
    """Returns the results of each side and seed, by (side, seed), after doing the missing runs.

    For each run, the calling benchmark is started again with its own options, `--side` and
    `--seed`; the last line that it prints is then a JSON object with `scores` and seconds. The
    seconds of the whole process are added as `all`.

    Args:
        settings: the values that identify a run in the file, by side.
        seeds: number of seeds.
        results: JSON lines file that keeps finished runs; None: nothing is kept.
    """
    kept = (
        [json.loads(line) for line in results.read_text().splitlines()]
        if results and results.exists()
        else []
    )
    done = {
        (run["side"], run["seed"]): run
        for run in kept
        if run["side"] in settings and settings[run["side"]].items() <= run.items()
    }
    for seed in range(seeds):
        for side, setting in settings.items():
            if (side, seed) in done:
                continue
            began = time.monotonic()
            process = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    sys.modules["__main__"].__spec__.name,
                    *sys.argv[1:],
                    f"--side={side}",
                    f"--seed={seed}",
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            if process.returncode:
                sys.exit(process.returncode)
            done[side, seed] = (
                setting
                | dict(side=side, seed=seed)
                | json.loads(process.stdout.splitlines()[-1])
                | dict(all=time.monotonic() - began)
            )
            if results:
                with results.open("a") as file:
                    file.write(json.dumps(done[side, seed]) + "\n")
            print(f"{side}, seed {seed}: {shown(done[side, seed])}", file=sys.stderr, flush=True)
    return {key: done[key] for key in itertools.product(settings, range(seeds))}


def shown(run: dict) -> str:
    """Returns the scores of a run and its seconds, in a line."""
    return ", ".join(
        (
            *(f"{name} {value:.4f}" for name, value in run["scores"].items()),
            *(f"{run[name]:.0f} s {name}" for name in _SECONDS if name in run),
        )
    )


def compare(done: dict[tuple[str, int], dict]) -> None:
    """Prints the means of scores and seconds of each side, and the 95% interval of the difference
    between the first side and each other one (Welch's) where there are several seeds."""
    by_side = {}
    for (side, _), run in done.items():
        by_side.setdefault(side, []).append(run)
    (first, of_first), *_ = by_side.items()
    for name in of_first[0]["scores"]:
        ours = np.array([run["scores"][name] for run in of_first])
        for side, of_side in by_side.items():
            values = np.array([run["scores"][name] for run in of_side])
            line = f"  {name}, {side}: {values.mean():.4f}"
            if len(values) > 1:
                line += f" (deviation {values.std(ddof=1):.4f})"
            if side != first:
                line += f"; {first} differs by {ours.mean() - values.mean():+.4f}"
                if len(values) > 1:
                    interval = stats.ttest_ind(ours, values, equal_var=False).confidence_interval(
                        0.95
                    )
                    line += f", 95% interval {interval.low:+.4f} to {interval.high:+.4f}"
            print(line)
    for name in _SECONDS:
        spent = {
            side: np.mean([run[name] for run in of_side])
            for side, of_side in by_side.items()
            if name in of_side[0]
        }
        if not spent:
            continue
        print(
            f"  seconds, {name}: "
            + ", ".join(f"{side} {value:.0f}" for side, value in spent.items())
            + "".join(
                f"; {first} is {value / spent[first]:.2f} times as fast as {side}"
                for side, value in spent.items()
                if side != first
            )
        )


def trainer(args, model, tokenizer, collator, rows: list[dict], directory: str):
    """Returns Hugging Face's Trainer with the settings of its recipes: AdamW without weight decay
    and a linear schedule with 10% of warm-up."""
    import transformers

    arguments = transformers.TrainingArguments(
        directory,
        seed=args.seed,
        per_device_train_batch_size=args.batch_size,
        per_device_eval_batch_size=32,
        num_train_epochs=args.epochs,
        learning_rate=args.learning_rate,
        warmup_steps=0.1,
        weight_decay=0.0,
        lr_scheduler_type="linear",
        save_strategy="no",
        report_to="none",
        logging_steps=50,
        use_cpu=True,
        disable_tqdm=True,
    )
    return transformers.Trainer(
        model, arguments, train_dataset=rows, processing_class=tokenizer, data_collator=collator
    )


def recipe(args):
    """Returns a recipe of bert-jax for `args.task` with the settings of `trainer`."""
    from bert_jax import config as configs

    made = configs.recipe()
    made.seed, made.init_from = args.seed, str(args.model)
    made.task.update(dict(name=args.task, data_dir=args.data_dir, train_split=args.train_split))
    made.train.batch_size, made.train.epochs = args.batch_size, args.epochs
    made.optimizer.update(
        dict(
            name="adamw",
            learning_rate=args.learning_rate,
            epsilon=1e-8,
            weight_decay=0.0,
            warmup_share=0.1,
            decay_start="warmup",
        )
    )
    made.evaluate.every, made.evaluate.batch_size = 0, 32
    made.checkpoint.every, made.log.every, made.log.sinks = 0, 50, ()
    return made
