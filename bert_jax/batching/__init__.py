"""Tools that corpora and tasks share to make batches: randomness, packing, prefetching."""

import numpy as np

Batch = dict[str, np.ndarray]  # arrays by name; `bert_jax.pretraining.batches` describes each
