"""Counts of a labelled split, to be checked and shown."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any


class Tally:
    """Rows, labels and the longest text of a split, counted one example at a time.

    Args:
        label_names: of the classes; none: labels are numbers.
    """

    def __init__(self, label_names: Sequence[str] = ()):
        self._names = label_names
        self._rows = self._labelled = self._longest = 0
        self._classes: Counter[int] = Counter()
        self._low, self._high, self._sum = float("inf"), float("-inf"), 0.0

    def add(
        self, texts: Iterable[str | Sequence[str]], label: Iterable[int] | float | None
    ) -> None:
        """Counts an example: its texts (or lists of words), and its class ids, its number, or None
        where hidden."""
        self._rows += 1
        words = sum(len(text.split()) if isinstance(text, str) else len(text) for text in texts)
        self._longest = max(self._longest, words)
        if label is None:
            return
        self._labelled += 1
        if not isinstance(label, int | float):
            self._classes.update(label)
        else:
            self._low, self._high = min(self._low, label), max(self._high, label)
            self._sum += label

    def counts(self) -> dict:
        """`rows`; `longest`, in words of all texts of an example; and of what is not hidden
        `labels`, the number of each class, or `numbers` with `low`, `mean` and `high`."""
        counts: dict[str, Any] = dict(rows=self._rows, longest=self._longest)
        if self._labelled and self._names:
            counts["labels"] = {name: self._classes[i] for i, name in enumerate(self._names)}
        elif self._labelled:
            counts["numbers"] = dict(
                low=self._low, mean=self._sum / self._labelled, high=self._high
            )
        return counts
