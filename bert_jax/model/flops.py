"""Floating-point operations of the model, counted from its shapes."""

from collections.abc import Mapping

from bert_jax.config import ModelConfig
from bert_jax.model.heads import POOLED, SCORES, outputs_of


def forward(config: ModelConfig, heads: tuple[str, ...], batch: Mapping) -> int:
    """Multiplications and additions of matrix products in a forward pass with these heads.

    The vocabulary product counts at the masked positions only, which is where it is needed.

    Args:
        batch: arrays or their shapes, as `bert_jax.data.batches` has them, padding included.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    rows, length = batch["input_ids"].shape
    examples = batch["example_positions"].shape[1]
    predictions = batch["masked_positions"].shape[1] if "mlm" in heads else 0
    projections = 2 * length * (4 * hidden * hidden + 2 * hidden * inner)
    attention = 2 * 2 * length * length * hidden
    of_heads = 2 * predictions * (hidden * hidden + hidden * config.vocab_size)
    if set(heads) & set(POOLED):
        of_heads += 2 * examples * hidden * hidden
    for name in heads:
        if name in SCORES:
            places = examples if name in POOLED else length
            of_heads += 2 * places * hidden * outputs_of(SCORES[name]["outputs"], config)
    return rows * (config.num_layers * (projections + attention) + of_heads)


def train_step(config: ModelConfig, heads: tuple[str, ...], batch: Mapping) -> int:
    """The same of a training step: the backward pass takes two products for each of the forward pass."""
    return 3 * forward(config, heads, batch)
