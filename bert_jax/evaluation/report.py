"""The protocol's plan and results for a person to read: on the terminal, and as Markdown."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bert_jax.evaluation.protocol import Run, is_done
from bert_jax.evaluation.published import TEST_SCORES
from bert_jax.tasks import examples
from bert_jax.tasks.glue import TASKS


def show_plan(console: Console, planned: list[Run], workdir: Path) -> None:
    """Prints which runs there would be, and how many of them are done."""
    table = Table("task", "training examples", "settings", "seeds", "runs", "done", "steps left")
    for task in dict.fromkeys(one.task for one in planned):
        runs = [one for one in planned if one.task == task]
        config = runs[0].config
        rows = len(examples.opened(config.task.name, config.task.data_dir, config.task.train_split))
        done = [one for one in runs if is_done(one, workdir)]
        steps = sum(round(-(-rows // one.config.train.batch_size) * one.config.train.epochs)
                    for one in runs if one not in done)
        table.add_row(task, f"{rows:,}", str(len(runs) // config.protocol.seeds), str(config.protocol.seeds),
                      str(len(runs)), str(len(done)), f"{steps:,}")
    console.print(table)


def show_results(console: Console, results: dict[str, dict]) -> None:
    """Prints a row a task: the selected setting and its scores over seeds."""
    table = Table(*_COLUMNS)
    for task, found in results.items():
        table.add_row(*_row(task, found))
    console.print(table)


_COLUMNS = ("task", "score", "best", "median", "mean", "deviation", "95% interval of the mean", "runs", "selected")


def _row(task: str, found: dict) -> list[str]:
    one = next(one for one in found["settings"] if one["setting"] == found["selected"])
    interval = f"{one['interval'][0]:.4f} to {one['interval'][1]:.4f}" if one["interval"] else ""
    setting = ", ".join(f"{name} {value:g}" for name, value in found["selected"].items())
    deviation = "" if one["deviation"] is None else f"{one['deviation']:.4f}"
    return [task, found["metric"], f"{one['best']:.4f}", f"{one['median']:.4f}", f"{one['mean']:.4f}", deviation,
            interval, str(one["runs"]), setting]


def write_markdown(results: dict[str, dict], checkpoint: Path, path: Path) -> None:
    """Writes the tables: ours over seeds, every setting, and the paper's row beside ours."""
    lines = [f"# {checkpoint}, fine-tuned", "",
             "Scores on development sets, of the setting with the best mean over seeds.", "",
             *_table(_COLUMNS, [_row(task, found) for task, found in results.items()])]
    glue = [task for task in results if task.removeprefix("glue/") in TASKS]
    if glue:
        names = [task.removeprefix("glue/") for task in glue]
        ours = [_of_best(results[task], TASKS[name].bert) for task, name in zip(glue, names)]
        rows = [["this checkpoint, development sets, best run", *ours]]
        for model, (source, scores) in TEST_SCORES.items():
            rows.append([f"{model}, test sets ({source})",
                         *(f"{scores[name]:.1f}" if name in scores else "" for name in names)])
        metrics = [f"{name} ({TASKS[name].bert or TASKS[name].selection})" for name in names]
        lines += ["", "## Beside published scores", "",
                  "Those are of test sets, which only gluebenchmark.com can score.",
                  "", *_table(["", *metrics], rows)]
    lines += ["", "## Every setting", ""]
    for task, found in results.items():
        lines += _table(["task", *_COLUMNS[2:]], [
            [task, *_row(task, found | dict(selected=one["setting"]))[2:]] for one in found["settings"]]) + [""]
    path.write_text("\n".join(lines) + "\n")


def _of_best(found: dict, metric: str) -> str:
    scores = next(one["scores"] for one in found["runs"] if one["directory"] == found["best"])
    split = found["metric"].partition("/")[0]
    return f"{100 * scores[f'{split}/{metric}']:.1f}" if metric else ""


def _table(columns, rows) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *(f"| {' | '.join(row)} |" for row in rows)]
