"""The batches on which golden files are made and checked."""

import numpy as np

ROWS, LENGTH, VOCAB, PREDICTIONS = 6, 24, 120, 3


def batch(
    seed: int, rows: int = ROWS, length: int = LENGTH, vocab_size: int = VOCAB
) -> dict[str, np.ndarray]:
    """A batch of ours: ragged rows of one example each; the masked positions of a row differ."""
    rng = np.random.default_rng(seed)
    at, tokens = np.arange(length), rng.integers(length // 3, length + 1, (rows, 1))
    present = (at < tokens).astype(np.int32)
    positions = np.sort(
        np.stack(
            [rng.choice(np.arange(1, length // 3), PREDICTIONS, replace=False) for _ in range(rows)]
        ),
        axis=1,
    )
    return dict(
        input_ids=(rng.integers(5, vocab_size, (rows, length)) * present).astype(np.int32),
        token_type_ids=((at > length // 4) * present).astype(np.int32),
        position_ids=(at * present).astype(np.int32),
        segment_ids=present,
        example_positions=np.zeros((rows, 1), np.int32),
        example_weights=np.ones((rows, 1), np.float32),
        masked_positions=positions.astype(np.int32),
        masked_ids=rng.integers(5, vocab_size, (rows, PREDICTIONS)).astype(np.int32),
        masked_weights=np.ones((rows, PREDICTIONS), np.float32),
        next_sentence_labels=rng.integers(0, 2, (rows, 1)).astype(np.int32),
    )
