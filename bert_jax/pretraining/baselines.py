"""Scores of trivial predictions: the numbers to beat."""

from collections.abc import Iterable

import numpy as np

from bert_jax.batching import Batch
from bert_jax.objectives import LANGUAGE


def trivial_scores(
    batches: Iterable[Batch],
    training_counts: np.ndarray,
    objectives: tuple[str, ...],
) -> dict[str, float]:
    """Scores of guessing by frequency on held-out batches.

    Args:
        batches: the held-out batches.
        training_counts: int64 `[vocabulary]`, how often each token stands in the training split.
        objectives: of the recipe.

    Returns:
        `mlm_unigram_loss`, in nats, and `mlm_unigram_perplexity`: of guessing each token with its
        share of the training split (one added to every count); `mlm_most_frequent_accuracy`: of
        always guessing the most frequent one; of a run left to right the same with `lm`;
        `nsp_majority_accuracy` or `sop_majority_accuracy`: of always guessing the more frequent
        class.
    """
    predicted = np.zeros_like(training_counts)
    labels = np.zeros(2)
    for batch in batches:
        masked_ids = batch["masked_ids"][batch["masked_weights"] > 0]
        predicted += np.bincount(masked_ids, minlength=len(predicted))
        labels += np.bincount(
            batch["next_sentence_labels"].ravel(), batch["example_weights"].ravel(), minlength=2
        )
    log_share = np.log(training_counts + 1) - np.log(np.sum(training_counts + 1))
    loss = -np.sum(predicted * log_share) / predicted.sum()
    of_tokens = dict(
        unigram_loss=float(loss),
        unigram_perplexity=float(np.exp(loss)),
        most_frequent_accuracy=float(predicted[training_counts.argmax()] / predicted.sum()),
    )
    result: dict[str, float] = {}
    for name in objectives:
        if name in LANGUAGE:
            result |= {f"{name}_{score}": value for score, value in of_tokens.items()}
        elif name in ("nsp", "sop"):
            result[f"{name}_majority_accuracy"] = float(labels.max() / labels.sum())
    return result
