"""The protocol's runs as pictures: how they learned, what they scored, and what the best of a task
gets wrong."""

import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from bert_jax.protocol import predictions
from bert_jax.protocol.fine_tuning import said, split_of
from bert_jax.protocol.predictions import Predicted
from bert_jax.runs import files
from bert_jax.runs.sinks.jsonl import read

PLOTS = "plots"  # their directory in the protocol's
MOST_CLASSES = 30  # of a confusion matrix, and bars of F1
MOST_POINTS = 100  # of a line of training losses
_DARK, _STRONG = "#333333", "#0072B2"


@dataclass(frozen=True)
class Picture:
    """A PNG, and what there is to see in it."""

    path: Path
    caption: str


def draw(results: dict[str, dict], workdir: Path) -> dict[str, list[Picture]]:
    """Draws all pictures that the files of the runs allow, as `WORKDIR/plots/TASK-*.png`.

    Args:
        results: of `protocol.results_of`.
        workdir: of the protocol.

    Returns:
        By task its pictures, in the order in which one would look at them.
    """
    (workdir / PLOTS).mkdir(exist_ok=True)
    # Names of tasks and classes are text, whatever dollars are in them.
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 9, "axes.titlesize": 10}):
        return {task: _of_task(task, found, workdir) for task, found in results.items()}


def _of_task(task: str, found: dict, workdir: Path) -> list[Picture]:
    drawn = []

    def keep(name: str, figure: Figure, caption: str) -> None:
        path = workdir / PLOTS / f"{task.replace('/', '-')}-{name}.png"
        figure.savefig(path, dpi=120)
        drawn.append(Picture(path, caption))

    keep(
        "curves",
        curves(task, found, workdir),
        "A line a run, coloured by its setting; bold: the setting that was selected.",
    )
    keep(
        "settings",
        settings(task, found),
        "A dot a run; the diamond is their mean, the bar its 95% bootstrap interval. Bold: the "
        "setting that was "
        "selected.",
    )
    split = split_of(found["metric"])
    predicted = predictions.read(workdir / found["best"], split, found["kind"])
    if predicted is None:
        return drawn
    title = f"{task}, best run on {split}"
    if (
        predicted.kind in ("classification", "tagging")
        and 0 < len(predicted.classes) <= MOST_CLASSES
    ):
        keep(
            "confusion",
            confusion(title, predicted),
            "Rows are labels, columns what was predicted; colours and percentages are shares of a "
            "row.",
        )
    if predicted.kind in predictions.ONE_OF:
        keep(
            "calibration",
            calibration(title, predicted),
            "How often the model is right where it is so sure: of a calibrated one the points lie "
            "on the dashed line. "
            "Bars are 95% Wilson intervals.",
        )
    if predicted.kind == "regression":
        keep(
            "scatter",
            scatter(title, predicted),
            "A dot an example; on the dashed line it would be predicted right.",
        )
    if predicted.kind == "multilabel" and predicted.classes:
        keep(
            "labels",
            f1_of_labels(title, predicted),
            "F1 of each label, the most frequent ones first.",
        )
    return drawn


def curves(task: str, found: dict, workdir: Path) -> Figure:
    """The score that counts by step, and the training loss beside it."""
    height = max(3.6, 0.6 + 0.17 * len(found["settings"]))
    figure = Figure(figsize=(10.5, height), layout="constrained")
    score, loss = figure.subplots(1, 2)
    for one, colour in zip(found["settings"], _colours(found)):
        selected = one["setting"] == found["selected"]
        style = dict(
            color=colour,
            linewidth=2.4 if selected else 0.9,
            alpha=1.0 if selected else 0.8,
            zorder=3 if selected else 2,
        )
        label = said(one["setting"]) + (" (selected)" if selected else "")
        for of_setting in found["runs"]:
            if of_setting["setting"] != one["setting"]:
                continue
            lines = read(workdir / of_setting["directory"] / files.METRICS)
            points = _points(lines, "held_out", found["metric"])
            score.plot(*points, marker="o", markersize=5 if selected else 3.5, label=label, **style)
            loss.plot(*_thinned(_points(lines, "train", "loss")), **style)
            label = None  # once in the legend
    baseline = _baseline(found, workdir)
    if baseline is not None:
        score.axhline(baseline, color=_DARK, linestyle="--", linewidth=1, label="one guess for all")
    score.set(title=f"{found['metric']} of {task}", xlabel="step", ylabel=found["metric"])
    loss.set(title="training loss", xlabel="step", ylabel="loss")
    for ax in (score, loss):
        _tidy(ax)
    figure.legend(
        *score.get_legend_handles_labels(), loc="outside right upper", fontsize=8, frameon=False
    )
    return figure


