"""A run's results for a person to read."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.objectives import LANGUAGE
from bert_jax.training import run

_ROWS = tuple(
    row for name in LANGUAGE for label in [name.upper()] for row in (
        (f"{label} loss (nats)", f"{name}_loss", f"{name}_unigram_loss", "unigram"),
        (f"{label} perplexity", f"{name}_perplexity", f"{name}_unigram_perplexity", "unigram"),
        (f"{label} accuracy", f"{name}_accuracy", f"{name}_most_frequent_accuracy", "most frequent token"))
) + tuple(
    row for name in ("nsp", "sop") for label in [name.upper()] for row in (
        (f"{label} loss (nats)", f"{name}_loss", None, None),
        (f"{label} accuracy", f"{name}_accuracy", f"{name}_majority_accuracy", "majority class"))
)


def show_scores(console: Console, scores: dict) -> None:
    """Prints held-out scores beside the trivial baselines."""
    baselines = scores.get("baselines", {})
    title = f"{scores['examples']:,} examples" + (f", step {scores['step']}" if "step" in scores else "")
    table = Table("held out", "score", "baseline", "of", title=title, title_justify="left")
    # Scores of a task are called 'SPLIT/METRIC'.
    rows = [row for row in _ROWS if row[1] in scores] + [
        (name, name, name, "one guess for all") for name in scores if "/" in name]
    for label, name, baseline, of in rows:
        known = baseline in baselines
        table.add_row(label, f"{scores[name]:.4f}", f"{baselines[baseline]:.4f}" if known else "", of if known else "")
    console.print(table)


def show_state(console: Console, lines: list[dict], workdir: Path) -> None:
    """Prints the latest training and held-out metrics of a run that is not finished."""
    latest = {line["kind"]: line for line in lines}
    table = Table("metric", *latest, title=f"{workdir}, not finished", title_justify="left")
    for name in dict.fromkeys(name for line in latest.values() for name in line if name != "kind"):
        table.add_row(name, *(f"{line[name]:.6g}" if name in line else "" for line in latest.values()))
    console.print(table)
    console.print(f"  {workdir / run.CURVES}: curves", highlight=False, soft_wrap=True)


def show_results(console: Console, results: dict, workdir: Path) -> None:
    """Prints scores, where the time went, and where everything lies."""
    show_scores(console, results)
    seconds = results["seconds"]
    console.print("seconds: " + ", ".join(f"{name} {spent:.0f}" for name, spent in seconds.items()), highlight=False,
                  soft_wrap=True)
    for name, what in ((run.RESULTS, "these results"), (run.METRICS, "metrics by step"), (run.CURVES, "curves"),
                       (run.PREDICTIONS, "what was predicted of each example"), (CHECKPOINTS, "checkpoints"),
                       (run.CONFIG, "the recipe as it was run")):
        if not (workdir / name).exists():
            continue
        console.print(f"  {workdir / name}: {what}", highlight=False, soft_wrap=True)
