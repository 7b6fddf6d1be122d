"""The protocol's plan and results for a person to read: on the terminal, as Markdown and as
HTML."""

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path

import jax
from rich.console import Console
from rich.table import Column, Table

from bert_jax.protocol import plots
from bert_jax.protocol.fine_tuning import Run, is_done, said, split_of
from bert_jax.protocol.forecast import Forecast
from bert_jax.protocol.plots import Picture
from bert_jax.protocol.published import DEVELOPMENT_SCORES, TEST_SCORES
from bert_jax.tasks import examples
from bert_jax.tasks.glue import TASKS
from bert_jax.training.progress import clock_said
from bert_jax.training.summary import bytes_said

MARKDOWN, HTML = "results.md", "results.html"


def show_plan(
    console: Console, planned: list[Run], workdir: Path, forecasts: dict[str, Forecast]
) -> None:
    """Prints which runs there would be, how many of them are done, and what the others would take
    if that is known."""
    of_all = planned[0].config.protocol
    settings = len(of_all.batch_sizes) * len(of_all.epochs) * len(of_all.learning_rates)
    console.print(
        f"for each task {settings} setting(s) x {of_all.seeds} seed(s)"
        + (f" x {of_all.folds} folds" if of_all.folds else ""),
        highlight=False,
    )
    table = Table(
        "task",
        "examples",
        "runs",
        "done",
        "steps left",
        *("time", "memory") if forecasts else (),
        box=None,
        padding=(0, 2, 0, 0),
    )
    for task in dict.fromkeys(one.task for one in planned):
        runs = [one for one in planned if one.task == task]
        left = [one for one in runs if not is_done(one, workdir)]
        config = runs[0].config
        rows = len(examples.opened(config.task.name, config.task.data_dir, config.task.train_split))
        learned = rows - rows // of_all.folds if of_all.folds else rows
        steps = sum(
            round(-(-learned // one.config.train.batch_size) * one.config.train.epochs)
            for one in left
        )
        row = [task, f"{rows:,}", str(len(runs)), str(len(runs) - len(left)), f"{steps:,}"]
        if forecasts:
            row += [clock_said(forecasts[task].seconds), bytes_said(forecasts[task].bytes)]
        table.add_row(*row)
    console.print(table)
    if forecasts:
        seconds = sum(of_task.seconds for of_task in forecasts.values())
        console.print(
            f"about {clock_said(seconds)} (h:mm:ss) in all, one run after the other, on "
            f"{jax.device_count()} x {jax.devices()[0].device_kind}; memory is of each device",
            highlight=False,
        )


def show_results(console: Console, results: dict[str, dict]) -> None:
    """Prints a row a task: the scores over runs of the selected setting, as far as a terminal has
    room for them."""
    shown = ("task", "score", "mean", "deviation", "best", "runs")
    table = Table(
        *(Column(name, overflow="fold") for name in shown), box=None, padding=(0, 2, 0, 0)
    )
    for task, found in results.items():
        row = dict(zip(_COLUMNS, _row(task, found)))
        table.add_row(*(row[name] for name in shown))
    console.print(table)


_COLUMNS = (
    "task",
    "score",
    "best",
    "median",
    "mean",
    "deviation",
    "95% interval of the mean",
    "runs",
    "selected",
)


def _row(task: str, found: dict) -> list[str]:
    one = next(one for one in found["settings"] if one["setting"] == found["selected"])
    interval = f"{one['interval'][0]:.4f} to {one['interval'][1]:.4f}" if one["interval"] else ""
    deviation = "" if one["deviation"] is None else f"{one['deviation']:.4f}"
    return [
        task,
        found["metric"],
        f"{one['best']:.4f}",
        f"{one['median']:.4f}",
        f"{one['mean']:.4f}",
        deviation,
        interval,
        str(one["runs"]),
        said(found["selected"]),
    ]


@dataclass(frozen=True)
class Section:
    """A part of the report: a heading, what is said of its tables, and these as columns and
    rows."""

    heading: str
    text: str
    tables: list[tuple[list[str], list[list[str]]]]


def sections(results: dict[str, dict]) -> list[Section]:
    """The report: ours over seeds, the paper's rows beside ours, every setting."""
    found = [
        Section(
            "Scores",
            "Scores on development sets, of the setting with the best mean over seeds.",
            [(list(_COLUMNS), [_row(task, of_task) for task, of_task in results.items()])],
        )
    ]
    glue = [task for task in results if task.removeprefix("glue/") in TASKS]
    if glue:
        names = [task.removeprefix("glue/") for task in glue]
        ours = [_of_best(results[task], TASKS[name].bert) for task, name in zip(glue, names)]
        rows = [["this checkpoint, development sets, best run", *ours]]
        for model, (source, scores) in TEST_SCORES.items():
            rows.append(
                [
                    f"{model}, test sets ({source})",
                    *(f"{scores[name]:.1f}" if name in scores else "" for name in names),
                ]
            )
        metrics = [f"{name} ({TASKS[name].bert or TASKS[name].selection})" for name in names]
        found.append(
            Section(
                "Beside published scores",
                "Those are of test sets, which only gluebenchmark.com can score.",
                [(["", *metrics], rows)],
            )
        )
    tables = [
        _beside(task, of_task) for task, of_task in results.items() if task in DEVELOPMENT_SCORES
    ]
    if tables:
        found.append(Section("Beside published scores of development sets", "", tables))
    found.append(
        Section(
            "Every setting",
            "",
            [
                (
                    ["task", *_COLUMNS[2:-1], "setting"],
                    [
                        [task, *_row(task, of_task | dict(selected=one["setting"]))[2:]]
                        for one in of_task["settings"]
                    ],
                )
                for task, of_task in results.items()
            ],
        )
    )
    return found


def _beside(task: str, found: dict) -> tuple[list[str], list[list[str]]]:
    source, by_model = DEVELOPMENT_SCORES[task]
    metrics = list(next(iter(by_model.values())))
    rows = [["this checkpoint, best run", *(_of_best(found, metric) for metric in metrics)]]
    rows += [
        [f"{model} ({source})", *(f"{scores[metric]:.1f}" for metric in metrics)]
        for model, scores in by_model.items()
    ]
    return [task, *metrics], rows


def _of_best(found: dict, metric: str) -> str:
    scores = next(one["scores"] for one in found["runs"] if one["directory"] == found["best"])
    score = scores.get(f"{split_of(found['metric'])}/{metric}")  # a recipe may have other metrics
    return "" if score is None else f"{100 * score:.1f}"


def write(results: dict[str, dict], checkpoint: Path, command: str, workdir: Path) -> None:
    """Writes the report as Markdown and as HTML, and its pictures.

    Args:
        results: of `protocol.results_of`.
        checkpoint: that was fine-tuned.
        command: that did it.
        workdir: of the protocol.
    """
    (workdir / MARKDOWN).write_text(markdown(results, checkpoint, command), encoding="utf-8")
    page = html(results, checkpoint, command, plots.draw(results, workdir))
    (workdir / HTML).write_text(page, encoding="utf-8")


def markdown(results: dict[str, dict], checkpoint: Path, command: str) -> str:
    """The report as Markdown.

    Args:
        results: of `protocol.results_of`.
        checkpoint: that was fine-tuned.
        command: that did it.
    """
    lines = [f"# {checkpoint}, fine-tuned", "", f"    {command}", ""]
    for section in sections(results):
        lines += [f"## {section.heading}", "", *[section.text, ""] * bool(section.text)]
        for columns, rows in section.tables:
            lines += [
                f"| {' | '.join(columns)} |",
                "|" + "---|" * len(columns),
                *(f"| {' | '.join(row)} |" for row in rows),
                "",
            ]
    return "\n".join(lines)


def html(
    results: dict[str, dict], checkpoint: Path, command: str, pictures: dict[str, list[Picture]]
) -> str:
    """The report as one page of HTML that needs no other file: the same tables, and the pictures in
    it.

    Args:
        results: of `protocol.results_of`.
        checkpoint: that was fine-tuned.
        command: that did it.
        pictures: by task, of `plots.draw`.
    """
    first, *rest = [_section(section) for section in sections(results)]
    title = escape(f"{checkpoint}, fine-tuned")
    of_tasks = [
        f"<h2>{escape(task)}</h2>\n<div class=pictures>\n"
        + "\n".join(map(_figure, drawn))
        + "\n</div>"
        for task, drawn in pictures.items()
        if drawn
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            f"<h1>{title}</h1>",
            f"<pre>{escape(command)}</pre>",
            first,
            *of_tasks,
            *rest,
            "</body>",
            "</html>",
            "",
        ]
    )


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222 }
body { max-width: 1240px; margin: 2em auto; padding: 0 1em }
h1, h2 { line-height: 1.2 } h1 { overflow-wrap: anywhere } h2 { margin-top: 2em }
pre { background: #f5f5f5; padding: .7em 1em; white-space: pre-wrap; overflow-wrap: anywhere }
.table { overflow-x: auto; margin: 1em 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3em .8em; text-align: left; border-bottom: 1px solid #ddd }
th { border-bottom-color: #888 }
.pictures { display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start }
figure { margin: 0; max-width: 100% } img { max-width: 100%; height: auto }
figcaption { color: #555; font-size: 13px; contain: inline-size }
"""


def _section(section: Section) -> str:
    def row(tag: str, cells: list[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    lines = [
        f"<h2>{escape(section.heading)}</h2>",
        *[f"<p>{escape(section.text)}</p>"] * bool(section.text),
    ]
    for columns, rows in section.tables:
        lines += [
            "<div class=table><table>",
            row("th", columns),
            *(row("td", cells) for cells in rows),
            "</table></div>",
        ]
    return "\n".join(lines)


def _figure(picture: Picture) -> str:
    encoded, caption = base64.b64encode(picture.path.read_bytes()).decode(), escape(picture.caption)
    return (
        f'<figure><img src="data:image/png;base64,{encoded}" alt="{escape(picture.path.stem)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
