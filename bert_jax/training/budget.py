"""What steps take in operations, and how many of them a budget of tokens or operations pays for."""

import dataclasses

from bert_jax.config import Config
from bert_jax.errors import UserError
from bert_jax.model import flops
from bert_jax.training.state import make_model


def operations(config: Config, material) -> dict[tuple[int, int], int]:
    """Operations of the model's matrix products in a step, by the shape of its batch.

    Args:
        config: of `material.plan`.
        material: what is learned from, `Pretraining` or `Finetuning`.
    """
    heads = make_model(config).heads
    return {shape: flops.train_step(config.model, heads, shapes) for shape, shapes in material.shapes().items()}


def with_budget(config: Config, shapes: dict) -> Config:
    """The config with `train.tokens` or `train.flops` as the whole steps that they pay for; the schedule ends there.

    Tokens are those of rows, padding among them; operations are matrix products of the model, as the summary has them.

    Args:
        config: the recipe, whose vocabulary is known.
        shapes: of a batch.

    Raises:
        UserError: it does not pay for a step.
    """
    train = config.train
    if train.tokens:
        key, budget, price = "tokens", train.tokens, shapes["input_ids"].size
    elif train.flops:
        key, budget, price = "flops", train.flops, flops.train_step(config.model, make_model(config).heads, shapes)
    else:
        return config
    if budget < price:
        raise UserError(f"config.train.{key} does not pay for a step", found=f"{budget:g}",
                        expected=f"at least {price:g}, the {key} of a step", hint="a smaller --config.train.batch_size")
    return dataclasses.replace(config, train=dataclasses.replace(train, steps=int(budget // price)))
