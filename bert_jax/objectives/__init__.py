"""Losses. An objective is a module with the name of its head and two pure functions:

    HEAD                       the head of the model that it reads
    weight(batch)              how much counts in a batch: predictions, examples, ...
    terms(logits, batch)       `Terms`: sums over the batch

A loss is the sum of `terms` over that of `weight`. The weight is known before anything is computed,
so a batch may be computed in parts, or over a mesh, and gives the loss of the whole batch: no mean
is taken of means.
"""

from bert_jax.errors import unknown_name
from bert_jax.objectives import (
    classification,
    lm,
    mlm,
    multilabel,
    multiple_choice,
    nsp,
    regression,
    sop,
    span,
    tag,
)

OBJECTIVES = {
    "mlm": mlm,
    "lm": lm,
    "nsp": nsp,
    "sop": sop,
    "class": classification,
    "regression": regression,
    "multilabel": multilabel,
    "tag": tag,
    "span": span,
    "choice": multiple_choice,
}
LANGUAGE = ("mlm", "lm")  # what a run on a corpus learns of its tokens
# What is learned of a task, by its kind.
OF_KIND = dict(
    classification="class",
    regression="regression",
    multilabel="multilabel",
    tagging="tag",
    span="span",
    choice="choice",
)


def choose(names: tuple[str, ...]) -> dict:
    """The objectives of these names, in their order.

    Raises:
        UserError: a name is unknown.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise unknown_name(
                "config.objectives names an objective that does not exist", name, OBJECTIVES
            )
    return {name: OBJECTIVES[name] for name in names}


def heads_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the heads that these objectives read, each once.

    Raises:
        UserError: a name is unknown.
    """
    return tuple(dict.fromkeys(objective.HEAD for objective in choose(names).values()))
