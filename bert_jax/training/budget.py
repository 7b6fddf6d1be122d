"""How many steps a budget of tokens or operations pays for."""

import dataclasses

from bert_jax.config import Config
from bert_jax.errors import UserError
from bert_jax.model import flops
from bert_jax.training.state import make_model


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
