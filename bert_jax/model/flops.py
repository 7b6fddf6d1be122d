"""Floating-point operations of the model, counted from its shapes."""

from bert_jax.config import ModelConfig


def forward(config: ModelConfig, rows: int, length: int, predictions: int, examples: int) -> int:
    """Multiplications and additions of matrix products in a forward pass with MLM and NSP heads.

    The vocabulary product counts at the masked positions only, which is where it is needed.

    Args:
        rows, length: of the batch, padding included.
        predictions, examples: a row.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    projections = 2 * length * (4 * hidden * hidden + 2 * hidden * inner)
    attention = 2 * 2 * length * length * hidden
    mlm = 2 * predictions * (hidden * hidden + hidden * config.vocab_size)
    nsp = 2 * examples * (hidden * hidden + 2 * hidden)
    return rows * (config.num_layers * (projections + attention) + mlm + nsp)


def train_step(config: ModelConfig, rows: int, length: int, predictions: int, examples: int) -> int:
    """The same of a training step: the backward pass takes two products for each of the forward pass."""
    return 3 * forward(config, rows, length, predictions, examples)
