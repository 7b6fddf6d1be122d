"""BERT in JAX: pretraining, fine-tuning, and models to use.

    import bert_jax

    model = bert_jax.load("runs/books")
    model.encode(["A text.", "Another one."])  # [2, hidden]
    model.fill_mask("Paris is the [MASK] of France.")

Importing this package imports nothing heavy; JAX is imported when a model is loaded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bert_jax.inference.library_model import Model


def load(
    path: str | os.PathLike,
    *,
    length: int = 0,
    batch_size: int = 64,
    dtype: str = "float32",
    matmul_precision: str = "default",
    vocab_file: str = "",
) -> Model:
    """Loads a model from a checkpoint of any format, on all devices.

    Args:
        path: a workdir or one of its checkpoints, a converted checkpoint, a Hugging Face directory,
            or Google's checkpoint; on a disk or, for the first two, in a bucket.
        length: maximum number of tokens of a text, special tokens included; longer texts lose their
            end. 0: as in training, or if that is not known, as the model takes.
        batch_size: maximum number of texts that are computed at once.
        dtype: data type of the computation, 'float32' or 'bfloat16'; results are float32.
        matmul_precision: precision of float32 matrix products: 'default', 'high' or 'highest',
            which is exact on TPUs and GPUs too.
        vocab_file: the vocabulary, where that is not beside the checkpoint.

    Returns:
        A model with `encode`, `fill_mask`, `predict`, `tokenize`, `hidden_states`, `attentions`,
        `params` and `apply`.

    Raises:
        UserError: the checkpoint cannot be opened, has no vocabulary, or takes shorter texts.
        ValueError: an argument is out of range.
    """
    from bert_jax.config import ComputeConfig
    from bert_jax.inference.library_model import Model

    compute = ComputeConfig(dtype=dtype, matmul_precision=matmul_precision)
    return Model.load(
        path, length=length, batch_size=batch_size, compute=compute, vocab_file=vocab_file
    )
