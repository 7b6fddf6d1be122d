"""Several examples in a row: which go together, and in how many rows batches come.

Attention stays within an example, so what stands beside it in a row changes nothing but the time
that padding takes.
"""

import numpy as np


def pack(lengths: np.ndarray, row_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Puts examples into rows: the longest first, each into the first row that has room.

    Args:
        lengths: int `[examples]`, each at most `row_length`.

    Returns:
        int64 `[examples]`: the row of each example, numbered from 0 without gaps, and where in it
        it begins.
    """
    rows, begins = np.empty(len(lengths), np.int64), np.empty(len(lengths), np.int64)
    used: list[int] = []
    for example in np.argsort(-lengths, kind="stable"):
        length = int(lengths[example])
        for row, taken in enumerate(used):
            if taken + length <= row_length:
                break
        else:
            row, taken = len(used), 0
            used.append(0)
        rows[example], begins[example] = row, taken
        used[row] += length
    return rows, begins


def row_counts(needed: np.ndarray, most: int, multiple: int) -> tuple[int, ...]:
    """The numbers of rows, at most `most` different ones, to which batches are padded with the
    least waste in all.

    Args:
        needed: int `[batches]`, rows that each batch fills.
        multiple: what each number must be a multiple of, to divide over a mesh.

    Returns:
        Rising; the last is enough for every batch.
    """
    rounded = -(-needed // multiple) * multiple
    sizes, batches = np.unique(rounded, return_counts=True)
    # best[j]: the least rows in all for the batches up to size j with so many different numbers,
    # and those numbers.
    best: list[tuple[int, tuple[int, ...]]] = [
        (int(batches[: j + 1].sum() * size), (int(size),)) for j, size in enumerate(sizes)
    ]
    for _ in range(min(most, len(sizes)) - 1):
        best = [
            min(
                [
                    best[j],
                    *(
                        (
                            best[i][0] + int(batches[i + 1 : j + 1].sum() * size),
                            (*best[i][1], int(size)),
                        )
                        for i in range(j)
                    ),
                ]
            )
            for j, size in enumerate(sizes)
        ]
    return best[-1][1]
