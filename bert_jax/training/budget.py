"""Steps that a budget of tokens or operations pays for."""

from bert_jax.config import Config
from bert_jax.errors import UserError
from bert_jax.model import flops
from bert_jax.objectives import heads_of
from bert_jax.training.plan import with_vocabulary


def steps_of_budget(recipe: Config, vocab_size: int, shapes: dict) -> int:
    """Returns the steps of a run: `train.steps`, or the whole steps that its budget pays for.

    `train.tokens` counts the tokens of rows, padding among them; `train.flops` counts the
    operations of the model's matrix products.

    Args:
        recipe: the recipe.
        vocab_size: tokens of the vocabulary.
        shapes: shapes of a batch.

    Raises:
        UserError: the budget does not pay for one step.
    """
    train = recipe.train
    if train.tokens:
        key, budget, price = "tokens", train.tokens, shapes["input_ids"].size
    elif train.flops:
        model = with_vocabulary(recipe.model, vocab_size)
        key, budget = "flops", train.flops
        price = flops.train_step(model, heads_of(recipe.objectives), shapes, recipe.probe)
    else:
        return train.steps
    if budget < price:
        raise UserError(
            f"config.train.{key} does not pay for a step",
            found=f"{budget:g}",
            expected=f"at least {price:g}, the {key} of a step",
            hint="a smaller --config.train.batch_size",
        )
    return int(budget // price)
