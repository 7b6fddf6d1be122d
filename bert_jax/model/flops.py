"""Floating-point operations of the model, counted from its shapes."""

from collections.abc import Mapping

from bert_jax.config import ModelConfig, ProbeConfig
from bert_jax.model.features import FEATURES
from bert_jax.model.heads import POOLED, SCORES, outputs_of

NO_PROBE = ProbeConfig()


def forward(
    config: ModelConfig, heads: tuple[str, ...], batch: Mapping, probe: ProbeConfig = NO_PROBE
) -> int:
    """Returns the multiplications and additions of matrix products in a forward pass.

    The product with the vocabulary is counted at the masked positions only, where it is needed.

    Args:
        config: architecture.
        heads: names of the heads.
        batch: arrays or their shapes, as in `bert_jax.pretraining.batches`, padding included.
        probe: features that the heads read, if any.
    """
    return _encoder(config, batch) + _heads(config, heads, batch, probe)


def train_step(
    config: ModelConfig, heads: tuple[str, ...], batch: Mapping, probe: ProbeConfig = NO_PROBE
) -> int:
    """Returns those of a training step: the backward pass takes two products for each one of the
    forward pass, but none of a frozen encoder below a probe."""
    passes = 1 if probe.features else 3
    return passes * _encoder(config, batch) + 3 * _heads(config, heads, batch, probe)


def _encoder(config: ModelConfig, batch: Mapping) -> int:
    hidden, inner = config.hidden_size, config.intermediate_size
    rows, length = batch["input_ids"].shape
    projections = 2 * length * (4 * hidden * hidden + 2 * hidden * inner)
    attention = 2 * 2 * length * length * hidden
    return rows * config.num_layers * (projections + attention)


def _heads(config: ModelConfig, heads: tuple[str, ...], batch: Mapping, probe: ProbeConfig) -> int:
    hidden, size = config.hidden_size, probe.lstm_size
    rows, length = batch["input_ids"].shape
    examples = batch["example_positions"].shape[1]
    predictions = batch["masked_positions"].shape[1] if "mlm" in heads else 0
    of_heads = 2 * predictions * (hidden * hidden + hidden * config.vocab_size)
    if set(heads) & set(POOLED):
        of_heads += 2 * examples * hidden * hidden
    for name in heads:
        if name in SCORES:
            places, read = (
                (examples, hidden)
                if name in POOLED
                else (length, 2 * size if probe.features else hidden)
            )
            of_heads += 2 * places * read * outputs_of(SCORES[name]["outputs"], config)
    if probe.features:
        chosen, how = FEATURES[probe.features]
        read = hidden * (len(chosen(range(config.num_layers + 1))) if how == "concatenated" else 1)
        for _ in range(probe.lstm_layers):
            of_heads += 2 * 2 * length * (read + size) * 4 * size
            read = 2 * size
    return rows * of_heads
