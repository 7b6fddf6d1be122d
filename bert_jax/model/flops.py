"""Floating-point operations of the model, counted from its shapes."""

from collections.abc import Mapping

from bert_jax.config import ModelConfig
from bert_jax.model.features import FEATURES
from bert_jax.model.heads import POOLED, SCORES, outputs_of


def forward(config: ModelConfig, heads: tuple[str, ...], batch: Mapping) -> int:
    """Multiplications and additions of matrix products in a forward pass with these heads.

    The vocabulary product counts at the masked positions only, which is where it is needed.

    Args:
        batch: arrays or their shapes, as `bert_jax.data.batches` has them, padding included.
    """
    return _encoder(config, batch) + _heads(config, heads, batch)


def train_step(config: ModelConfig, heads: tuple[str, ...], batch: Mapping) -> int:
    """The same of a training step: the backward pass takes two products for each of the forward pass, but none of an
    encoder that only gives features."""
    return (1 if config.features else 3) * _encoder(config, batch) + 3 * _heads(config, heads, batch)


def _encoder(config: ModelConfig, batch: Mapping) -> int:
    hidden, inner = config.hidden_size, config.intermediate_size
    rows, length = batch["input_ids"].shape
    projections = 2 * length * (4 * hidden * hidden + 2 * hidden * inner)
    attention = 2 * 2 * length * length * hidden
    return rows * config.num_layers * (projections + attention)


def _heads(config: ModelConfig, heads: tuple[str, ...], batch: Mapping) -> int:
    hidden, size = config.hidden_size, config.lstm_size
    rows, length = batch["input_ids"].shape
    examples = batch["example_positions"].shape[1]
    predictions = batch["masked_positions"].shape[1] if "mlm" in heads else 0
    of_heads = 2 * predictions * (hidden * hidden + hidden * config.vocab_size)
    if set(heads) & set(POOLED):
        of_heads += 2 * examples * hidden * hidden
    for name in heads:
        if name in SCORES:
            places, read = (examples, hidden) if name in POOLED else (length, 2 * size if config.features else hidden)
            of_heads += 2 * places * read * outputs_of(SCORES[name]["outputs"], config)
    if config.features:
        chosen, how = FEATURES[config.features]
        read = hidden * (len(chosen(range(config.num_layers + 1))) if how == "concatenated" else 1)
        for _ in range(config.lstm_layers):
            of_heads += 2 * 2 * length * (read + size) * 4 * size
            read = 2 * size
    return rows * of_heads
