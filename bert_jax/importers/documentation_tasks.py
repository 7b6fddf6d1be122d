"""Two labelled tasks of the demo's documentation, so that a demo goes on to fine-tuning without a
network.

`documentation_packages`: which of four packages a paragraph is from. `documentation_pairs`: which
of two paragraphs is of numerical software. Documents are either learned from or scored on. All are
of the corpus's training split: as in life, a model may have read them, but without their labels.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from bert_jax.importers import dataset
from bert_jax.importers.tally import Tally

# This project needs all of these packages, and so they are there.
PACKAGES = ("huggingface_hub", "matplotlib", "scipy", "tensorflow_datasets")
NUMERICAL, OTHER = (
    ("numpy", "scipy"),
    ("flax", "huggingface_hub", "matplotlib", "orbax", "tensorflow_datasets"),
)
PLACES = ("first", "second")
ROWS = {"train": 1200, "validation": 600}

Paragraphs = Callable[[str, tuple[str, ...]], list[str]]  # those of some packages in a split


def packages(paragraphs: Paragraphs) -> Iterator[tuple[str, dict]]:
    """(split, example) of the first task, as many of each class."""
    for split, rows in ROWS.items():
        of_classes = [
            paragraphs(split, (package,))[: rows // len(PACKAGES)] for package in PACKAGES
        ]
        for texts in zip(*of_classes):
            for label, text in zip(PACKAGES, texts):
                yield split, dict(text=text, label=label)


def pairs(paragraphs: Paragraphs) -> Iterator[tuple[str, dict]]:
    """(split, example) of the second task, the classes in turns."""
    for split, rows in ROWS.items():
        for i, (one, other) in enumerate(
            zip(paragraphs(split, NUMERICAL)[:rows], paragraphs(split, OTHER))
        ):
            first, second = ((one, other), (other, one))[i % 2]
            yield split, dict(text=first, text_pair=second, label=PLACES[i % 2])


TASKS = {
    "documentation_packages": (
        packages,
        PACKAGES,
        "Which package a paragraph of documentation is from.",
    ),
    "documentation_pairs": (
        pairs,
        PLACES,
        "Which of two paragraphs of documentation is of numerical software.",
    ),
}


def write(name: str, paragraphs: Paragraphs, data_dir: str, recipe: dict) -> Any:
    """Writes a task under `data_dir` and returns its `DatasetInfo`; its metadata has `counts`, as
    of local tasks.

    Args:
        name: of TASKS.
        paragraphs: those of some packages in a split, each once, in an order that mixes documents.
        recipe: what they are a function of.
    """
    from tensorflow_datasets import features

    rows, labels, description = TASKS[name]
    made = list(_numbered(rows(paragraphs)))
    tallies = {split: Tally(labels) for split in ROWS}
    for split, example in made:
        tallies[split].add(
            [example[text] for text in _texts(example)], [labels.index(example["label"])]
        )
    shown = {text: features.Text() for text in _texts(made[0][1])}
    return dataset.write_examples(
        made,
        shown | dict(label=features.ClassLabel(names=list(labels)), idx=np.int32),
        name=name,
        data_dir=data_dir,
        recipe=recipe,
        description=description,
        counts={split: tally.counts() for split, tally in tallies.items()},
    )


def _texts(example: dict) -> list[str]:
    return [name for name in ("text", "text_pair") if name in example]


def _numbered(examples: Iterable[tuple[str, dict]]) -> Iterator[tuple[str, dict]]:
    numbers = dict.fromkeys(ROWS, 0)
    for split, example in examples:
        yield split, example | dict(idx=numbers[split])
        numbers[split] += 1
