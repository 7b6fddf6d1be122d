"""The curves of a run as a picture."""

from pathlib import Path

import numpy as np

from bert_jax.objectives import LANGUAGE


def plot(lines: list[dict], baselines: dict[str, float], bands: dict[str, np.ndarray], path: Path) -> None:
    """Draws losses and accuracies over steps, with the trivial baselines and the recipe's reference, and writes a PNG.

    Args:
        lines: of `metrics.jsonl`.
        baselines: from `bert_jax.data.baselines`; those that are there are drawn.
        bands: from `bert_jax.training.reference`.
        path: of the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [panel for name in LANGUAGE for panel in (
        (f"{name}_loss", f"{name.upper()} loss (nats)", f"{name}_unigram_loss", "unigram"),
        (f"{name}_accuracy", f"{name.upper()} accuracy", f"{name}_most_frequent_accuracy", "most frequent token"))]
    panels += [(f"{name}_accuracy", f"{name.upper()} accuracy", f"{name}_majority_accuracy", "majority class")
               for name in ("nsp", "sop")]
    panels = [panel for panel in panels if any(panel[0] in line for line in lines)] or _of_a_task(lines)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.6), squeeze=False,
                                   layout="constrained")
    for ax, (name, title, baseline, label) in zip(axes[0], panels):
        for kind, style in (("train", dict(color="tab:blue", alpha=0.5)),
                            ("held_out", dict(color="tab:orange", marker="o"))):
            points = [(line["step"], line[name]) for line in lines if line["kind"] == kind and name in line]
            if points:
                ax.plot(*zip(*points), label={"train": "training", "held_out": "held out"}[kind], **style)
        if name in bands:
            steps, low, high = bands[name].T
            ax.fill_between(steps, low, high, color="tab:green", alpha=0.2, label="reference")
        if baseline in baselines:
            ax.axhline(baselines[baseline], color="grey", linestyle="--", label=label)
        ax.set(title=title, xlabel="step")
        ax.grid(alpha=0.3)
        ax.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _of_a_task(lines: list[dict]) -> list[tuple[str, str, str, str]]:
    """Panels of the training loss, and of each metric of each validation split."""
    scored = dict.fromkeys(name for line in lines if line["kind"] == "held_out" for name in line if "/" in name)
    return [("loss", "training loss", "", "")] + [(name, name, name, "one guess for all") for name in scored]
