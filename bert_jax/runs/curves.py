"""Curves of a run as a picture."""

from pathlib import Path

import numpy as np

from bert_jax.runs.scores import Score, known_scores

_STYLES: dict[str, dict] = {
    "train": dict(label="training", color="tab:blue", alpha=0.5),
    "held_out": dict(label="held out", color="tab:orange", marker="o"),
}
_NOT_DRAWN = ("mlm_perplexity", "lm_perplexity", "nsp_loss", "sop_loss")


def plot(
    lines: list[dict], baselines: dict[str, float], bands: dict[str, np.ndarray], path: Path
) -> None:
    """Draws scores over steps, with trivial baselines and the recipe's reference, as a PNG.

    Args:
        lines: lines of `metrics.jsonl`.
        baselines: trivial scores by name.
        bands: the reference's bands by name, `[steps, 3]`: step, lowest and highest.
        path: where to write the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = _panels(lines)
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(4.6 * len(panels), 3.6), squeeze=False, layout="constrained"
    )
    for ax, score in zip(axes[0], panels, strict=True):
        for kind, style in _STYLES.items():
            points = [(x["step"], x[score.name]) for x in lines if _has(x, kind, score.name)]
            if points:
                ax.plot(*np.array(points).T, **style)
        if score.name in bands:
            steps, low, high = bands[score.name].T
            ax.fill_between(steps, low, high, color="tab:green", alpha=0.2, label="reference")
        if score.baseline in baselines:
            value = baselines[score.baseline]
            ax.axhline(value, color="grey", linestyle="--", label=score.baseline_title)
        ax.set(title=score.title, xlabel="step")
        ax.grid(alpha=0.3)
        ax.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panels(lines: list[dict]) -> list[Score]:
    """Losses and accuracies of a corpus, or the training loss and all scores of a task."""
    names: dict[str, None] = {}
    for line in lines:
        names |= dict.fromkeys(line)
    scores = [score for score in known_scores(names) if score.name not in _NOT_DRAWN]
    of_corpora = [score for score in scores if "/" not in score.name]
    return of_corpora or [Score("loss", "training loss"), *scores]


def _has(line: dict, kind: str, name: str) -> bool:
    return line["kind"] == kind and name in line
