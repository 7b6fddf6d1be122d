"""Cross-validation: parts of a split, each of which is scored on by a run that learns from the
others."""

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from bert_jax.errors import UserError
from bert_jax.tasks.tokenised import TokenisedTask

NAME = "fold"  # of the part that is scored on, where splits have names


def of_folds(task: TokenisedTask, folds: int, fold: int) -> tuple[TokenisedTask, TokenisedTask]:
    """The examples to learn from and those to score on, in one of several folds.

    The folds are the same for all seeds. Each has its share of every class of a classification.

    Args:
        task: all of them.
        folds: how many parts there are.
        fold: the one to score on.

    Raises:
        UserError: there are fewer examples than folds, or of a class fewer than folds.
    """
    classes = task.kind == "classification"
    fewest = np.bincount(task.labels)[np.unique(task.labels)].min() if classes else len(task)
    if fewest < folds:
        raise UserError(
            "config.task.folds has more folds than there are examples" + " of some class" * classes,
            found=f"{folds} folds, {fewest} examples",
            expected="at most one fold an example",
            hint="fewer folds, or more data",
        )
    parts = (StratifiedKFold if classes else KFold)(folds, shuffle=True, random_state=0)
    learned, scored = list(parts.split(np.zeros(len(task)), task.labels if classes else None))[fold]
    return task.take(learned), task.take(scored)
