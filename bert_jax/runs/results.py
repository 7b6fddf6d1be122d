"""Results of a run on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.runs import files
from bert_jax.runs.scores import known_scores

_FILES = {
    files.RESULTS: "these results",
    files.METRICS: "metrics by step",
    files.CURVES: "curves",
    files.PREDICTIONS: "the prediction for each example",
    CHECKPOINTS: "checkpoints",
    files.CONFIG: "the recipe as it was run",
}


def show_scores(console: Console, scores: dict) -> None:
    """Prints held-out scores beside the trivial baselines."""
    baselines = scores.get("baselines", {})
    title = f"{scores['examples']:,} examples"
    if "step" in scores:
        title += f", step {scores['step']}"
    table = Table("held out", "score", "baseline", "of", title=title, title_justify="left")
    for score in known_scores(scores):
        baseline = baselines.get(score.baseline)
        table.add_row(
            score.title,
            f"{scores[score.name]:.4f}",
            "" if baseline is None else f"{baseline:.4f}",
            "" if baseline is None else score.baseline_title,
        )
    console.print(table)


def show_state(console: Console, lines: list[dict], workdir: Path) -> None:
    """Prints the latest training and held-out metrics of a run that is not finished."""
    latest = {line["kind"]: line for line in lines}
    names: dict[str, None] = {}
    for line in latest.values():
        names |= dict.fromkeys(line)
    names.pop("kind", None)
    table = Table("metric", *latest, title=f"{workdir}, not finished", title_justify="left")
    for name in names:
        values = [f"{line[name]:.6g}" if name in line else "" for line in latest.values()]
        table.add_row(name, *values)
    console.print(table)
    _show_file(console, workdir / files.CURVES, "curves")


def show_results(console: Console, results: dict, workdir: Path) -> None:
    """Prints scores, where the time went, and the files that a run left."""
    show_scores(console, results)
    seconds = ", ".join(f"{name} {spent:.0f}" for name, spent in results["seconds"].items())
    console.print(f"seconds: {seconds}", highlight=False, soft_wrap=True)
    for name, contents in _FILES.items():
        if (workdir / name).exists():
            _show_file(console, workdir / name, contents)


def _show_file(console: Console, path: Path, contents: str) -> None:
    console.print(f"  {path}: {contents}", highlight=False, soft_wrap=True)
