"""A plan: what a recipe has become once its data and its starting point are known."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from bert_jax.config import ComputeConfig, Config, ModelConfig, OptimizerConfig
from bert_jax.errors import UserError


@dataclass(frozen=True)
class Plan:
    """A run as it will be executed: nothing is left to be inferred.

    Attributes:
        recipe: the recipe as written, with the architecture and the tokenizer of the checkpoint
            that it starts from.
        objectives: names of the losses that are added up.
        model: the architecture, with the sizes of the vocabulary and of the label set.
        compute: how the model is computed, the layout of its parameters among it.
        optimizer: the update, its warm-up as a number of steps.
        steps: optimiser steps of the whole run, where the schedule ends.
        evaluate_every: steps between held-out evaluations; 0: only at the end.
        checkpoint_every: steps between checkpoints; 0: only at the end.
        examples: training examples of an epoch; 0 if the plan was made without data.
    """

    recipe: Config
    objectives: tuple[str, ...]
    model: ModelConfig
    compute: ComputeConfig
    optimizer: OptimizerConfig
    steps: int
    evaluate_every: int
    checkpoint_every: int
    examples: int = 0


def make_plan(recipe: Config, examples: int, *, vocab_size: int, **resolved: Any) -> Plan:
    """Resolves what a recipe leaves open: sizes, and epochs and shares as numbers of steps.

    Args:
        recipe: the recipe.
        examples: training examples of an epoch.
        vocab_size: tokens of the vocabulary.
        **resolved: `objectives` and `num_labels` where they follow from a task's data, and `steps`
            where a budget of tokens or operations decides them.

    Raises:
        UserError: the vocabulary does not fit the model, or warm-up is longer than the run.
    """
    model = dataclasses.replace(
        with_vocabulary(recipe.model, vocab_size),
        num_labels=resolved.pop("num_labels", recipe.model.num_labels),
    )
    train, optimizer = recipe.train, recipe.optimizer
    epoch = -(-examples // train.batch_size)
    steps = resolved.pop("steps", train.steps)
    if train.epochs:
        steps = round(train.epochs * epoch)
    warmup = optimizer.warmup_steps
    if optimizer.warmup_share:
        warmup = int(optimizer.warmup_share * steps)
    if warmup > steps:
        raise UserError(
            "config.optimizer.warmup_steps is out of range",
            found=str(warmup),
            expected=f"at most the {steps} steps of the run",
            hint="--config.optimizer.warmup_share=0.1",
        )
    plan = without_data(recipe)
    return dataclasses.replace(
        plan,
        model=model,
        optimizer=dataclasses.replace(optimizer, warmup_steps=warmup),
        steps=steps,
        evaluate_every=epoch if plan.evaluate_every == -1 else plan.evaluate_every,
        checkpoint_every=epoch if plan.checkpoint_every == -1 else plan.checkpoint_every,
        examples=examples,
        **resolved,
    )


def without_data(recipe: Config) -> Plan:
    """The plan of a recipe that leaves nothing open: sizes and steps stand in it."""
    return Plan(
        recipe=recipe,
        objectives=recipe.objectives,
        model=recipe.model,
        compute=recipe.compute,
        optimizer=recipe.optimizer,
        steps=recipe.train.steps,
        evaluate_every=recipe.evaluate.every,
        checkpoint_every=recipe.checkpoint.every,
    )


def with_vocabulary(model: ModelConfig, size: int) -> ModelConfig:
    """The architecture with its `vocab_size` taken from, or checked against, a vocabulary.

    The word table may have more rows than there are tokens: published tables are padded so.

    Raises:
        UserError: it has fewer.
    """
    if 0 < model.vocab_size < size:
        raise UserError(
            "config.model.vocab_size does not fit the vocabulary",
            found=f"{model.vocab_size}, and a vocabulary of {size} tokens",
            expected="at least as many as the vocabulary has",
            hint="leave --config.model.vocab_size out, or name the right "
            "--config.tokenizer.vocab_file",
        )
    return dataclasses.replace(model, vocab_size=max(size, model.vocab_size))