def _points(lines: list[dict], kind: str, name: str) -> np.ndarray:
    """Steps and values `[2, points]`."""
    found = [(line["step"], line[name]) for line in lines if line["kind"] == kind and name in line]
    return np.array(found, np.float64).reshape(-1, 2).T


def _thinned(points: np.ndarray) -> np.ndarray:
    """Means over neighbours, so that many noisy lines can be told apart; at most MOST_POINTS."""
    groups = min(MOST_POINTS, points.shape[1])
    return (
        np.array([part.mean(axis=1) for part in np.array_split(points, groups, axis=1)]).T
        if groups
        else points
    )


def _baseline(found: dict, workdir: Path) -> float | None:
    path = workdir / found["best"] / files.RESULTS
    return (
        json.loads(path.read_text()).get("baselines", {}).get(found["metric"])
        if path.exists()
        else None
    )


def settings(task: str, found: dict) -> Figure:
    """The scores of each setting over its runs."""
    count, metric = len(found["settings"]), found["metric"]
    figure = Figure(figsize=(7.5, 1.1 + 0.34 * count), layout="constrained")
    ax = figure.subplots()
    for at, (one, colour) in enumerate(zip(found["settings"], _colours(found))):
        scores = [of["scores"][metric] for of in found["runs"] if of["setting"] == one["setting"]]
        # Seeds lie one above the other where they would hide each other.
        ax.scatter(
            scores,
            at + np.linspace(-0.18, 0.18, len(scores) + 2)[1:-1],
            s=26,
            color=colour,
            alpha=0.8,
            linewidths=0,
            zorder=2,
        )
        if one["interval"]:
            ax.plot(one["interval"], [at, at], color=_DARK, linewidth=1.4, zorder=3)
        if len(scores) > 1:
            ax.scatter(
                [one["mean"]], [at], s=34, marker="D", color="white", edgecolors=_DARK, zorder=4
            )
    ax.set_yticks(range(count), [said(one["setting"]) for one in found["settings"]])
    for tick, one in zip(ax.get_yticklabels(), found["settings"]):
        tick.set_fontweight("bold" if one["setting"] == found["selected"] else "normal")
    ax.set(title=f"{task}, scores by setting", xlabel=metric, ylim=(count - 0.5, -0.5))
    _tidy(ax)
    return figure


def confusion(title: str, predicted: Predicted) -> Figure:
    """The confusion matrix, with counts and shares of a row."""
    counts, names = predictions.confusion(predicted), [_short(name) for name in predicted.classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    roomy = len(names) <= 12
    cell = max(0.75, 2.6 / len(names)) if roomy else 0.35  # inches
    figure = Figure(
        figsize=(cell * len(names) + 2.6, cell * len(names) + 1.4), layout="constrained"
    )
    ax = figure.subplots()
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        count, share = counts[row, column], shares[row, column]
        text = f"{count}\n{share:.0%}" if roomy else str(count) if count else ""
        ax.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=8.5 if roomy else 7,
            color="white" if share > 0.55 else _DARK,
        )
    long = max(map(len, names)) * 0.085 > cell
    ax.set_xticks(
        range(len(names)),
        names,
        rotation_mode="anchor",
        **dict(rotation=40, ha="right") if long else {},
    )
    ax.set_yticks(range(len(names)), names)
    of = "words" if predicted.kind == "tagging" else "examples"
    ax.set(xlabel="predicted", ylabel="label", title=f"{title}\n{counts.sum():,} {of}")
    figure.colorbar(image, ax=ax, shrink=0.8, aspect=25, label="share of the row")
    return figure


def calibration(title: str, predicted: Predicted) -> Figure:
    """The reliability diagram, over a histogram of confidences."""
    found = predictions.calibration(predicted)
    edges = np.linspace(0, 1, predictions.BINS + 1)
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    there = found.counts > 0
    low, high = np.array(
        [
            _wilson(share, count)
            for share, count in zip(found.accuracies[there], found.counts[there])
        ]
    ).T
    accuracies = found.accuracies[there]
    above.plot([0, 1], [0, 1], color=_DARK, linestyle="--", linewidth=1, label="calibrated")
    # Of a share of 0 or 1 the interval's end may lie beyond it by rounding.
    above.errorbar(
        found.confidences[there],
        accuracies,
        np.maximum([accuracies - low, high - accuracies], 0),
        fmt="o-",
        color=_STRONG,
        markersize=5,
        linewidth=1.2,
        elinewidth=1,
        capsize=2.5,
        label="this model",
    )
    above.set(
        ylabel="accuracy",
        xlim=(0, 1),
        ylim=(-0.02, 1.02),
        title=f"{title}\nexpected calibration error {found.error:.3f}",
    )
    above.legend(loc="upper left", frameon=False)
    below.bar(
        edges[:-1],
        found.counts,
        width=np.diff(edges),
        align="edge",
        color=_STRONG,
        edgecolor="white",
    )
    below.set(
        xlabel="confidence: the probability of what was predicted",
        ylabel="examples",
        xticks=edges[::2],
    )
    for ax in (above, below):
        _tidy(ax)
    return figure


def _wilson(share: float, count: int) -> tuple[float, float]:
    interval = stats.binomtest(round(share * count), int(count)).proportion_ci(method="wilson")
    return interval.low, interval.high


def scatter(title: str, predicted: Predicted) -> Figure:
    """Predicted numbers by labels."""
    labels, guesses = (
        np.array(predicted.labels, np.float64),
        np.array(predicted.predictions, np.float64),
    )
    both = np.concatenate([labels, guesses])
    both = both[np.isfinite(both)]
    margin = 0.04 * np.ptp(both) or 0.5
    limits = both.min() - margin, both.max() + margin
    figure = Figure(figsize=(5, 5.2), layout="constrained")
    ax = figure.subplots()
    ax.plot(limits, limits, color=_DARK, linestyle="--", linewidth=1, zorder=1)
    ax.scatter(
        labels,
        guesses,
        s=14,
        color=_STRONG,
        alpha=0.25 if len(labels) > 300 else 0.5,
        linewidths=0,
        zorder=2,
    )
    ax.set(
        xlabel="label",
        ylabel="prediction",
        xlim=limits,
        ylim=limits,
        aspect="equal",
        title=f"{title}: {len(labels):,} examples",
    )
    _tidy(ax)
    return figure


def f1_of_labels(title: str, predicted: Predicted) -> Figure:
    """A bar a label."""
    scores, counts = predictions.f1_of_labels(predicted)
    shown = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    figure = Figure(figsize=(6.5, 1.2 + 0.27 * len(shown)), layout="constrained")
    ax = figure.subplots()
    bars = ax.barh(range(len(shown)), scores[shown], color=_STRONG, height=0.7)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    ax.set_yticks(
        range(len(shown)), [f"{_short(predicted.classes[i])} ({counts[i]:,})" for i in shown]
    )
    some = (
        f", {len(shown)} most frequent of {len(scores)} labels" if len(shown) < len(scores) else ""
    )
    ax.set(
        xlabel="F1",
        ylabel="label (examples that have it)",
        xlim=(0, 1.09),
        ylim=(len(shown) - 0.4, -0.6),
        xticks=np.linspace(0, 1, 6),
        title=f"{title}{some}",
    )
    _tidy(ax)
    ax.grid(visible=False, axis="y")
    return figure


def _colours(found: dict) -> list:
    """A colour a setting that the colour-blind tell apart: Petroff's ten (arXiv:2107.02270), or of
    more settings a sequence, and red for the one that was selected."""
    ten, count = matplotlib.color_sequences["petroff10"], len(found["settings"])
    if count <= len(ten):
        return ten[:count]
    many = matplotlib.colormaps["viridis"](np.linspace(0, 0.95, count))
    return [
        ten[2] if one["setting"] == found["selected"] else tuple(colour)
        for one, colour in zip(found["settings"], many)
    ]


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _tidy(ax: Axes) -> None:
    ax.grid(alpha=0.25, zorder=0)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
